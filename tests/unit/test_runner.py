"""The loop, on servers in memory: what is committed, when, and what a wait or a rebalance leaves behind."""

import gc
import weakref
from collections import Counter
from collections.abc import Sequence

from processors.runner import Pace, Runner
from processors.store import StoreTasks
from processors.task import Output
from processors.validate import ValidateTasks
from schemas import topics
from schemas.ports import Partition, Position, Record, RetryLater
from schemas.streams import BY_NAME
from tests.factories import NOW_MS, device, raw, registration, tick
from tests.memory import ManualClock, MemoryKafka, MemoryPointWriter, MemoryTable

TOPICS = dict.fromkeys([*map(topics.raw, BY_NAME), *StoreTasks().topics], 2)
NO_PAUSE = Pace(commit_ms=0, linger_ms=0)


class Counts:
    """A meter that can be asked."""

    def __init__(self) -> None:
        self.sums: Counter[tuple[str, ...]] = Counter()

    def add(self, name: str, amount: int, **labels: str) -> None:
        self.sums[(name, *labels.values())] += amount

    def set(self, name: str, value: float, **labels: str) -> None:
        pass

    def observe(self, name: str, values_ms: Sequence[int], **labels: str) -> None:
        self.sums[(name, *labels.values())] += len(values_ms)


class World:
    def __init__(self) -> None:
        self.clock = ManualClock(NOW_MS)
        self.machine = ManualClock(1)
        self.kafka = MemoryKafka({**TOPICS, topics.DEAD: 1, topics.DEVICE: 1}, self.clock)
        self.writer = MemoryPointWriter("readings")
        self.meter = Counts()
        self.kafka.append(registration(device()))

    def validate(self) -> Runner:
        return self.runner("validate", ValidateTasks(MemoryTable(self.kafka, topics.DEVICE), 30))

    def store(self) -> Runner:
        return self.runner("store", StoreTasks())

    def runner(self, group: str, tasks: ValidateTasks | StoreTasks) -> Runner:
        return Runner(
            self.kafka.source(group),
            self.kafka.sink(),
            tasks,
            clock=self.clock,
            meter=self.meter,
            monotonic_ms=self.machine.now_ms,
            writer=self.writer if isinstance(tasks, StoreTasks) else None,
            pace=NO_PAUSE,
        )

    def sends(self, count: int, start: int = 0) -> None:
        for n in range(start, start + count):
            self.kafka.append(raw({"ts": NOW_MS - 1_000 * n, "temp_c": 20}))

    def stored(self) -> int:
        return len(self.writer.points("readings"))


def turn(*runners: Runner, times: int = 6) -> None:
    for _ in range(times):
        for runner in runners:
            runner.step()


def test_readings_pass_through_both_roles_and_are_committed_behind_them() -> None:
    world = World()
    world.sends(50)
    turn(world.validate(), world.store())
    assert world.stored() == 50
    assert world.kafka.committed("validate")[Partition("raw.heat", 0)].offset == 50
    assert world.kafka.committed("store")[Partition("reading.heat", 0)].offset == 50
    assert world.meter.sums["stored_after_ms", "heat", "readings"] == 50
    assert world.meter.sums["stored_age_ms", "heat"] == 50


def test_nothing_is_committed_while_the_database_is_away_and_all_is_stored_when_it_is_back() -> None:
    world = World()
    world.sends(20)
    validate, store = world.validate(), world.store()
    turn(validate)
    world.writer.up = False
    turn(store)
    assert world.kafka.committed("store") == {}
    world.sends(20, start=20)
    turn(validate, store)
    world.writer.up = True
    turn(store)
    assert world.stored() < 40  # the wait that RetryLater asked for is kept
    world.machine.advance(10_000)
    turn(store)
    assert world.stored() == 40
    assert world.kafka.committed("store")[Partition("reading.heat", 0)].offset == 40


def test_a_flush_that_fails_is_tried_again_without_writing_the_points_twice() -> None:
    world = World()
    world.sends(5)
    world.kafka.append(raw(b"not json"))
    validate = world.validate()
    turn(validate, times=2)
    store = world.store()
    turn(store, times=2)
    assert world.writer.writes == 1


def test_a_refused_point_becomes_a_dead_letter_and_does_not_hold_up_the_rest() -> None:
    world = World()
    world.writer.write("readings", ['heat_indoor,device_id=X temp_c="text" 1'])  # the field is text from now on
    world.sends(3)
    turn(world.validate(), world.store())
    letters = world.kafka.records(topics.DEAD)
    assert [dict(letter.headers)["reason"] for letter in letters] == [b"refused_by_store"] * 3
    assert all(letter.value and b"RM-001" in letter.value for letter in letters)
    assert world.kafka.committed("store")[Partition("reading.heat", 0)].offset == 3


def test_a_record_that_no_validate_wrote_is_a_dead_letter_of_the_store() -> None:
    world = World()
    world.kafka.append(raw(b"{}")._replace(topic="reading.heat"))
    world.kafka.append(raw(b"[")._replace(topic="reading.heat"))
    turn(world.store())
    assert [dict(letter.headers)["stage"] for letter in world.kafka.records(topics.DEAD)] == [b"store"] * 2


def test_a_process_that_dies_is_taken_over_by_one_that_repeats_its_last_batch() -> None:
    world = World()
    world.sends(10)
    turn(world.validate())
    first = world.store()
    world.writer.retry_next = [RetryLater(1_000, "503")]
    turn(first)
    assert world.stored() == 0
    world.kafka.expire(first._source)  # type: ignore[arg-type]
    turn(world.store())
    assert world.stored() == 10


def test_two_processes_share_and_the_one_that_stays_finishes() -> None:
    world = World()
    one, two = world.validate(), world.validate()
    turn(one, two)
    for n in range(40):
        world.kafka.append(raw({"ts": NOW_MS - n, "temp_c": 20}, partition=n % 2))
    turn(one, two, times=2)
    two.close()
    for n in range(40, 80):
        world.kafka.append(raw({"ts": NOW_MS - n, "temp_c": 20}, partition=n % 2))
    turn(one)
    identities = {record.value for record in world.kafka.records("reading.heat")}
    assert len(identities) == 80


def test_a_committed_offset_that_is_no_longer_retained_is_said_and_counted() -> None:
    world = World()
    world.sends(10)
    partition = Partition("raw.heat", 0)
    world.kafka.group("validate").committed[partition] = Position(4, NOW_MS)
    world.kafka.truncate(partition, 7)
    turn(world.validate())
    assert world.meter.sums["offsets_lost", "heat"] == 3
    assert len(world.kafka.records("reading.heat", 0)) == 3


def test_the_warm_up_is_muted_and_no_longer_than_the_memory() -> None:
    world = World()
    memory_min = BY_NAME["heat"].memory_ms // 60_000
    minutes = 2 * memory_min
    for minute in range(minutes):
        at_ms = NOW_MS + 60_000 * minute
        world.kafka.append(raw({"ts": at_ms, "temp_c": 20}, at_ms=at_ms))
    turn(first := world.validate())
    first.close()
    assert len(world.kafka.records("reading.heat", 0)) == minutes
    at_ms = NOW_MS + minutes * 60_000
    world.kafka.append(raw({"ts": at_ms, "temp_c": 45}, at_ms=at_ms))
    read_before = world.meter.sums["records_read",]
    turn(world.validate())
    again = world.kafka.records("reading.heat", 0)
    assert len(again) == minutes + 1
    assert b"rate_of_change" in (again[-1].value or b"")
    assert 2 < world.meter.sums["records_read",] - read_before < memory_min + 10


def test_a_quiet_partition_still_moves_in_time() -> None:
    world = World()
    world.kafka.append(tick(at_ms=NOW_MS + 9_000))
    turn(world.validate())
    assert world.kafka.committed("validate")[Partition("raw.heat", 0)] == Position(1, NOW_MS + 9_000)


def test_a_table_that_cannot_be_read_just_now_costs_no_record() -> None:
    """What was polled is not polled again: whatever may ask to wait is asked before."""
    world = World()
    world.sends(5)
    validate = world.validate()
    turn(validate, times=2)
    refresh, waits = validate._tasks.refresh, [RetryLater(10, "the registry does not answer")] * 3

    def sometimes() -> None:
        if waits:
            raise waits.pop()
        refresh()

    validate._tasks.refresh = sometimes  # type: ignore[method-assign]
    world.sends(5, start=5)
    for _ in range(8):
        world.machine.advance(1_000)
        validate.step()
    assert len(world.kafka.records("reading.heat", 0)) == 10


class Web:
    """A task that holds itself, as those do whose parts call back."""

    def __init__(self) -> None:
        self.itself = self
        self.held = Held()

    def warm(self, records: Sequence[Record]) -> None: ...

    def feed(self, records: Sequence[Record]) -> Output:
        return Output()

    def position(self) -> Position:
        return Position(0)


class Held:
    """Can be referred to weakly."""


class WebTasks:
    topics = ("raw.heat",)

    def __init__(self) -> None:
        self.alive: weakref.WeakSet[Held] = weakref.WeakSet()

    def memory_ms(self, partition: Partition) -> int:
        return 0

    def start(self, partition: Partition, position: Position) -> Web:
        web = Web()
        self.alive.add(web.held)
        return web

    def refresh(self, *, up_to_now: bool = False) -> None: ...


def test_tasks_that_were_given_up_leave_no_memory_behind() -> None:
    world, tasks = World(), WebTasks()
    runner = Runner(
        world.kafka.source("web"), world.kafka.sink(), tasks, clock=world.clock, meter=world.meter,
        monotonic_ms=world.machine.now_ms, pace=NO_PAUSE,
    )  # fmt: skip
    gc.disable()  # roles collect so seldom that it comes to the same
    try:
        turn(runner)
        assert len(tasks.alive) == 2
        for _ in range(5):
            runner.on_lost([Partition("raw.heat", 0), Partition("raw.heat", 1)])
            runner.on_assign([Partition("raw.heat", 0), Partition("raw.heat", 1)])
            runner.step()
        assert len(tasks.alive) == 2
        runner.on_lost([Partition("raw.heat", 0)])
        runner.step()
        assert len(tasks.alive) == 1
    finally:
        gc.enable()
