"""What is remembered of one device: the windows its rules ask for, since when values are what they are, when it spoke last.

Nothing in it depends on more than the warm-up brings back, so a restarted task sees what one that never stopped sees.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from schemas.instants import HOUR_MS, MINUTE_MS

STILL_CAP_MS = HOUR_MS  # still() and same() count no further
SHORT_MS = HOUR_MS  # what is kept for longer is kept apart, and of that only the first reading of each step
STEP_MS = 5 * MINUTE_MS


Rows = deque[tuple[int, tuple[Any, ...]]]
Pick = Callable[[Mapping[str, Any]], tuple[Any, ...]]


class Ring(NamedTuple):
    """Metrics that are kept together, how often, and for how long. `pick` takes them out of a reading."""

    names: tuple[str, ...]
    pick: Pick
    step_ms: int  # 0: each reading
    span_ms: int


class Shape:
    """What is kept of each device of a kind. `needs` are metrics with how much of their past is asked for; 0: not in windows."""

    def __init__(self, needs: Mapping[str, int], traced: Iterable[str] = (), recent: int = 0) -> None:
        short = sorted(name for name, span in needs.items() if 0 < span <= SHORT_MS)
        long = sorted(name for name, span in needs.items() if span > SHORT_MS)
        self.rings = tuple(
            # twice the one name, since itemgetter makes no tuple of one
            Ring(tuple(names), itemgetter(*(names if len(names) > 1 else names * 2)), step, max(needs[name] for name in names))
            for names, step in ((short, 0), (long, STEP_MS))
            if names
        )
        self.where = {name: (n, ring.names.index(name)) for n, ring in enumerate(self.rings) for name in ring.names}
        self.traced = tuple(traced)
        self.recent = recent


class Past:
    __slots__ = ("_rings", "_traced", "_where", "interval_ms", "recent", "since")

    def __init__(self, shape: Shape, interval_ms: int) -> None:
        self.interval_ms = interval_ms
        self._where = shape.where
        self._rings: list[tuple[Rows, Pick, int, int, tuple[str, ...]]] = [
            (deque(), ring.pick, ring.step_ms, ring.span_ms + 2 * max(interval_ms, ring.step_ms), ring.names)
            for ring in shape.rings
        ]
        self._traced = shape.traced
        self.since: dict[str, list[Any]] = {}  # value, first seen, last seen
        self.recent: deque[int] | None = deque(maxlen=shape.recent) if shape.recent else None

    def reshaped(self, shape: Shape) -> "Past":
        """The same past as far as it is known, in the shape that changed rules ask for."""
        other = Past(shape, self.interval_ms)
        other.since = {name: held for name, held in self.since.items() if name in shape.traced}
        if other.recent is not None:
            other.recent.extend(self.recent or ())
        for rows, _, step_ms, _, names in other._rings:
            same = [ring for ring in self._rings if ring[2] == step_ms]
            for known, _, _, _, known_names in same:
                places = [known_names.index(name) if name in known_names else -1 for name in names]
                rows.extend((ts, tuple(row[place] if place >= 0 else None for place in places)) for ts, row in known)
        return other

    def note(self, ts: int, good: Mapping[str, Any]) -> None:
        """A reading newer than all before it."""
        if self.recent is not None:
            self.recent.append(ts)
        for name in self._traced:
            value = good.get(name)
            if value is not None:
                before = self.since.get(name)
                if before is None or before[0] != value or ts - before[2] > STILL_CAP_MS:
                    self.since[name] = [value, ts, ts]
                else:
                    before[2] = ts
        for rows, pick, step_ms, kept_ms, names in self._rings:
            if step_ms and rows and rows[-1][0] // step_ms == ts // step_ms:
                continue
            try:
                rows.append((ts, pick(good)))
            except KeyError:  # one of them is missing or suspect
                rows.append((ts, tuple(map(good.get, names))))
            oldest = ts - kept_ms
            while rows[0][0] < oldest:
                rows.popleft()

    def window(self, name: str, span_ms: int, ts: int) -> list[float] | None:
        """The values of the last `span_ms`; None unless they reach back so far."""
        ring, place = self._where[name]
        rows, _, step_ms, _, _ = self._rings[ring]
        start = ts - span_ms
        if not self._reaches(rows, place, start, step_ms):
            return None
        values = [row[place] for at, row in rows if at > start]
        if None in values:
            values = [value for value in values if value is not None]
        return values or None

    def ends(self, name: str, span_ms: int, ts: int) -> tuple[float, float] | None:
        """The first and the last of them, without looking at those between."""
        ring, place = self._where[name]
        rows, _, step_ms, _, _ = self._rings[ring]
        start = ts - span_ms
        if not self._reaches(rows, place, start, step_ms):
            return None
        values = (row[place] for at, row in rows if at > start)
        first = next((value for value in values if value is not None), None)
        return None if first is None else (first, next(row[place] for _, row in reversed(rows) if row[place] is not None))

    def _reaches(self, rows: Rows, place: int, start: int, step_ms: int) -> bool:
        """Whether a value stands near enough to the beginning of a window."""
        reach_ms = 2 * max(self.interval_ms, step_ms)
        for at, row in rows:
            if at >= start - reach_ms and row[place] is not None:
                return at <= start + reach_ms
        return False

    def held_s(self, name: str, ts: int) -> float | None:
        """For how long the value has not changed."""
        known = self.since.get(name)
        return None if known is None or known[2] != ts else min(ts - known[1], STILL_CAP_MS) / 1_000

    def span(self, count: int, ts: int) -> float | None:
        """How many of its intervals the last `count` readings took; None where it was more than three times their due.

        Where any is missing the longest gap counts as one interval: a single outage, however long, is no loss of messages.
        """
        recent, interval_ms = self.recent, self.interval_ms
        if recent is None or len(recent) < count:
            return None
        taken = ts - recent[-count]
        if taken < count * interval_ms:
            return taken / interval_ms
        if taken > 3 * count * interval_ms:
            return None
        times = list(recent)[-count:]
        longest = max(after - before for before, after in pairwise(times))
        return (taken - longest) / interval_ms + 1
