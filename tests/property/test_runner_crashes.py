"""Any interleaving of crash, rebalance, retry, outage and repeat gives the same stored set; progress passes nothing unsafe.

Several processes of both roles run on a Kafka and a database in memory. Any call of any port may be the one in which a process
dies, before or after it took effect; a process that was thrown out of its group may go on unaware. Held against it is one
uninterrupted task.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from processors.runner import Pace, Runner
from processors.store import StoreTasks
from processors.task import Tasks
from processors.validate import ValidateTask, ValidateTasks
from schemas import topics
from schemas.dead import from_record
from schemas.device import Registry, encode
from schemas.fields import READINGS
from schemas.instants import DAY_MS, HOUR_MS
from schemas.ports import Listener, OutRecord, Partition, Position, Record, Refusal, RetryLater, send_each
from schemas.streams import BY_NAME
from tests.factories import NOW_MS, device, raw, registration, tick
from tests.memory import ManualClock, MemoryKafka, MemoryPointWriter, MemorySink, MemorySource, MemoryTable
from tests.unit.test_runner import TOPICS, Counts

DEVICES = ("RM-001", "RM-002", "RM-003")
PLACES = (0, 1)
RETENTION_DAYS = 30
MOST_CALLS = 14  # of ports in a step, about
READING, RAW = topics.reading("heat"), topics.raw("heat")


class Died(BaseException):
    """The process is no more: nothing catches it, nothing is tidied up."""


class Fuse:
    """Set, it burns down by one with each call, and ends the process with the last."""

    def __init__(self) -> None:
        self.left = 0

    def burn(self) -> None:
        if self.left:
            self.left -= 1
            if not self.left:
                raise Died


class FragileSource:
    def __init__(self, inner: MemorySource, fuse: Fuse) -> None:
        self.inner, self._fuse = inner, fuse

    def subscribe(self, names: Sequence[str], listener: Listener) -> None:
        self.inner.subscribe(names, listener)

    def poll(self, max_records: int, timeout_ms: int) -> list[Record]:
        self._fuse.burn()
        found = self.inner.poll(min(max_records, 3), timeout_ms)  # small batches make many places to die at
        self._fuse.burn()
        return found

    def commit(self, positions: Mapping[Partition, Position]) -> None:
        self._fuse.burn()
        self.inner.commit(positions)
        self._fuse.burn()

    def seek(self, partition: Partition, offset: int) -> None:
        self._fuse.burn()
        self.inner.seek(partition, offset)

    def pause(self, partitions: Iterable[Partition]) -> None:
        self.inner.pause(partitions)

    def resume(self, partitions: Iterable[Partition]) -> None:
        self.inner.resume(partitions)

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, Position | None]:
        return self.inner.committed(partitions)

    def bounds(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        return self.inner.bounds(partitions)

    def offsets_at(self, partitions: Iterable[Partition], timestamp_ms: int) -> dict[Partition, int]:
        return self.inner.offsets_at(partitions, timestamp_ms)

    def close(self) -> None:
        self.inner.close()


class FragileSink:
    """Every second record takes the one before along to the log, so that a death in between leaves some, and some not."""

    def __init__(self, inner: MemorySink, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse
        self._sent = 0

    def send(self, record: OutRecord, done: Callable[[str | None], None] | None = None) -> None:
        self._fuse.burn()
        self._inner.send(record, done)
        self._sent += 1
        if self._sent % 2 == 0:
            self._inner.serve()

    def send_all(self, records: Sequence[OutRecord]) -> int:
        return send_each(self, records)

    def serve(self) -> None:
        self._inner.serve()

    def flush(self, timeout_ms: int) -> None:
        self._fuse.burn()
        self._inner.flush(timeout_ms)
        self._fuse.burn()

    def close(self) -> None:
        self._inner.close()


class FragileWriter:
    def __init__(self, inner: MemoryPointWriter, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def write(self, bucket: str, lines: Sequence[str]) -> list[Refusal]:
        self._fuse.burn()
        half = len(lines) // 2
        self._inner.write(bucket, lines[:half])
        self._fuse.burn()
        refusals = self._inner.write(bucket, lines[half:])
        self._fuse.burn()
        return [Refusal(half + one.index, one.why) for one in refusals]

    def close(self) -> None:
        pass


class Member:
    """A process of a role."""

    def __init__(self, world: "Crashes", role: str) -> None:
        self.role, self.fuse = role, Fuse()
        self.source = FragileSource(world.kafka.source(role), self.fuse)
        tasks: Tasks = StoreTasks() if role == "store" else ValidateTasks(MemoryTable(world.kafka, topics.DEVICE), RETENTION_DAYS)
        self.runner = Runner(
            self.source,
            FragileSink(world.kafka.sink(), self.fuse),
            tasks,
            clock=world.clock,
            meter=Counts(),
            monotonic_ms=world.machine.now_ms,
            writer=FragileWriter(world.writer, self.fuse) if role == "store" else None,
            pace=Pace(commit_ms=0, linger_ms=0),
        )


class Linear:
    """One partition, judged by a task that nothing interrupts; what came of each record, by its offset."""

    def __init__(self, registry: Registry) -> None:
        self._task = ValidateTask(BY_NAME["heat"], registry, RETENTION_DAYS * DAY_MS - HOUR_MS, Position(0))
        self.readings: list[list[bytes | None]] = []
        self.letters: list[list[Any]] = []

    def take(self, record: Record) -> None:
        out = self._task.feed([record]).records
        self.readings.append([one.value for one in out if one.topic == READING and one.key is not None])
        self.letters.append([letter_of(one) for one in out if one.topic == topics.DEAD])


def letter_of(record: OutRecord | Record) -> Any:
    return from_record(Record(record.topic, 0, 0, record.key, record.value, record.headers, record.timestamp_ms))


BODIES = st.sampled_from(
    [
        {"temp_c": 20.0},
        {"temp_c": 21.5, "humidity_percent": 40},
        {"temp_c": 45.0},  # a jump after the others: flagged by what was before
        {"temp_c": 888.8, "humidity_percent": 41},  # a sentinel
        {"temp_c": 70.0},  # not plausible
        {"temp_c": 9_999},  # not possible
        {"temp_C": 20},  # misspelled
    ]
)


class Crashes(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock, self.machine = ManualClock(NOW_MS), ManualClock(1)
        self.kafka = MemoryKafka({**TOPICS, topics.DEAD: 1, topics.DEVICE: 1}, self.clock)
        self.writer = MemoryPointWriter(READINGS)
        self.members: list[Member] = []
        registry = Registry()
        for name in DEVICES[:2]:  # the third is unknown
            registry.apply(name, encode(device(name)))
            self.kafka.append(registration(device(name)))
        self.linear = {place: Linear(registry) for place in PLACES}
        self.sent: list[OutRecord] = []

    @initialize()
    def two_of_each(self) -> None:
        for role in ("validate", "store") * 2:
            self.start(role)

    # What comes in

    def _append(self, record: OutRecord) -> None:
        stored = self.kafka.append(record)
        self.linear[stored.partition].take(stored)

    @rule(name=st.sampled_from(DEVICES), bodies=st.lists(BODIES, min_size=1, max_size=3), pause_ms=st.integers(10, 90_000))
    def message(self, name: str, bodies: list[dict[str, Any]], pause_ms: int) -> None:
        self.clock.advance(pause_ms)
        now_ms = self.clock.now_ms()
        items = [{"ts": now_ms - n, "seq": len(self.sent) * 10 + n} | body for n, body in enumerate(bodies)]
        record = raw(items if len(items) > 1 else items[0], name, at_ms=now_ms, partition=DEVICES.index(name) % 2)
        self.sent.append(record)
        self._append(record)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def a_message_comes_again(self, data: st.DataObject) -> None:
        """As it was received for the second time: its bytes, and the time of now."""
        before = data.draw(st.sampled_from(self.sent[-20:]))
        now_ms = self.clock.now_ms()
        self._append(before._replace(timestamp_ms=now_ms))

    @rule(place=st.sampled_from(PLACES))
    def time_moves(self, place: int) -> None:
        self.clock.advance(1_000)
        self._append(tick(at_ms=self.clock.now_ms(), partition=place))

    # What happens to processes

    @rule(role=st.sampled_from(["validate", "store"]))
    @precondition(lambda self: len(self.members) < 7)
    def start(self, role: str) -> None:
        self.members.append(Member(self, role))

    @precondition(lambda self: self.members)
    @rule(data=st.data(), steps=st.integers(1, 6))
    def work(self, data: st.DataObject, steps: int) -> None:
        member = data.draw(st.sampled_from(self.members))
        for _ in range(steps):
            member.runner.step()

    @rule(rounds=st.integers(1, 5))
    def all_work(self, rounds: int) -> None:
        for _ in range(rounds):
            for member in self.members:
                member.runner.step()

    @precondition(lambda self: self.members)
    @rule(data=st.data(), calls=st.integers(1, MOST_CALLS))
    def die(self, data: st.DataObject, calls: int) -> None:
        """In the so-manieth call of a port from now, if it comes to that in the next steps."""
        member = data.draw(st.sampled_from(self.members))
        member.fuse.left = calls
        try:
            for _ in range(4):
                member.runner.step()
        except Died:
            self.members.remove(member)
            self.kafka.expire(member.source.inner)
        member.fuse.left = 0

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        member = data.draw(st.sampled_from(self.members))
        self.members.remove(member)
        member.runner.close()

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def be_thrown_out(self, data: st.DataObject) -> None:
        """Frozen for longer than the session lasts: the group goes on without it, and it learns of that at its next poll."""
        self.kafka.expire(data.draw(st.sampled_from(self.members)).source.inner)

    # What happens to servers

    @rule(up=st.booleans())
    def kafka_comes_or_goes(self, *, up: bool) -> None:
        self.kafka.up = up

    @rule(up=st.booleans())
    def the_database_comes_or_goes(self, *, up: bool) -> None:
        self.writer.up = up

    @rule(count=st.integers(1, 3))
    def the_database_says_not_now(self, count: int) -> None:
        self.writer.retry_next += [RetryLater(1_000, "503")] * count

    @rule()
    def patience_is_over(self) -> None:
        self.machine.advance(10_000)

    # What must hold

    @invariant()
    def progress_passes_nothing_unsafe(self) -> None:
        written = {record.value for record in self.kafka.records(READING)}
        buried = [letter_of(record) for record in self.kafka.records(topics.DEAD)]
        stored = self.writer.points(READINGS)
        for (topic, place), position in self.kafka.committed("validate").items():
            if topic == RAW:
                linear = self.linear[place]
                assert {value for made in linear.readings[: position.offset] for value in made} <= written
                assert all(letter in buried for made in linear.letters[: position.offset] for letter in made)
        for partition, position in self.kafka.committed("store").items():
            if partition.topic == READING:
                done = [record for record in self.kafka.records(READING, partition.number) if record.offset < position.offset]
                assert points_of(done).keys() <= stored.keys()

    def teardown(self) -> None:
        """All is well again, and what is left to do is done."""
        self.kafka.up = self.writer.up = True
        self.writer.retry_next = []
        for role in ("validate", "store"):
            self.members.append(Member(self, role))
        for _ in range(400):
            self.machine.advance(10_000)
            for member in self.members:
                member.runner.step()
            if self._all_done():
                break
        assert self._all_done()
        for member in self.members:
            member.runner.close()
        expected = [value for linear in self.linear.values() for made in linear.readings for value in made]
        assert self.writer.points(READINGS) == points_of([Record(READING, 0, 0, b"x", value, (), 0) for value in expected])
        letters = {letter for linear in self.linear.values() for made in linear.letters for letter in made}
        assert {letter_of(record) for record in self.kafka.records(topics.DEAD)} == letters

    def _all_done(self) -> bool:
        ends = {("validate", RAW): 0, ("store", READING): 0}
        for group, topic in ends:
            for place in PLACES:
                end = self.kafka.log(Partition(topic, place)).end
                position = self.kafka.committed(group).get(Partition(topic, place), Position(0))
                if position.offset < end:
                    return False
        return True


def points_of(records: Sequence[Record]) -> dict[tuple[str, int], dict[str, str]]:
    """What the store role makes of these, on its own."""
    writer = MemoryPointWriter(READINGS)
    out = StoreTasks().start(Partition(READING, 0), Position(0)).feed(records)
    writer.write(READINGS, [point.line for point in out.points])
    return writer.points(READINGS)


TestCrashes = Crashes.TestCase
