"""What is named in `late` is computed when its burst is over, and again when larger windows are closed; the commit waits."""

from deploy.late import PATIENCE_MS, QUIET_MS, Backlog, LateKeeper
from deploy.recompute import Wanted
from processors.windows.calendar import Calendar
from schemas import topics
from schemas.aggregate import DAY, HOUR, encode_late
from schemas.instants import HOUR_MS, MINUTE_MS
from schemas.ports import OutRecord, Partition, Record, RetryLater
from tests.memory import ManualClock, MemoryKafka

SHANGHAI = Calendar("Asia/Shanghai")
START = 1_768_435_200_000  # 08:00 there
HOUR_END, DAY_END = SHANGHAI.span(HOUR, START).end, SHANGHAI.span(DAY, START).end


def late(device: str, *starts: int) -> bytes:
    return encode_late("heat", "indoor", device, starts)


def record(offset: int, value: bytes) -> Record:
    return Record(topics.LATE, 0, offset, b"HI-1", value, (), START)


def wanted(backlog: Backlog, now_ms: int, closed_ms: int) -> list[Wanted]:
    found = list(backlog.due(now_ms, lambda _stream: closed_ms))
    for place, _, closed in found:
        backlog.done(place, closed)
    return [each for _, each, _ in found]


def test_a_burst_is_waited_for_and_computed_together() -> None:
    backlog = Backlog(SHANGHAI)
    backlog.take(record(0, late("HI-1", START, START + MINUTE_MS)), 0)
    backlog.take(record(1, late("HI-2", START + 5 * MINUTE_MS)), QUIET_MS - 1)
    assert wanted(backlog, QUIET_MS, DAY_END) == []
    (one,) = wanted(backlog, 2 * QUIET_MS, DAY_END)
    assert one == Wanted((START, START + 6 * MINUTE_MS), "heat", "indoor", frozenset({"HI-1", "HI-2"}))
    assert len(backlog) == 0
    assert (backlog.position().offset, backlog.position().read) == (2, 2)


def test_a_burst_without_an_end_is_not_waited_for() -> None:
    backlog = Backlog(SHANGHAI)
    for n in range(PATIENCE_MS // MINUTE_MS + 1):
        backlog.take(record(n, late("HI-1", START)), n * MINUTE_MS)
    assert len(wanted(backlog, PATIENCE_MS, DAY_END)) == 1


def test_it_is_done_again_when_the_hour_and_the_day_are_closed_and_the_commit_is_held_until_then() -> None:
    backlog = Backlog(SHANGHAI)
    backlog.take(record(7, late("HI-1", START)), 0)
    backlog.take(record(8, late("HI-1", START + HOUR_MS)), 0)
    quiet = 10 * QUIET_MS
    assert len(wanted(backlog, quiet, START + 15 * MINUTE_MS)) == 1
    assert wanted(backlog, quiet, START + 20 * MINUTE_MS) == []
    assert len(wanted(backlog, quiet, HOUR_END)) == 1
    assert backlog.position().offset == 7
    assert len(wanted(backlog, quiet, DAY_END)) == 2
    assert backlog.position().offset == 9


def test_whoever_takes_over_goes_on_where_not_all_is_done() -> None:
    kafka = MemoryKafka({topics.LATE: 1}, ManualClock(1))
    clock, machine, closed, computed = ManualClock(0), ManualClock(0), [START + 15 * MINUTE_MS], list[Wanted]()
    fails = [RetryLater(1, "InfluxDB is away")]

    def compute(one: Wanted) -> None:
        if fails:
            raise fails.pop()
        computed.append(one)

    def keeper() -> LateKeeper:
        return LateKeeper(kafka.source("late"), SHANGHAI, clock.now_ms, machine.now_ms, lambda _stream: closed[0], compute)

    def turn(one: LateKeeper) -> None:
        for _ in range(6):
            machine.advance(10_000)
            one.step()

    kafka.append(OutRecord(topics.LATE, b"HI-1", b"nonsense", (), START, 0))
    kafka.append(OutRecord(topics.LATE, b"HI-1", late("HI-1", START), (), START, 0))
    first = keeper()
    turn(first)
    clock.advance(QUIET_MS)
    turn(first)  # the first attempt fails
    assert len(computed) == 1
    assert kafka.committed("late")[Partition(topics.LATE, 0)].offset == 1
    first.run(lambda: True)
    closed[0] = DAY_END
    second = keeper()
    turn(second)
    clock.advance(QUIET_MS)
    turn(second)
    assert len(computed) == 2
    assert kafka.committed("late")[Partition(topics.LATE, 0)].offset == 2
