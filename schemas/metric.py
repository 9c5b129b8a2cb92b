"""A metric is declared once, as one row; everything else about it is derived from the row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from schemas.reason import Flag

Value = float | int | bool | str


class Nature(StrEnum):
    GAUGE = "gauge"  # a level that is measured: temperature, fill, count of bikes
    COUNTER = "counter"  # only grows, until it wraps or its device restarts: energy, cycles, rain
    STATE = "state"  # one of a few words, or yes and no: pump running, door open
    LABEL = "label"  # a number that says which or where, not how much: a route, a position; a mean of it means nothing


class Aggregation(StrEnum):
    COUNT = "count"
    MIN = "min"
    MAX = "max"
    MEAN = "mean"
    LAST = "last"
    P95 = "p95"
    SUM = "sum"  # of events: tonnes over the weighbridge
    INCREASE = "increase"
    SECONDS = "seconds"  # spent in each state


_OF_NATURE: Mapping[Nature, tuple[Aggregation, ...]] = {
    Nature.GAUGE: (Aggregation.COUNT, Aggregation.MIN, Aggregation.MAX, Aggregation.MEAN, Aggregation.LAST),
    Nature.COUNTER: (Aggregation.COUNT, Aggregation.INCREASE, Aggregation.LAST),
    Nature.STATE: (Aggregation.COUNT, Aggregation.SECONDS, Aggregation.LAST),
    Nature.LABEL: (Aggregation.LAST,),
}


@dataclass(frozen=True, slots=True)
class Param:
    """A bound that differs by device: `scale * device.params[name] + offset`. A device without it has no such bound."""

    name: str
    scale: float = 1.0
    offset: float = 0.0

    def of(self, params: Mapping[str, Any]) -> float | None:
        value = params.get(self.name)
        return None if value is None else self.scale * float(value) + self.offset


Bound = float | Param | None


@dataclass(frozen=True, slots=True)
class Range:
    low: Bound = None
    high: Bound = None

    def of(self, params: Mapping[str, Any]) -> tuple[float, float]:
        """Both bounds for one device, inclusive; infinite where there is none."""
        return _number(self.low, params, float("-inf")), _number(self.high, params, float("inf"))


def _number(bound: Bound, params: Mapping[str, Any], absent: float) -> float:
    value = bound.of(params) if isinstance(bound, Param) else bound
    return absent if value is None else value


ANY = Range()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of a stream's schema module.

    name            as in the payload; ends in its unit where the field's standard does not name it
    unit            UCUM code, as SenML and Grafana's unit table understand it; "1" for counts and fractions
    possible        outside: the reading is refused (dead letter `impossible_value`)
    plausible       outside: the value is flagged `out_of_range`
    max_per_minute  a larger step between two readings is flagged `rate_of_change`; the same step is allowed at once
    stuck_after_min a value other than 0 that has not moved by a digit for this long is flagged `stuck`
    sentinels       what this kind of device says when it has nothing to say; never stored as a value
    wraps_at        a counter's modulus: after `wraps_at - 1` comes 0
    source          where the ranges come from, with evidence: S read in a source, V measured, P prior knowledge only
    """

    name: str
    unit: str
    nature: Nature
    type: Literal["float", "int", "bool", "word"]
    en: str
    zh: str
    possible: Range = ANY
    plausible: Range = ANY
    max_per_minute: float | None = None
    stuck_after_min: float | None = None
    states: tuple[str, ...] = ()
    sentinels: tuple[float, ...] = ()
    wraps_at: float | None = None
    required: bool = False
    extra: tuple[Aggregation, ...] = ()
    source: str = "P"

    @property
    def is_number(self) -> bool:
        return self.type in {"float", "int"}

    @property
    def plausible_everywhere(self) -> tuple[float | None, float | None]:
        """The bounds of what is plausible for any device, inclusive; None where there is none, or where it is by device."""
        bounds = ((self.plausible.low, self.possible.low, max), (self.plausible.high, self.possible.high, min))
        low, high = (narrower([b for b in both if isinstance(b, int | float)], default=None) for *both, narrower in bounds)
        return low, high

    @property
    def judges_steps(self) -> bool:
        """Whether the step from the value before is judged; a counter's is its increase, which may be any."""
        return self.max_per_minute is not None and self.nature is Nature.GAUGE

    @property
    def aggregations(self) -> tuple[Aggregation, ...]:
        return _OF_NATURE[self.nature] + self.extra


# What real loggers were seen to write for "no sensor", "broken wire" and "not read yet" (888,8 -88,8 -999,9 -9999).
LOGGER_SENTINELS = (888.8, -88.8, -999.9, -9999.0)

PUMP = ("stopped", "running", "fault")


def gauge(name: str, unit: str, en: str, zh: str, **rest: Any) -> Metric:
    """A measured level, a float unless `type="int"`. Floats know the loggers' sentinels unless told otherwise."""
    return Metric(name=name, unit=unit, nature=Nature.GAUGE, en=en, zh=zh, **_numeric(rest))


def counter(name: str, unit: str, en: str, zh: str, **rest: Any) -> Metric:
    rest.setdefault("possible", Range(0, None))
    return Metric(name=name, unit=unit, nature=Nature.COUNTER, en=en, zh=zh, **_numeric(rest))


def label(name: str, unit: str, en: str, zh: str, **rest: Any) -> Metric:
    return Metric(name=name, unit=unit, nature=Nature.LABEL, en=en, zh=zh, **_numeric(rest))


def _numeric(rest: dict[str, Any]) -> dict[str, Any]:
    rest.setdefault("type", "float")
    if rest["type"] == "float":
        rest.setdefault("sentinels", _outside(rest.get("possible", ANY), rest.get("plausible", ANY)))
    return rest


def _outside(*ranges: Range) -> tuple[float, ...]:
    """The loggers' sentinels that cannot be meant: a meter that may show 888.8 kW may show it in earnest."""
    low, high = float("-inf"), float("inf")
    for bounds in ranges:
        if not isinstance(bounds.low, Param | None):
            low = max(low, bounds.low)
        if not isinstance(bounds.high, Param | None):
            high = min(high, bounds.high)
    return tuple(sentinel for sentinel in LOGGER_SENTINELS if not low <= sentinel <= high)


def state(name: str, en: str, zh: str, *states: str, **rest: Any) -> Metric:
    """One of the words given; with none given, true or false."""
    kind: Literal["word", "bool"] = "word" if states else "bool"
    return Metric(name=name, unit="", nature=Nature.STATE, type=kind, states=states, en=en, zh=zh, **rest)


@dataclass(frozen=True, slots=True)
class Check:
    """A relation between metrics of one reading; when `holds` says False the named metrics are flagged `reason`.

    `holds(values, params)` is only asked when every metric in `needs` is present and unflagged.
    """

    reason: Flag
    needs: tuple[str, ...]
    holds: Callable[[Mapping[str, Any], Mapping[str, Any]], bool] = field(compare=False)
    en: str
