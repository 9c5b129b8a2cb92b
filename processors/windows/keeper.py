"""What the tasks of all levels have in common: windows kept open in time, written at turns, and passed on to zones."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from processors.task import Output
from processors.windows.plan import Plan
from processors.windows.progress import Progress
from processors.windows.zones import Shares
from schemas import topics
from schemas.aggregate import Window, encode, encode_part
from schemas.instants import MINUTE_MS
from schemas.kind import Stream
from schemas.ports import OutRecord, Position, Record

_WINDOWS_IN_A_RECORD = 200  # some 60 kB, cheap to read and far below what brokers refuse
_SWEEP_TURNS = 300  # each subject is looked at once in so many turns, to let go of what is not needed any more

Subject = TypeVar("Subject")  # of a window: what is kept of one device


class Place(NamedTuple):
    """Which of how many partitions a task works on."""

    number: int
    of: int


class Keeper(ABC, Generic[Subject]):
    """The work on one partition of one level. A subclass takes records in and knows what a window is made of."""

    def __init__(self, level: str, stream: Stream, place: Place, position: Position, plans: Callable[[str], Plan]) -> None:
        self._level, self._stream, self._place = level, stream, place
        self._lateness_ms = stream.lateness_ms
        self._progress = Progress(position)
        self._members: dict[int, list[Subject]] = {}  # by start: who has a window there. All open ones
        self._awaited: dict[int, int] = {}  # start -> end of those that are not over
        self._changed: dict[tuple[int, Subject], Window | None] = {}  # written before, and how it was if zones must know
        self._shares = Shares(plans, self._every)
        self._swept: Iterator[Subject] = iter(())
        self._sweep_count = self._sweep_left = 0

    @abstractmethod
    def _take(self, record: Record, out: Output) -> None: ...

    @abstractmethod
    def _end(self, start: int) -> int: ...

    @abstractmethod
    def _window(self, subject: Subject, start: int) -> Window | None: ...

    @abstractmethod
    def _subjects(self) -> Sequence[Subject]: ...

    @abstractmethod
    def _tidy(self, subject: Subject) -> None: ...

    def position(self) -> Position:
        return self._progress.position()

    def feed(self, records: Sequence[Record]) -> Output:
        out = Output()
        progress, take = self._progress, self._take
        for record in records:
            if record.timestamp_ms >= progress.next_turn_ms and self._moves_time(record):
                self._turn(record, out)
            if record.key is not None:
                take(record, out)
        return out

    def _moves_time(self, record: Record) -> bool:  # noqa: ARG002
        return True

    def _is_closed(self, end: int) -> bool:
        return end + self._lateness_ms <= self._progress.clock_ms

    def _opened(self, start: int, end: int, subject: Subject, offset: int) -> None:
        """The subject has a window there from now on."""
        members = self._members.get(start)
        if members is None:
            members = self._members[start] = []
            self._progress.oldest[start] = offset
            if end > self._progress.clock_ms:
                self._awaited[start] = end
        members.append(subject)

    def _will_change(self, subject: Subject, start: int) -> None:
        """To be called before a change to a window that is over. Muted, it was written as it will be."""
        if not self._progress.muted and (start, subject) not in self._changed:
            known = self._shares.knows(start)
            self._changed[start, subject] = self._window(subject, start) if known else None

    def _turn(self, record: Record, out: Output) -> None:
        progress = self._progress
        minute = progress.clock_ms // MINUTE_MS
        if not progress.turn(record.timestamp_ms, record.offset):
            return
        self._write(self._corrected(), out)
        self._write(self._ended(), out)
        shares = self._shares.changed()
        if shares or progress.clock_ms // MINUTE_MS != minute:
            value = encode_part(self._level, *self._place, progress.clock_ms, shares)
            key = b"%d" % self._place.number
            out.records.append(OutRecord(topics.zone_part(self._stream.name), key, value, (), progress.clock_ms, 0))
        for start in [start for start in self._members if self._is_closed(self._end(start))]:
            del self._members[start], progress.oldest[start]
            self._shares.forget(start)
        topic = topics.aggregate(self._level, self._stream.name)
        out.records.append(OutRecord(topic, None, b"", (), progress.clock_ms, self._place.number))
        self._sweep()

    def _corrected(self) -> Iterator[Window]:
        for (start, subject), old in self._changed.items():
            new = self._window(subject, start)
            if new is not None and new != old:
                self._shares.replace(old, new)
                yield new
        self._changed.clear()

    def _ended(self) -> Iterator[Window]:
        """What is written for the first time, in order of time."""
        for start in sorted(start for start, end in self._awaited.items() if end <= self._progress.clock_ms):
            del self._awaited[start]
            yield from self._first(start)

    def _first(self, start: int) -> Iterator[Window]:
        for window in self._every(start):
            self._shares.add(window)
            yield window

    def _every(self, start: int) -> Iterable[Window]:
        for subject in self._members.get(start, ()):
            window = self._window(subject, start)
            if window is not None:
                yield window

    def _write(self, windows: Iterator[Window], out: Output) -> None:
        """So many at a time: they are large as objects, and thousands end together."""
        topic = topics.aggregate(self._level, self._stream.name)
        key, number = self._level.encode(), self._place.number
        while some := list(islice(windows, _WINDOWS_IN_A_RECORD)):
            out.records.append(OutRecord(topic, key, encode(self._level, some), (), self._progress.clock_ms, number))
            out.counts["windows", self._stream.name, self._level] += len(some)

    def _sweep(self) -> None:
        """A few subjects at each turn, so that no turn takes long."""
        for subject in islice(self._swept, self._sweep_count):
            self._tidy(subject)
        self._sweep_left -= self._sweep_count
        if self._sweep_left <= 0:
            subjects = self._subjects()
            self._swept, self._sweep_left, self._sweep_count = iter(subjects), len(subjects), len(subjects) // _SWEEP_TURNS + 1
