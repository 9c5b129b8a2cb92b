"""Readings of one partition: each device's rules, and who has fallen silent."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from processors.rules.board import Board
from processors.rules.compiled import Compiled
from processors.rules.deadlines import Deadlines
from processors.rules.engine import Engine, Watched
from processors.rules.load import Book
from processors.rules.plan import KindPlan
from processors.rules.seasons import CityClock
from processors.task import Output
from schemas import alert as alerts
from schemas import codec, topics
from schemas.aggregate import HOUR, QUARTER
from schemas.alert import CLOCK, CLOCK_KEY, GROUP, Alert, Place, State
from schemas.device import Device, Registry
from schemas.instants import MINUTE_MS, SECOND_MS
from schemas.kind import Stream
from schemas.moment import Moment, NotAMoment
from schemas.partitions import partition_of
from schemas.ports import OutRecord, Position, Record
from schemas.streams import STREAMS


class Plans:
    """The rules by kind, and again when a pack has changed. `version` grows with every change."""

    def __init__(self, book: Book, clock: CityClock) -> None:
        self._clock = clock
        self.version = 0
        self.take(book)

    def take(self, book: Book) -> None:
        self.book = book
        self.version += 1
        by_kind: dict[tuple[str, str], list[Compiled]] = {}
        for rule in book.compiled:
            if rule.kind:
                by_kind.setdefault((rule.stream, rule.kind.name), []).append(rule)
        self._watched = self._made(by_kind, compared=False)
        self._compared = self._made(by_kind, compared=True)
        self._over = {level: self._made(by_kind, over=level) for level in (QUARTER, HOUR)}
        self.groups: Mapping[tuple[str, str], tuple[str, ...]] = {
            key: tuple(sorted({rule.rule.compare for rule in rules if rule.rule.compare})) for key, rules in by_kind.items()
        }

    def _made(
        self, by_kind: Mapping[tuple[str, str], list[Compiled]], *, compared: bool = False, over: str = ""
    ) -> dict[tuple[str, str], KindPlan]:
        plans = {}
        for key, rules in by_kind.items():
            chosen = [rule for rule in rules if bool(rule.rule.compare) == compared and rule.rule.over == over]
            if chosen:
                plans[key] = KindPlan(chosen, self._clock)
        return plans

    def watched(self, stream: str, kind: str) -> KindPlan | None:
        return self._watched.get((stream, kind))

    def keys(self, device: Device) -> tuple[bytes, ...]:
        """The groups within which devices of its kind are compared."""
        names = self.groups.get((device.stream, device.kind), ())
        return tuple(f"{name}:{'district' if name == 'district' else getattr(device, name)}".encode() for name in names)

    def compared(self, stream: str, kind: str) -> KindPlan | None:
        return self._compared.get((stream, kind))

    def over(self, level: str, stream: str, kind: str) -> KindPlan | None:
        return self._over[level].get((stream, kind))


class AlertTask:
    """One partition of one topic of readings. `share` is its number and how many there are."""

    def __init__(
        self, stream: Stream, plans: Plans, registry: Registry, board: Board, share: tuple[int, int], position: Position,
        memory_ms: int = 0,
    ) -> None:  # fmt: skip
        self._stream, self._plans, self._registry, self._board = stream, plans, registry, board
        self._number, self._partitions = share
        self._memory_ms = memory_ms
        self._log_began_ms = 0  # the first record, if the log is younger than what is to be remembered
        self._position = position
        self._topic = topics.reading(stream.name)
        self._deadlines = Deadlines()
        self._engine = Engine(board, self._topic, self._number, self._deadlines)
        self._lateness_ms = stream.lateness_ms
        self._known: dict[bytes, Watched | None] = {}
        self._versions = (-1, -1)
        self._began = self._warmed = False
        self._passes_ticks = stream is STREAMS[0]  # one stream's are enough for the groups and for the alerts
        self._told = (0, -1)  # when the others were told the time, and what was known of alerts and commands then

    def position(self) -> Position:
        return self._position

    # Reading

    def warm(self, records: Sequence[Record]) -> None:
        if not self._warmed:
            self._warmed = True
            first_ms = records[0].timestamp_ms
            self._log_began_ms = first_ms if first_ms > self._position.clock_ms - self._memory_ms + MINUTE_MS else 0
        for record in records:
            if record.key is not None:
                watched = self._known.get(record.key) or self._begin(record.key)
                if watched is not None and (moment := self._current(watched, record)) is not None:
                    self._engine.remember(watched, moment)

    def feed(self, records: Sequence[Record]) -> Output:
        out = Output()
        engine, deadlines, known = self._engine, self._deadlines, self._known
        clock_ms = self._position.clock_ms
        begin = engine.place(records[0].offset - 1)
        if not clock_ms:
            clock_ms = self._log_began_ms = records[0].timestamp_ms
        self._keep_up(clock_ms, begin)
        engine.settle(begin, clock_ms)
        for record in records:
            _, _, offset, key, _, _, timestamp_ms = record
            if timestamp_ms > clock_ms:  # noqa: PLR1730 - for each record, and max() costs four times as much
                clock_ms = timestamp_ms
            if key is None:
                deadlines.pass_to(engine, clock_ms, engine.place(offset))
                if self._passes_ticks:
                    out.records.append(OutRecord(GROUP, None, b"", (), clock_ms, self._number))
                continue
            watched = known.get(key) or self._begin(key)
            if watched is not None and (moment := self._current(watched, record)) is not None:
                engine.read(watched, moment, offset)
                if watched.excused:
                    watched.excused = False
                    deadlines.watch(watched, clock_ms)
                if watched.groups:
                    self._forward(watched, record, out)
        self._position = Position(records[-1].offset + 1, clock_ms)
        write(self._engine, out)
        self._tell_time(clock_ms, out)
        return out

    def _tell_time(self, clock_ms: int, out: Output) -> None:
        """The topic of alerts has no ticks; and what a person says should not wait for the next alert."""
        told_ms, version = self._told
        span_ms = TELL_MS if version == self._board.version else SECOND_MS
        if self._passes_ticks and self._number == 0 and clock_ms >= told_ms + span_ms:
            self._told = (clock_ms, self._board.version)
            out.records.append(OutRecord(topics.ALERT, CLOCK_KEY, codec.dumps({CLOCK: clock_ms}), (), clock_ms, 0))

    def _current(self, watched: Watched, record: Record) -> Moment | None:
        """The reading, if it may change what is so now: newer than all before it, in time, neither retained nor replayed."""
        try:
            moment = watched.plan.parse(record.value or b"")
        except NotAMoment:  # the store makes a dead letter of it
            return None
        ts = moment.ts
        if ts <= watched.ts or moment.received_at - ts > self._lateness_ms:
            return None
        if record.headers and any(name in {topics.RETAINED, topics.REPLAYED} for name, _ in record.headers):
            return None
        return moment

    def _begin(self, key: bytes) -> Watched | None:
        if key in self._known:
            return None
        device = self._registry.get(key.decode(errors="replace"))
        plan = self._plans.watched(device.stream, device.kind) if device else None
        if device is None or plan is None or device.stream != self._stream.name:
            self._known[key] = None
            return None
        watched = self._known[key] = Watched(device, plan, self._plans.keys(device))
        return watched

    # Who is there, and under which rules

    def _keep_up(self, clock_ms: int, place: Place) -> None:
        versions = (self._registry.version, self._plans.version)
        if versions == self._versions:
            return
        self._versions = versions
        for key in [key for key, watched in self._known.items() if watched is None]:
            del self._known[key]
        for device in self._registry:
            if device.stream != self._stream.name or partition_of(device.device_id.encode(), self._partitions) != self._number:
                continue
            self._renew(device, clock_ms, place)
        for watched in list(self._known.values()):
            if watched is not None and self._registry.get(watched.device.device_id) is None:
                self._retire(watched, clock_ms, place, "the device is not registered any more")
        for alert in orphans(self._board.alerts.values(), Place(self._topic, self._number, 0), self._answers):
            self._engine.close(alert, clock_ms, place, "the rule is gone")
        self._began = True

    def _answers(self, alert: Alert) -> bool:
        watched = self._known.get(alert.subject.encode())
        return self._engine.has_ended(alert) or (watched is not None and alert.rule in watched.plan.ids)

    def _renew(self, device: Device, clock_ms: int, place: Place) -> None:
        plan = self._plans.watched(device.stream, device.kind)
        key = device.device_id.encode()
        known = self._known.get(key)
        if plan is None:
            if known is not None:
                self._retire(known, clock_ms, place, "the rule is gone")
            return
        if known is not None and known.device is device and known.plan is plan:
            if self._began:
                return
        elif known is not None:
            known = self._replaced(known, device, plan, clock_ms, place)
        else:
            known = Watched(device, plan, self._plans.keys(device))
        self._known[key] = known
        for rule in plan.all:
            alert = self._board.alerts.get(alerts.slot_key(rule.rule.id, device.device_id))
            if alert is not None and rule.rule.id not in known.slots and self._matters(alert):
                self._engine.restore(known, alert)
        if plan.silent:
            self._expect(known, plan.silent.rule.id, clock_ms, place)

    def _matters(self, alert: Alert) -> bool:
        """What is normal matters only if it is so by records that are still to be read."""
        ahead = alert.place.topic == self._topic and alert.place.offset >= self._position.offset
        return alert.state is not State.NORMAL or bool(alert.fires or alert.until_ms) or ahead

    def _expect(self, watched: Watched, silence: str, clock_ms: int, place: Place) -> None:
        """One that nobody heard nor missed in the time that is remembered was excused: it is expected once it speaks again."""
        missed = watched.slots.get(silence)
        if missed and (missed.is_open or missed.state is State.PENDING):
            self._deadlines.watch(watched, missed.onset_ms)
        elif watched.heard_ms or (not self._began and self._log_began_ms):
            self._deadlines.watch(watched, self._log_began_ms or clock_ms)
        elif self._began:  # registered just now; written down at once, since no reading will tell a successor
            self._deadlines.watch(watched, clock_ms)
            self._deadlines.miss(self._engine, watched, clock_ms, place)
        else:
            watched.excused = True

    def _replaced(self, known: Watched, device: Device, plan: KindPlan, clock_ms: int, place: Place) -> Watched:
        """The same device under changed rules or with changed params: its alerts stay, those of rules that are gone end."""
        fresh = known.renewed(device, plan, self._plans.keys(device))
        for alert in known.slots.values():
            if alert.rule in plan.ids:
                self._engine.restore(fresh, alert)
            else:
                self._engine.end(known, alert, clock_ms, place, "the rule is gone")
        return fresh

    def _retire(self, watched: Watched, clock_ms: int, place: Place, why: str) -> None:
        for alert in list(watched.slots.values()):
            self._engine.end(watched, alert, clock_ms, place, why)
        self._deadlines.forget(watched.device.device_id)
        self._known[watched.device.device_id.encode()] = None

    # Writing

    def _forward(self, watched: Watched, record: Record, out: Output) -> None:
        """To those who compare it with others."""
        headers = ((DEVICE, record.key or b""),)
        for key in watched.groups:
            out.records.append(_new_record((GROUP, key, record.value, headers, record.timestamp_ms, None)))


DEVICE = "device"  # header of what is passed on to be compared
_new_record = OutRecord._make  # half the price of the constructor
TELL_MS = 10_000  # how often the topic of alerts is told the time when nothing is new


def orphans(known: Iterable[Alert], of: Place, answered: Callable[[Alert], bool]) -> list[Alert]:
    """What that partition led to, is not over, and has no rule or device any more, perhaps since before this process began."""
    return [
        alert
        for alert in known
        if alert.place[:2] == of[:2] and (alert.is_open or alert.state is State.PENDING) and not answered(alert)
    ]


def write(engine: Engine, out: Output) -> None:
    """The alerts that changed."""
    put(engine.changes, out)
    engine.changes.clear()


def put(changed: Iterable[Alert], out: Output) -> None:
    """Those that nobody was told of yet (n is 0) are not counted."""
    for alert in changed:
        out.records.append(to_record(alert))
        if alert.n:
            out.counts["alerts", alert.stream, alert.change.value] += 1


def to_record(alert: Alert) -> OutRecord:
    """One partition for all alerts, so that those of a slot keep their order whoever writes them.

    What came to nothing is written too, and no tombstone: a successor must see up to which record that is known.
    """
    return OutRecord(topics.ALERT, alert.key.encode(), alerts.encode(alert), (), alert.at_ms, 0)
