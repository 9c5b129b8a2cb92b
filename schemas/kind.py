"""A kind of device and a stream of kinds: what a schema module declares."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from schemas.aggregate import MINUTE
from schemas.indicator import BASES, Amount, Detail, Event, Indicator, Span
from schemas.metric import Aggregation, Check, Metric, Param

RESERVED = frozenset({"ts", "seq", "event_id", "device_id", "zone", "window", "quality", "reasons"})
EVIDENCE = "SVP"  # read in a source, measured, prior knowledge only
_TOPIC_LEVEL = re.compile("[a-z][a-z0-9-]{0,31}")
_METRIC_NAME = re.compile("[a-z][a-z0-9_]{0,47}")
_MAX_STUCK_MIN = 30

_ON_ITS_WAY_MS = 5 * 60_000  # one reading may have been on its way for so much longer than the next
RATE_MEMORY_MS = 15 * 60_000  # a step is judged against the value before only if that is not older than this


@dataclass(frozen=True, slots=True)
class Parameter:
    """What the registry may say of a device of this kind: a number, or for a curve a list of pairs."""

    name: str
    unit: str
    en: str
    zh: str


@dataclass(frozen=True, eq=False)  # known by its identity: hashing all its rows would cost more than decoding a payload
class Kind:
    """A kind of device: its name in topics, its metrics, and how often such devices report unless the registry says so.

    An event kind (`event=True`) has an `event_id` in each payload; its identity is that id, not its time.
    """

    name: str
    en: str
    zh: str
    metrics: tuple[Metric, ...]
    checks: tuple[Check, ...] = ()
    params: tuple[Parameter, ...] = ()
    interval_s: int = 60
    event: bool = False

    @cached_property
    def by_name(self) -> Mapping[str, Metric]:
        return {metric.name: metric for metric in self.metrics}

    @cached_property
    def memory_ms(self) -> int:
        """How far back a judgement of one reading may look: the span of the muted warm-up. 0 where each is judged by itself.

        Stuck is a value that has been the same for so long, and its chain may have begun with a gap as long as that once more.
        """
        if not any(metric.judges_steps or metric.stuck_after_min for metric in self.metrics):
            return 0
        stuck = max(metric.stuck_after_min or 0.0 for metric in self.metrics)
        return max(RATE_MEMORY_MS + _ON_ITS_WAY_MS, int(2 * stuck * 60_000))

    @property
    def channel(self) -> str:
        """The last level of the MQTT topic that carries its measurements."""
        return "event" if self.event else "reading"


@dataclass(frozen=True, eq=False)
class Stream:
    """One city system.

    lateness_ms  how long after its end a window still takes readings
    indicators   how it is doing, by zone and for the district; `details` by device
    event        what the indicators of the span EVENT speak of
    served       kinds of device whose details of a quarter work orders are made of
    """

    name: str
    en: str
    zh: str
    kinds: tuple[Kind, ...]
    lateness_ms: int = 15 * 60_000
    indicators: tuple[Indicator, ...] = ()
    details: tuple[Detail, ...] = ()
    event: Event | None = None
    served: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Kind]:
        return {kind.name: kind for kind in self.kinds}

    @property
    def memory_ms(self) -> int:
        return max(kind.memory_ms for kind in self.kinds)

    @cached_property
    def amounts(self) -> tuple[Amount, ...]:
        """All that indicators, details and the event are made of, each once."""
        event = (self.event.amount,) if self.event else ()
        own = [amount for row in self.indicators for amount in row.amounts] + [row.amount for row in self.details]
        return tuple(dict.fromkeys((*event, *own)))

    def measurement(self, kind: str) -> str:
        """The InfluxDB measurement of a kind's readings."""
        return f"{self.name}_{kind}"


def check_declaration(stream: Stream) -> list[str]:
    """What is wrong with a stream's declaration, in words; empty when it can be registered."""
    problems = _called(stream.name, stream, _TOPIC_LEVEL)
    kinds = [kind.name for kind in stream.kinds]
    problems += [f"{stream.name}: kind {name} is declared twice" for name in _repeated(kinds)]
    for kind in stream.kinds:
        where = f"{stream.name}/{kind.name}"
        names = [metric.name for metric in kind.metrics]
        params = frozenset(param.name for param in kind.params)
        problems += _called(where, kind, _TOPIC_LEVEL)
        problems += [f"{where}: metric {name} is declared twice" for name in _repeated(names)]
        problems += [f"{where}: param {name} is declared twice" for name in _repeated([p.name for p in kind.params])]
        for metric in kind.metrics:
            problems += _called(f"{where}.{metric.name}", metric, _METRIC_NAME)
            problems += [f"{where}.{metric.name}: {problem}" for problem in _row(metric, kind, params)]
        for check in kind.checks:
            problems += [f"{where}: check {check.reason} needs unknown {name}" for name in check.needs if name not in names]
    return [*problems, *_city(stream)]


def _city(stream: Stream) -> Iterator[str]:
    """What is wrong with its indicators."""
    for where, names in (
        ("indicator", [row.name for row in stream.indicators]),
        ("amount", [amount.name for amount in stream.amounts]),
        ("detail", [f"{row.amount.kind}.{row.name}" for row in stream.details]),
    ):
        yield from (f"{stream.name}: {where} {name} is declared twice" for name in _repeated(names))
    for amount in stream.amounts:
        yield from (f"{stream.name}: amount {amount.name}: {problem}" for problem in _amount(amount, stream))
    rows: tuple[Indicator | Detail, ...] = (*stream.indicators, *stream.details)
    for row in rows:
        where = f"{stream.name}: {row.name}"
        yield from _called(where, row, _METRIC_NAME)
        if row.source[:1] not in EVIDENCE or (row.target and row.target.source[:1] not in EVIDENCE):
            yield f"{where}: its source begins with none of S, V and P"
        if isinstance(row, Indicator):
            if row.span is not Span.WINDOW and not all(amount.base for amount in row.amounts):
                yield f"{where}: a span other than the window wants amounts with a base"
            if row.span is Span.EVENT and stream.event is None:
                yield f"{where}: the stream declares no event"
    yield from (
        f"{stream.name}: {name} is served, and has no details" for name in stream.served if not _has_details(stream, name)
    )
    for kind in stream.kinds:
        bases = {row.amount.base == MINUTE for row in stream.details if row.amount.kind == kind.name}
        if len(bases) > 1:
            yield f"{stream.name}/{kind.name}: details of minutes and of windows would be two writers of one point"


def _has_details(stream: Stream, kind: str) -> bool:
    return any(row.amount.kind == kind for row in stream.details)


def _amount(amount: Amount, stream: Stream) -> Iterator[str]:
    kind = stream.by_name.get(amount.kind)
    if kind is None:
        yield f"kind {amount.kind} is not declared"
        return
    if amount.base not in BASES:
        yield f"its base is none of {BASES}"
    if amount.past and not amount.base:
        yield "without a base it knows no window before"
    params = {param.name for param in kind.params}
    yield from (f"needs unknown {name}" for name in amount.inputs if name not in kind.by_name)
    yield from (f"needs unknown param {name}" for name in amount.params if name not in params)


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _called(where: str, row: Stream | Kind | Metric | Indicator | Detail, form: re.Pattern[str]) -> list[str]:
    problems = [] if form.fullmatch(row.name) else [f"{where}: a name like {form.pattern} is wanted"]
    return problems + [f"{where}: no title in {language}" for language in ("en", "zh") if not getattr(row, language)]


def _row(metric: Metric, kind: Kind, params: frozenset[str]) -> Iterator[str]:
    if metric.name in RESERVED:
        yield "a reserved name"
    if metric.source[:1] not in EVIDENCE:
        yield "its source begins with none of S, V and P"
    if metric.type == "word" and not metric.states:
        yield "a word needs its states"
    if Aggregation.SUM in metric.extra and not kind.event:
        yield "only events are summed"
    if (metric.stuck_after_min or 0) > _MAX_STUCK_MIN:
        yield f"stuck_after_min is more than {_MAX_STUCK_MIN}, which each restart must read again"
    if metric.type in {"float", "int"}:
        yield from _number(metric, params)


def _number(metric: Metric, params: frozenset[str]) -> Iterator[str]:
    if not metric.unit:
        yield "a number needs its unit"
    ranges = {"possible": metric.possible, "plausible": metric.plausible}
    bounds = [bound for row in ranges.values() for bound in (row.low, row.high)]
    for name in sorted({bound.name for bound in bounds if isinstance(bound, Param)} - params):
        yield f"its range needs param {name}, which the kind does not declare"
    low, high, least, most = (bound if isinstance(bound, int | float) else None for bound in bounds)
    if metric.type == "int" and (low is None or high is None):
        yield "an integer needs a possible range, which keeps it within 64 bits"
    for name, bottom, top in (("possible", low, high), ("plausible", least, most)):
        if bottom is not None and top is not None and bottom >= top:
            yield f"its {name} range is empty"
    below = low is not None and least is not None and least < low
    above = high is not None and most is not None and most > high
    if below or above:
        yield "its plausible range is not within the possible one"
