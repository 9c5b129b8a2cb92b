"""The role that computes windows again which miss late readings, once the burst that made them late is over.

It reads the topic `late`. What is named there is computed when nothing more was named for some minutes, and again when the hour
and the day that it lies in are closed, since larger windows are made of what was there in time. The commit is held back to the
first record of which not all is done; whoever takes over does at most something twice, which changes nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from deploy.recompute import Wanted
from processors.windows.calendar import Calendar, Span
from schemas import topics
from schemas.aggregate import DAY, HOUR, QUARTER, decode_late
from schemas.instants import MINUTE_MS
from schemas.ports import CommitRefused, Partition, Position, Record, RecordSource, RetryLater

log = structlog.get_logger()

QUIET_MS = 2 * MINUTE_MS  # the burst is over when nothing was named for so long
PATIENCE_MS = 15 * MINUTE_MS  # and a burst without an end is not waited for longer
LOOK_MS = 5_000
_PARTITION = Partition(topics.LATE, 0)


class Place(NamedTuple):
    """What is computed together: a kind of device, in an hour of the city's calendar."""

    stream: str
    kind: str
    hour: Span


@dataclass
class Missing:
    """Minutes of a place that miss readings."""

    offset: int  # of the first record that named one
    since_ms: int  # when that was
    devices: set[str] = field(default_factory=set)
    starts: set[int] = field(default_factory=set)
    ends: list[int] = field(default_factory=list)  # of the windows it lies in; it is due whenever the first of them is closed

    @property
    def span(self) -> Span:
        return Span(min(self.starts), max(self.starts) + MINUTE_MS)


class Backlog:
    """Pure: what was named and is not all done."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._missing: dict[Place, Missing] = {}
        self._heard_ms = 0
        self._next = 0

    def take(self, record: Record, now_ms: int) -> None:
        """Times are of the deployment's clock. ValueError, KeyError or TypeError for what names no windows."""
        self._next = record.offset + 1
        late = decode_late(record.value or b"")
        self._heard_ms = now_ms
        for start in late["starts"]:
            place = Place(late["stream"], late["kind"], self._calendar.span(HOUR, start))
            missing = self._missing.setdefault(place, Missing(record.offset, now_ms))
            missing.devices.add(late["device_id"])
            missing.starts.add(start)
            missing.ends = sorted({self._calendar.span(level, at).end for at in missing.starts for level in (QUARTER, HOUR, DAY)})

    def due(self, now_ms: int, closed_ms: Callable[[str], int]) -> Iterator[tuple[Place, Wanted, int]]:
        """Places with something to do, and up to where windows are closed, which `done` is to be told."""
        waiting = [missing.since_ms for missing in self._missing.values()]
        if not waiting or (now_ms - self._heard_ms < QUIET_MS and now_ms - min(waiting) < PATIENCE_MS):
            return
        closed = {stream: closed_ms(stream) for stream in {place.stream for place in self._missing}}
        for place, missing in sorted(self._missing.items()):
            if missing.ends[0] <= closed[place.stream]:
                yield place, Wanted(missing.span, place.stream, place.kind, frozenset(missing.devices)), closed[place.stream]

    def done(self, place: Place, closed_ms: int) -> None:
        missing = self._missing[place]
        missing.ends = [end for end in missing.ends if end > closed_ms]
        if not missing.ends:
            del self._missing[place]

    def position(self) -> Position:
        return Position(min([self._next, *(missing.offset for missing in self._missing.values())]), 0, self._next)

    def __len__(self) -> int:
        return len(self._missing)


class LateKeeper:
    """The shell: one process at a time holds the topic's one partition."""

    def __init__(
        self,
        source: RecordSource,
        calendar: Calendar,
        now_ms: Callable[[], int],
        monotonic_ms: Callable[[], int],
        closed_ms: Callable[[str], int],
        compute: Callable[[Wanted], None],
    ) -> None:
        self._source, self._calendar = source, calendar
        self._now_ms, self._monotonic_ms, self._closed_ms, self._compute = now_ms, monotonic_ms, closed_ms, compute
        self._backlog = Backlog(calendar)
        self._look_at_ms = 0
        self._is_held = self._is_new = False
        source.subscribe([topics.LATE], self)

    def on_assign(self, partitions: Sequence[Partition]) -> None:  # noqa: ARG002
        self._is_held = self._is_new = True
        self._backlog = Backlog(self._calendar)

    def on_revoke(self, partitions: Sequence[Partition]) -> None:
        self.on_lost(partitions)

    def on_lost(self, partitions: Sequence[Partition]) -> None:  # noqa: ARG002
        self._is_held = self._is_new = False

    def run(self, stop: Callable[[], bool]) -> None:
        try:
            while not stop():
                self.step()
        finally:
            self._source.close()

    def step(self) -> None:
        try:
            records = self._source.poll(500, 500)
            if self._is_new:
                self._begin()
                return  # what was polled was read before the seek
            if not self._is_held:
                return
            for record in records:
                self._take(record)
            if self._monotonic_ms() >= self._look_at_ms:
                self._look_at_ms = self._monotonic_ms() + LOOK_MS
                self._look()
        except (RetryLater, CommitRefused) as later:
            self._look_at_ms = self._monotonic_ms() + LOOK_MS
            log.warning("retry_later", why=str(later))

    def _begin(self) -> None:
        committed = self._source.committed([_PARTITION])[_PARTITION]
        first, _ = self._source.bounds([_PARTITION])[_PARTITION]
        self._source.seek(_PARTITION, max(first, committed.offset if committed else first))
        self._is_new = False

    def _take(self, record: Record) -> None:
        try:
            self._backlog.take(record, self._now_ms())
        except (ValueError, KeyError, TypeError) as error:  # not written by us
            log.error("names_no_windows", offset=record.offset, why=repr(error))  # noqa: TRY400

    def _look(self) -> None:
        """One place at a time, so that the group hears of us in between."""
        due = next(self._backlog.due(self._now_ms(), self._closed_ms), None)
        if due is not None:
            place, wanted, closed_ms = due
            self._compute(wanted)
            self._backlog.done(place, closed_ms)
            self._look_at_ms = 0
            log.info("computed_again", stream=place.stream, kind=place.kind, devices=len(wanted.devices), left=len(self._backlog))
        position = self._backlog.position()
        if position.read:
            self._source.commit({_PARTITION: position})
