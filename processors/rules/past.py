"""What is remembered of one device: the windows its rules ask for, since when values are what they are, when it spoke last.

Nothing in it depends on more than the warm-up brings back, so a restarted task sees what one that never stopped sees.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from math import isnan, nan
from operator import attrgetter
from typing import Any, NamedTuple

from schemas.instants import HOUR_MS, MINUTE_MS

STILL_CAP_MS = HOUR_MS  # still() and same() count no further
SHORT_MS = HOUR_MS  # what is kept for longer is kept apart, and of that only the first reading of each step
STEP_MS = 5 * MINUTE_MS
_HELD = 3  # what is known of a traced metric
_NEVER = -(1 << 62)
_SLACK = 16  # rows that may outlast their time, to be thrown away together

Pick = Callable[[Any], Any]


class Ring(NamedTuple):
    """Metrics that are kept together, how often, and for how long. `pick` takes them out of a reading's values."""

    names: tuple[str, ...]
    pick: Pick
    step_ms: int  # 0: each reading
    span_ms: int


def _ring(names: Sequence[str], step_ms: int, needs: Mapping[str, int]) -> Ring:
    row = tuple(names) if len(names) > 1 else (*names, *names)  # since attrgetter makes no tuple of one
    return Ring(row, attrgetter(*row), step_ms, max(needs[name] for name in names))


class Shape:
    """What is kept of each device of a kind. `needs` are metrics with how much of their past is asked for; 0: not in windows."""

    def __init__(self, needs: Mapping[str, int], traced: Iterable[str] = (), recent: int = 0) -> None:
        short = sorted(name for name, span in needs.items() if 0 < span <= SHORT_MS)
        long = sorted(name for name, span in needs.items() if span > SHORT_MS)
        self.rings = tuple(_ring(names, step, needs) for names, step in ((short, 0), (long, STEP_MS)) if names)
        self.where = {name: (n, ring.names.index(name)) for n, ring in enumerate(self.rings) for name in ring.names}
        self.traced = tuple(traced)
        self.picks = tuple((place * _HELD, _pick(name)) for place, name in enumerate(self.traced))
        self.recent = recent


def _pick(name: str) -> Pick:
    return attrgetter(name)


class Rows:
    """What a device said of the metrics of a ring, one reading after the other; nan where it said nothing good."""

    __slots__ = ("holed_ms", "kept_ms", "reach_ms", "ring", "times", "values", "width")

    def __init__(self, ring: Ring, interval_ms: int) -> None:
        self.ring, self.width = ring, len(ring.names)
        self.reach_ms = 2 * max(interval_ms, ring.step_ms)
        self.kept_ms = ring.span_ms + self.reach_ms
        # Numbers side by side and no objects: what is seldom looked at is far away, and an object a number would be far each
        self.times = array("q")
        self.values = array("d")
        self.holed_ms = -1  # when a nan was put in for the last time

    def add(self, ts: int, good: Any) -> None:
        times, (_, pick, step_ms, _) = self.times, self.ring
        if step_ms and times and times[-1] // step_ms == ts // step_ms:
            return
        row = pick(good)
        if None in row:
            self.holed_ms, row = ts, [nan if value is None else value for value in row]
        times.append(ts)
        self.values.extend(row)
        if times[0] < ts - self.kept_ms:
            self._drop(ts - self.kept_ms, _SLACK)

    def _drop(self, oldest: int, at_least: int) -> None:
        outdated = bisect_left(self.times, oldest)
        if outdated >= at_least:
            del self.times[:outdated]
            del self.values[: outdated * self.width]

    def take(self, other: "Rows") -> None:
        """What that knows of the same metrics."""
        places = [other.ring.names.index(name) if name in other.ring.names else -1 for name in self.ring.names]
        for number, ts in enumerate(other.times):
            row = other.values[number * other.width :]
            self.times.append(ts)
            self.values.extend(row[place] if place >= 0 else nan for place in places)
        if other.times:
            self.holed_ms = other.times[-1] if -1 in places else other.holed_ms
            self._drop(other.times[-1] - other.kept_ms, 1)

    def window(self, place: int, start: int) -> "array[float] | list[float] | None":
        """A metric's values after `start`; None where none stands near enough to the window's beginning, or none is good."""
        times, width, earliest_ms = self.times, self.width, start - self.reach_ms
        first = bisect_left(times, earliest_ms)
        if self.holed_ms < earliest_ms:
            if first == len(times) or times[first] > start + self.reach_ms:
                return None
            return self.values[bisect_right(times, start, first) * width + place :: width] or None
        column = self.values[first * width + place :: width]
        begins = next((number for number, value in enumerate(column) if not isnan(value)), -1)
        if begins < 0 or times[first + begins] > start + self.reach_ms:
            return None
        return [value for value in column[bisect_right(times, start, first) - first :] if not isnan(value)] or None


class Past:
    __slots__ = ("_held", "_picks", "_recent", "_rows", "_where", "interval_ms", "traced")

    def __init__(self, shape: Shape, interval_ms: int) -> None:
        self.interval_ms = interval_ms
        self._where = shape.where
        self._rows = tuple(Rows(ring, interval_ms) for ring in shape.rings)
        self.traced, self._picks = shape.traced, shape.picks
        self._held: list[Any] = [None, None, None] * len(shape.traced)  # of each: value, first seen, last seen
        self._recent = array("q", [_NEVER] * shape.recent)  # the times of the last readings

    def reshaped(self, shape: Shape) -> "Past":
        """The same past as far as it is known, in the shape that changed rules ask for."""
        other = Past(shape, self.interval_ms)
        for place, name in enumerate(shape.traced):
            if name in self.traced:
                known = self.traced.index(name) * _HELD
                other._held[place * _HELD : (place + 1) * _HELD] = self._held[known : known + _HELD]
        other._recent.extend(self._recent)
        del other._recent[: -shape.recent or len(other._recent)]
        for rows in other._rows:
            for known_rows in self._rows:
                if known_rows.ring.step_ms == rows.ring.step_ms:
                    rows.take(known_rows)
        return other

    def note(self, ts: int, good: Any) -> None:
        """A reading newer than all before it: its values, None for what is missing or suspect."""
        recent = self._recent
        if recent:
            del recent[0]
            recent.append(ts)
        for place, pick in self._picks:
            value = pick(good)
            if value is not None:
                held = self._held
                if value != held[place] or ts - held[place + 2] > STILL_CAP_MS:
                    held[place] = value
                    held[place + 1] = ts
                held[place + 2] = ts
        for rows in self._rows:
            rows.add(ts, good)

    def window(self, name: str, span_ms: int, ts: int) -> "array[float] | list[float] | None":
        """The values of the last `span_ms`; None unless they reach back so far."""
        number, place = self._where[name]
        return self._rows[number].window(place, ts - span_ms)

    def held_s(self, place: int, ts: int) -> float | None:
        """For how long the value of the metric at that place of `traced` has not changed."""
        held, place = self._held, place * _HELD
        if held[place + 2] != ts:
            return None
        held_ms = ts - held[place + 1]
        return (held_ms if held_ms < STILL_CAP_MS else STILL_CAP_MS) / 1_000  # noqa: FURB136 - for each reading

    def span(self, count: int, ts: int) -> float | None:
        """How many of its intervals the last `count` readings took; None where it was more than three times their due.

        Where any is missing the longest gap counts as one interval: a single outage, however long, is no loss of messages.
        """
        recent, interval_ms = self._recent, self.interval_ms
        taken = ts - recent[-count]
        if taken < count * interval_ms:
            return taken / interval_ms
        if taken > 3 * count * interval_ms:
            return None
        longest = max(after - before for before, after in pairwise(recent[-count:]))
        return (taken - longest) / interval_ms + 1
