"""An indicator says in one number how a city system is doing: one row each in its stream's schema module.

A row's `amounts` say what each device adds, from its own window; they are pooled over the devices of a zone, over the zones of
the district and over time, and `value` makes the number of the pools. So an indicator of the district is not the mean of its
zones', and one of a day not the mean of its hours', but what the same formula says of all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.aggregate import DAY, HOUR, MINUTE, QUARTER

if TYPE_CHECKING:
    from schemas.view import View

DISTRICT: Final = "district"  # the zone of what is true of all zones together
WINDOWS: Final = (QUARTER, HOUR, DAY)


@dataclass(frozen=True, slots=True, eq=False)  # known by its identity: rows share amounts
class Amount:
    """What a device adds: `of(view)` is a number or a truth, or raises `Absent` for a device that does not count.

    inputs  the metrics it reads; a device without one of them does not count, with `either` one without any
    params  those it reads of the registry; a device without one does not count
    base    windows that it is taken from: MINUTE or QUARTER, and then added up to longer ones; "" is the window itself
    past    it reads the window before, too; only with a base
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    of: Callable[["View"], float]
    base: str = ""
    params: tuple[str, ...] = ()
    either: bool = False
    past: bool = False


class Pool(NamedTuple):
    """An amount of many devices, and of as many windows of the base as lie in the span.

    n         numbers that were added
    total     their sum; low and high, the least and the greatest
    means     over time, the sum of what was the mean in each quarter
    quarters  how many quarters had any number
    """

    n: int = 0
    total: float = 0.0
    low: float = 0.0
    high: float = 0.0
    means: float = 0.0
    quarters: int = 0


class Span(StrEnum):
    """What an indicator speaks of at the end of a window."""

    WINDOW = "window"
    ROLLING = "rolling"  # the last `hours` before the window's end
    EVENT = "event"  # since the stream's event began
    YEAR = "year"  # since the city's new year


@dataclass(frozen=True, slots=True)
class Target:
    """`good` and better is as wished, `poor` and worse is not, between them it wants an eye. Either may be above."""

    good: float
    poor: float
    source: str

    def judge(self, value: float) -> str:
        """`good`, `fair` or `poor`."""
        sign = 1 if self.good >= self.poor else -1
        if sign * value >= sign * self.good:
            return "good"
        return "poor" if sign * value <= sign * self.poor else "fair"


def measurement(stream: str, kind: str = "") -> str:
    """Of a stream's indicators, or of the details of a kind; in the bucket `aggregates`."""
    return f"city_{stream}_{kind}" if kind else f"city_{stream}"


Value = Callable[[Sequence[Pool], float], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """One field of the measurement `city_<stream>`, tags `zone` (DISTRICT for all) and `window`.

    unit     UCUM code; "1" for counts and shares
    formula  in words, with the names of metrics and params
    amounts  what `value` is made of
    value    of a pool of each amount and the length of the span in hours; None when there is nothing to say
    windows  the lengths it is given for
    span     of what time it speaks; all but WINDOW want amounts with a base
    source   of the definition, with evidence: S read in a source, V measured, P prior knowledge only
    """

    name: str
    unit: str
    en: str
    zh: str
    formula: str
    amounts: tuple[Amount, ...]
    value: Value
    windows: tuple[str, ...] = WINDOWS
    span: Span = Span.WINDOW
    hours: float = 0
    target: Target | None = None
    source: str = "P"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One field of the measurement `city_<stream>_<kind>`, tags `device_id` and `window`: an amount of a single device.

    Where the amount has a base it is given for quarters alone; hours and days of it are sums.
    """

    name: str
    unit: str
    en: str
    zh: str
    amount: Amount
    windows: tuple[str, ...] = WINDOWS
    target: Target | None = None
    source: str = "P"


@dataclass(frozen=True, slots=True)
class Event:
    """Goes on while the mean of `amount` over the devices of a quarter is at least `least`, and ends `gap_hours` after."""

    amount: Amount
    least: float
    gap_hours: float
    source: str


# Values of the usual forms. Each takes the pools of the row's amounts in their order.


def share(pools: Sequence[Pool], _hours: float) -> float | None:
    """Of the one amount: the mean of what devices added, for truths the share of them that is true."""
    return pools[0].total / pools[0].n if pools[0].n else None


def total(pools: Sequence[Pool], _hours: float) -> float | None:
    return pools[0].total if pools[0].n else None


def rate(pools: Sequence[Pool], hours: float) -> float | None:
    """Per hour."""
    return pools[0].total / hours if pools[0].n else None


def lowest(pools: Sequence[Pool], _hours: float) -> float | None:
    return pools[0].low if pools[0].n else None


def highest(pools: Sequence[Pool], _hours: float) -> float | None:
    return pools[0].high if pools[0].n else None


def depth(pools: Sequence[Pool], _hours: float) -> float | None:
    """What the devices say on average, added up over time: rain."""
    return pools[0].means if pools[0].n else None


def ratio(pools: Sequence[Pool], _hours: float) -> float | None:
    """First by second amount."""
    above, below = pools
    return above.total / below.total if above.n and below.n and below.total else None


def percent(pools: Sequence[Pool], hours: float) -> float | None:
    part = ratio(pools, hours)
    return None if part is None else 100 * part


mean = share
BASES: Final = ("", MINUTE, QUARTER)
SHORT: Final = (QUARTER, HOUR)
LONG: Final = (HOUR, DAY)
DAILY: Final = (DAY,)
