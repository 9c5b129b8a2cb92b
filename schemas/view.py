"""A window of one device as the formulas of indicators see it."""

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, Optional

from schemas.aggregate import Window
from schemas.indicator import Amount
from schemas.instants import HOUR_MS
from schemas.kind import Kind
from schemas.metric import Nature

_LAST: Mapping[Nature, int] = {Nature.GAUGE: 1, Nature.LABEL: 1, Nature.COUNTER: 2, Nature.STATE: 2}
_MIN, _MAX, _SUM = 3, 4, 5


class Absent(LookupError):
    """The window has no good value of that metric, or the registry no such param: the device does not count."""


class View:
    """Numbers are in the metric's unit. What is not there raises Absent; a name that is not declared, KeyError.

    before     the window before this one, if one is known that is not too old
    day_hours  how far into the city's day the window begins, in hours
    """

    __slots__ = ("_kind", "_metrics", "_params", "_window", "before", "day_hours")

    def __init__(
        self, kind: Kind, window: Window, params: Mapping[str, Any], day_hours: float = 0, before: Optional["View"] = None
    ) -> None:
        self._kind, self._window, self._metrics, self._params = kind, window, window["metrics"], params
        self.day_hours, self.before = day_hours, before

    @property
    def readings(self) -> int:
        return self._window["readings"]

    @property
    def suspect(self) -> int:
        return self._window["suspect"]

    @property
    def hours(self) -> float:
        return (self._window["end"] - self._window["start"]) / HOUR_MS

    @property
    def spoken_hours(self) -> float:
        """How long what it says here holds: the window, or its interval where that is longer and windows in between are empty."""
        return max(self.hours, self._window["interval_ms"] / HOUR_MS)

    @property
    def start(self) -> int:
        return self._window["start"]

    def _part(self, name: str) -> tuple[Nature, list[Any]]:
        nature = self._kind.by_name[name].nature
        part = self._metrics.get(name)
        if not part or not part[0]:
            raise Absent(name)
        return nature, part

    def has(self, metric: str) -> bool:
        part = self._metrics.get(metric)
        return bool(part and part[0])

    def has_param(self, name: str) -> bool:
        return name in self._params

    def count(self, name: str) -> int:
        """How many good values."""
        return int(self._part(name)[1][0])

    def last(self, name: str) -> Any:
        """The newest good value: a number, or a state's word."""
        nature, part = self._part(name)
        return part[_LAST[nature]]

    def mean(self, name: str) -> float:
        return self.sum(name) / self.count(name)

    def sum(self, name: str) -> float:
        return self._of_gauge(name, _SUM)

    def min(self, name: str) -> float:
        return self._of_gauge(name, _MIN)

    def max(self, name: str) -> float:
        return self._of_gauge(name, _MAX)

    def _of_gauge(self, name: str, place: int) -> float:
        _, part = self._part(name)
        return float(part[place] if len(part) > place else part[1])

    def increase(self, name: str) -> float:
        """Of a counter."""
        return float(self._part(name)[1][1])

    def in_state(self, name: str, word: str) -> float:
        """Hours in that state."""
        return float(self._part(name)[1][1].get(word, 0)) / HOUR_MS

    def past(self) -> "View":
        """The window before, of an amount that says so."""
        if self.before is None:
            raise Absent("past")
        return self.before

    def param(self, name: str) -> float:
        return float(self._given(name))

    def curve(self, name: str, at: float) -> float:
        """The value there of a curve of pairs, straight between them and level outside. A plain number is a level curve."""
        points = self._given(name)
        if isinstance(points, int | float):
            return float(points)
        points = sorted(points)
        right = bisect_right(points, at, key=lambda point: point[0])
        if right in {0, len(points)}:
            return float(points[min(right, len(points) - 1)][1])
        (x0, y0), (x1, y1) = points[right - 1], points[right]
        return float(y0 + (y1 - y0) * (at - x0) / (x1 - x0))

    def _given(self, name: str) -> Any:
        if name not in self._params:
            raise Absent(name)
        return self._params[name]


def measure(amount: Amount, view: View) -> float | None:
    """What the device adds; None if it does not count."""
    if amount.past and view.before is None:
        return None
    present = [view.has(name) for name in amount.inputs]
    if present and not (any(present) if amount.either else all(present)):
        return None
    if not all(view.has_param(name) for name in amount.params):
        return None
    try:
        return float(amount.of(view))
    except Absent:
        return None
