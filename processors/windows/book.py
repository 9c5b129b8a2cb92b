"""The windows of one level that one task keeps open: who has one, which are over, what has changed, what zones get of it."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from processors.task import Output
from processors.windows.plan import Plan
from processors.windows.zones import Shares
from schemas import topics
from schemas.aggregate import Window, encode, encode_part
from schemas.instants import MINUTE_MS
from schemas.kind import Stream
from schemas.ports import OutRecord

_WINDOWS_IN_A_RECORD = 200  # some 60 kB, cheap to read and far below what brokers refuse

Subject = TypeVar("Subject")  # what a task keeps of one device


class Place(NamedTuple):
    """Which of how many partitions a task works on."""

    number: int
    of: int


class Book(Generic[Subject]):
    """`window(subject, start)` says what a window is now, None if there is none; it is asked whenever one is written.

    A window is over when the clock has passed its end; then it is written, and again at each turn after it changed. It is
    closed, and forgotten here, when the lateness after its end has passed too.
    """

    def __init__(
        self,
        level: str,
        stream: Stream,
        place: Place,
        plans: Callable[[str], Plan],
        window: Callable[[Subject, int], Window | None],
        clock_ms: int,
    ) -> None:
        self.clock_ms = clock_ms
        self.level = level
        self.wrote = False  # any window at the last turn
        self._stream, self._place, self._lateness_ms = stream, place, stream.lateness_ms
        self._topic, self._part_topic = topics.aggregate(level, stream.name), topics.zone_part(stream.name)
        self._window = window
        self._members: dict[int, list[Subject]] = {}  # of each open window, by start
        self._ends: dict[int, int] = {}  # of each open window
        self._awaited: set[int] = set()  # starts of those that are not over
        self._changed: dict[tuple[int, Subject], Window | None] = {}  # of those that are: how they were, if zones must know
        self._shares = Shares(plans, self._every)

    def is_closed(self, end: int) -> bool:
        return end + self._lateness_ms <= self.clock_ms

    def open(self, start: int, end: int, subject: Subject) -> bool:
        """The subject has a window there from now on. True if it is the first."""
        members = self._members.get(start)
        if members is not None:
            members.append(subject)
            return False
        self._members[start] = [subject]
        self._ends[start] = end
        if end > self.clock_ms:
            self._awaited.add(start)
        return True

    def will_change(self, subject: Subject, start: int, end: int) -> None:
        """To be called before what makes up a window is changed."""
        if end <= self.clock_ms < end + self._lateness_ms and (start, subject) not in self._changed:
            self._changed[start, subject] = self._window(subject, start) if self._shares.knows(start) else None

    def zones_changed(self) -> None:
        """A device is not in the zone that it was in."""
        self._shares.forget_all()

    def turn(self, clock_ms: int, out: Output) -> list[int]:
        """Writes what is due when the clock comes to stand there. Returns the starts of windows that are closed by it."""
        minute = self.clock_ms // MINUTE_MS
        self.clock_ms, self.wrote = clock_ms, False
        if self._changed:
            self._write(self._corrected(), out)
        if self._awaited:
            self._write(self._ended(), out)
        shares = self._shares.changed()
        if shares or clock_ms // MINUTE_MS != minute:
            value = encode_part(self.level, *self._place, clock_ms, shares)
            key = b"%d" % self._place.number
            out.records.append(OutRecord(self._part_topic, key, value, (), clock_ms, 0))
        last = clock_ms - self._lateness_ms
        closed = [start for start, end in self._ends.items() if end <= last]
        for start in closed:
            del self._members[start], self._ends[start]
            self._shares.forget(start)
        return closed

    def tick(self, out: Output) -> None:
        """Time, for whoever reads this level: all that was due by then has been written before."""
        out.records.append(OutRecord(self._topic, None, b"", (), self.clock_ms, self._place.number))

    def _corrected(self) -> Iterator[Window]:
        for (start, subject), old in self._changed.items():
            new = self._window(subject, start)
            if new is not None and new != old:
                self._shares.replace(old, new)
                yield new
        self._changed.clear()

    def _ended(self) -> Iterator[Window]:
        for start in sorted(start for start in self._awaited if self._ends[start] <= self.clock_ms):
            self._awaited.discard(start)
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
        key, number = self.level.encode(), self._place.number
        while some := list(islice(windows, _WINDOWS_IN_A_RECORD)):
            out.records.append(OutRecord(self._topic, key, encode(self.level, some), (), self.clock_ms, number))
            out.counts["windows", self._stream.name, self.level] += len(some)
            self.wrote = True
