"""Hours and days: each from the windows one level below, by merging."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from processors.store import refused
from processors.task import Output
from processors.windows.book import Book, Place
from processors.windows.calendar import Calendar
from processors.windows.fold import END, READINGS, START, Child, Fold, child_of
from processors.windows.plan import Plan
from processors.windows.progress import Progress
from processors.windows.sweep import Sweep
from schemas import aggregate, codec
from schemas.aggregate import DAY, HOUR, QUARTER, Window
from schemas.dead import to_record
from schemas.instants import MINUTE_MS
from schemas.kind import Stream
from schemas.ports import Position, Record
from schemas.reason import Reason


class Account:
    """One open window of one device: the smaller windows in it, as JSON, which is a fifth of what they are as objects.

    Those that can change no more are settled: folded into one, for ever.
    """

    __slots__ = ("end", "last", "settled", "single", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.settled = b""  # a kept Fold
        self.single = b""  # the others in order of time, with a comma after each
        self.last = -1  # start of the last

    def children(self) -> list[Child]:
        found: list[Child] = codec.loads(b"[%b]" % self.single[:-1])
        return found

    def put(self, child: Child) -> None:
        """Takes the place of an earlier version, unless it is an echo of one with fewer readings."""
        if child[START] > self.last:
            self.single += codec.dumps(child) + b","
            self.last = child[START]
            return
        others = {each[START]: each for each in self.children()}
        known = others.get(child[START])
        if known is None or child[READINGS] >= known[READINGS]:
            others[child[START]] = child
            self._write([others[start] for start in sorted(others)])

    def fold(self, plan: Plan, interval_ms: int) -> Fold:
        fold = self._settled(plan, interval_ms)
        for child in self.children():
            fold.add(child)
        return fold

    def settle(self, plan: Plan, interval_ms: int, final: Callable[[int], bool]) -> None:
        """Folds those of which `final(end)` holds."""
        children = self.children()
        done = [child for child in children if final(child[END])]
        if done:
            fold = self._settled(plan, interval_ms)
            for child in done:
                fold.add(child)
            self.settled = codec.dumps(fold.kept())
            self._write(children[len(done) :])

    def _settled(self, plan: Plan, interval_ms: int) -> Fold:
        return Fold(plan, self.start, interval_ms, codec.loads(self.settled) if self.settled else None)

    def _write(self, children: Sequence[Child]) -> None:
        self.single = b"".join([codec.dumps(child) + b"," for child in children])


class Subject:
    """A device, with its open windows."""

    __slots__ = ("accounts", "device_id", "interval_ms", "plan", "zone")

    def __init__(self, plan: Plan, device_id: str) -> None:
        self.plan, self.device_id = plan, device_id
        self.zone, self.interval_ms = "", 1
        self.accounts: list[Account] = []

    def account(self, start: int) -> Account | None:
        return next((account for account in self.accounts if account.start == start), None)


class Ladder(NamedTuple):
    """A level and the one below."""

    below: str
    level: str


LADDERS = (Ladder(QUARTER, HOUR), Ladder(HOUR, DAY))


class LevelTask:
    """One partition of the topic below. Only its ticks move time: whoever writes one has written all that was due before it."""

    def __init__(self, ladder: Ladder, stream: Stream, calendar: Calendar, place: Place, position: Position) -> None:
        self._level, self._stream, self._calendar = ladder.level, stream, calendar
        self._lateness_ms = stream.lateness_ms
        self._plans = {kind.name: Plan(kind) for kind in stream.kinds}
        self._subjects: dict[str, dict[str, Subject]] = {kind.name: {} for kind in stream.kinds}
        self._progress = Progress(position)
        self._book = Book(ladder.level, stream, place, self._plans.__getitem__, self._window, position.clock_ms)
        self._is_read = any(ladder.level == each.below for each in LADDERS)
        self._sweep = Sweep(self._everyone, self._tidy)

    def position(self) -> Position:
        return self._progress.position()

    def warm(self, records: Sequence[Record]) -> None:
        """Nothing is remembered: what a window must know of the time before it is in the windows below."""

    def feed(self, records: Sequence[Record]) -> Output:
        out = Output()
        for record in records:
            if record.key is not None:
                self._take(record, out)
            elif record.timestamp_ms >= self._progress.next_turn_ms:
                self._turn(record, out)
        return out

    def _turn(self, record: Record, out: Output) -> None:
        progress, minute = self._progress, self._progress.clock_ms // MINUTE_MS
        if not progress.turn(record.timestamp_ms, record.offset):
            return
        for start in self._book.turn(progress.clock_ms, out):
            del progress.oldest[start]
        if progress.clock_ms // MINUTE_MS != minute or (self._is_read and self._book.wrote):
            self._book.tick(out)
        self._sweep.turn()

    def _take(self, record: Record, out: Output) -> None:
        try:
            _, windows = aggregate.decode(record.value or b"")
            for window in windows:
                self._take_window(window, record.offset)
        except (ValueError, KeyError, TypeError) as error:
            letter = refused(record, Reason.NOT_JSON, f"no windows: {error!r}")._replace(stage="aggregate")
            out.records.append(to_record(letter))
            out.counts["dead", self._stream.name, Reason.NOT_JSON.value] += 1

    def _take_window(self, window: Window, offset: int) -> None:
        start, end = self._calendar.span(self._level, window["start"])
        if self._book.is_closed(end) or window["end"] + self._lateness_ms <= self._progress.heard_ms:
            return  # the echo of a task below that was started anew: what it wrote the first time is complete
        plan = self._plans[window["kind"]]
        subject = self._subjects[plan.kind].get(window["device_id"])
        if subject is None:
            subject = self._subjects[plan.kind][window["device_id"]] = Subject(plan, window["device_id"])
        if not self._progress.muted:
            self._book.will_change(subject, start, end)
        if subject.zone != window["zone"]:
            self._book.zones_changed()
        subject.zone, subject.interval_ms = window["zone"], window["interval_ms"]
        account = subject.account(start)
        if account is None:
            account = Account(start, end)
            subject.accounts.append(account)
            if self._book.open(start, end, subject):
                self._progress.oldest[start] = offset
        account.put(child_of(plan, window))

    def _everyone(self) -> Sequence[Subject]:
        return [subject for subjects in self._subjects.values() for subject in subjects.values()]

    def _window(self, subject: Subject, start: int) -> Window | None:
        account = subject.account(start)
        if account is None:
            return None
        fold = account.fold(subject.plan, subject.interval_ms)
        return fold.window(account.end, subject.device_id, subject.zone, subject.interval_ms)

    def _tidy(self, subject: Subject) -> None:
        subject.accounts = [account for account in subject.accounts if not self._book.is_closed(account.end)]
        for account in subject.accounts:
            account.settle(subject.plan, subject.interval_ms, self._book.is_closed)
        if not subject.accounts:
            del self._subjects[subject.plan.kind][subject.device_id]
