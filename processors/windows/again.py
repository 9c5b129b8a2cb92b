"""Windows of a time that is over, from all readings there are of it: what the tasks would have written, had none come late.

Made of the same pieces as theirs: rows in a track, measured; smaller windows folded into larger ones; devices pooled to zones.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from processors.windows.calendar import Calendar, Span
from processors.windows.fold import Fold, child_of
from processors.windows.plan import Plan
from processors.windows.roster import Post
from processors.windows.track import Track
from processors.windows.zones import Pool
from schemas.aggregate import DAY, HOUR, MAX_SILENCE_MS, MINUTE, QUARTER, Window, expected_readings
from schemas.kind import Kind
from schemas.reading import Reading

_FOLDS = ((HOUR, QUARTER), (DAY, HOUR))

Leveled = tuple[str, Window]


class Again:
    """The windows of one kind of device of one zone that have any part of `span`, up to `closed_ms`.

    Windows that end later are left out: they are not closed, and their tasks would overwrite them. Between `needs.start` and
    `needs.end` every reading of every device of the zone must be given, a device at a time.
    """

    def __init__(self, kind: Kind, posts: Mapping[str, Post], calendar: Calendar, span: Span, closed_ms: int) -> None:
        self._plan, self._posts, self._calendar = Plan(kind), posts, calendar
        self._wanted, self._closed_ms = span, closed_ms
        self._whole = Span(calendar.span(DAY, span.start).start, calendar.span(DAY, max(span.start, span.end - 1)).end)
        self._pools: dict[tuple[str, int], Pool] = {}
        # A state, or a counter, of before the first window
        before_ms = MAX_SILENCE_MS if self._plan.remembered else 0
        self.needs = Span(self._whole.start - before_ms, self._whole.end)

    def device(self, device_id: str, readings: Iterable[Reading]) -> Iterator[Leveled]:
        """A device's windows. Its readings may come in any order, and more than once."""
        post = self._posts[device_id]
        track = Track(self._plan, device_id)
        track.describe(0, post.zone, post.interval_ms)
        for reading in readings:
            start = reading.ts_ms - reading.ts_ms % 60_000
            if not track.repeats(reading.ts_ms, start, reading.event_id or ""):
                track.insert(reading.ts_ms, self._plan.pack(reading.ts_ms, reading.values, reading.flags))
        levels = {level: self._measured(track, level) for level in (MINUTE, QUARTER)}
        for level, below in _FOLDS:
            levels[level] = list(self._folded(device_id, post, level, levels[below]))
        for level, windows in levels.items():
            for window in windows:
                if self._is_wanted(window):
                    self._pool(level, window)
                    yield level, window

    def zone(self) -> Iterator[Leveled]:
        """The zone's windows, once all its devices were given."""
        for (level, _), pool in sorted(self._pools.items()):
            window = pool.window()
            intervals = [] if self._plan.event else [post.interval_ms for post in self._posts.values()]
            window["expected"] = sum(expected_readings(window["start"], window["end"], interval) for interval in intervals)
            yield level, window

    def _measured(self, track: Track, level: str) -> list[Window]:
        first, last = self._whole
        length = self._calendar.span(level, first).end - self._calendar.span(level, first).start
        found = [track.window(start, start + length) for start in track.starts_after(first - 1, last - 1, length)]
        return [window for window in found if window is not None and window["start"] < last]

    def _folded(self, device_id: str, post: Post, level: str, children: Sequence[Window]) -> Iterator[Window]:
        fold, span = None, Span(0, 0)
        for child in children:
            if fold is None or child["start"] >= span.end:
                if fold is not None:
                    yield fold.window(span.end, device_id, post.zone, post.interval_ms)
                span = self._calendar.span(level, child["start"])
                fold = Fold(self._plan, span.start, post.interval_ms)
            fold.add(child_of(self._plan, child))
        if fold is not None:
            yield fold.window(span.end, device_id, post.zone, post.interval_ms)

    def _is_wanted(self, window: Window) -> bool:
        return window["start"] < self._wanted.end and window["end"] > self._wanted.start and window["end"] <= self._closed_ms

    def _pool(self, level: str, window: Window) -> None:
        if not window["zone"]:
            return
        key = level, window["start"]
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = Pool(self._plan, window)
        pool.add(window)


class Unit(NamedTuple):
    """What is computed at once: a kind's devices in a zone, in a day of the city."""

    kind: Kind
    posts: Mapping[str, Post]
    span: Span


def units(kind: Kind, posts: Mapping[str, Post], calendar: Calendar, span: Span) -> Iterator[Unit]:
    """Zone by zone and day by day."""
    zones: dict[str, dict[str, Post]] = {}
    for device_id, post in posts.items():
        zones.setdefault(post.zone, {})[device_id] = post
    for _, members in sorted(zones.items()):
        at = span.start
        while at < span.end:
            end = min(span.end, calendar.span(DAY, at).end)
            yield Unit(kind, members, Span(at, end))
            at = end
