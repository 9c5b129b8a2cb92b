"""What every Kafka client must do alike: the one in memory, which other tests trust, and the two real ones."""

from collections.abc import Iterator

import pytest

from deploy.native.stack import Stack
from schemas.ports import CommitRefused, OutRecord, Partition, Position, RecordSink, RetryLater
from tests.contract.kafkas import Kafka, Member, Memory, Real, fresh, poll_until, write
from tests.memory import MemoryKafka
from tests.waiting import eventually

CLIENTS = ["memory", "kafka-python", "confluent"]


@pytest.fixture(params=[pytest.param(name, marks=[] if name == "memory" else pytest.mark.servers) for name in CLIENTS])
def kafka(request: pytest.FixtureRequest) -> Iterator[Kafka]:
    kafka: Kafka = Memory() if request.param == "memory" else Real(request.getfixturevalue("stack"), request.param)
    yield kafka
    kafka.close()


def numbered(topic: str, count: int, partition: int | None = 0) -> list[OutRecord]:
    return [OutRecord(topic, b"k%d" % n, b"%d" % n, partition=partition) for n in range(count)]


# Writing and reading


def test_what_is_written_is_read_in_order(kafka: Kafka) -> None:
    topic = kafka.topic()
    write(kafka, *numbered(topic, 500))
    member = Member(kafka, fresh("group"), topic)
    member.until_read(500)
    assert member.values() == [b"%d" % n for n in range(500)]
    assert [record.offset for record in member.read] == list(range(500))


def test_a_record_keeps_all_it_has(kafka: Kafka) -> None:
    topic = kafka.topic(2)
    headers = (("mqtt_topic", "hanan/heat/换热站".encode()), ("empty", b""), ("mqtt_topic", b"twice"))
    write(
        kafka,
        OutRecord(topic, b"key", b"value", headers, 1_700_000_000_123, 1),
        OutRecord(topic, None, b"tick", (), 1_700_000_000_124, 1),
        OutRecord(topic, b"gone", None, (), 1_700_000_000_125, 1),
        OutRecord(topic, b"", b"", (), 1_700_000_000_126, 1),
    )
    member = Member(kafka, fresh("group"), topic)
    full, tick, tombstone, empty = member.until_read(4)
    assert full._replace(headers=tuple(full.headers)) == (topic, 1, 0, b"key", b"value", headers, 1_700_000_000_123)
    assert (tick.key, tick.value, tuple(tick.headers)) == (None, b"tick", ())
    assert (tombstone.key, tombstone.value) == (b"gone", None)
    assert (empty.key, empty.value) == (b"", b"")


def test_keys_choose_the_same_partition_in_every_client(kafka: Kafka) -> None:
    topic = kafka.topic(7)
    keys = [b"hx-%06d" % n for n in range(200)] + [b"a", b"ab", b"abc", b"\xff\xfe\xfd\xfc\xfb"]
    write(kafka, *[OutRecord(topic, key, b"") for key in keys])
    member = Member(kafka, fresh("group"), topic)
    member.until_read(len(keys))
    reference = MemoryKafka({topic: 7})
    for record in member.read:
        assert record.partition == reference.partition_of(OutRecord(topic, record.key, b""))


def test_a_partition_can_be_named(kafka: Kafka) -> None:
    topic = kafka.topic(3)
    write(kafka, *[OutRecord(topic, b"same", b"%d" % n, partition=n) for n in (2, 0, 1)])
    member = Member(kafka, fresh("group"), topic)
    member.until_read(3)
    assert sorted((record.partition, record.value) for record in member.read) == [(0, b"0"), (1, b"1"), (2, b"2")]


def test_a_record_of_ten_megabytes_passes_and_a_monstrous_one_is_refused_at_once(kafka: Kafka) -> None:
    topic = kafka.topic()
    big = bytes(range(256)) * 40_000
    write(kafka, OutRecord(topic, b"k", big), OutRecord(topic, b"k", b"after"))
    member = Member(kafka, fresh("group"), topic)
    assert member.until_read(2)[0].value == big
    with pytest.raises(ValueError, match="larger"):
        kafka.sink().send(OutRecord(topic, b"k", b"x" * 20_000_000))


def test_a_record_without_key_and_partition_is_refused(kafka: Kafka) -> None:
    topic = kafka.topic()
    with pytest.raises(ValueError, match="partition"):
        kafka.sink().send(OutRecord(topic, None, b"nowhere"))


def test_done_is_called_from_serve_for_each_record(kafka: Kafka) -> None:
    topic = kafka.topic()
    sink = kafka.sink()
    outcomes: list[tuple[int, str | None]] = []
    for n, record in enumerate(numbered(topic, 20)):
        sink.send(record, lambda error, n=n: outcomes.append((n, error)))  # type: ignore[misc]
    assert outcomes == []

    def all_done() -> bool:
        sink.serve()
        return len(outcomes) == 20

    eventually(all_done)
    assert outcomes == [(n, None) for n in range(20)]
    sink.flush(1_000)
    assert len(outcomes) == 20


def test_many_are_sent_in_one_go_as_far_as_the_queue_goes(kafka: Kafka) -> None:
    topic = kafka.topic(2)
    sink = kafka.sink(queue_records=10)
    records = [
        OutRecord(topic, b"k%d" % n, b"%d" % n, (("h", b"%d" % n),) if n % 2 else (), 1_768_435_200_000 + n, None if n % 3 else 1)
        for n in range(24)
    ]
    sink.send(records[0])
    sink.flush(20_000)
    kafka.away()
    assert sink.send_all(records[1:]) == 10
    with pytest.raises(RetryLater):
        sink.send_all(records[11:])
    kafka.back()
    sink.flush(20_000)
    sent = 11
    while sent < len(records):
        sent += sink.send_all(records[sent:])
        sink.flush(20_000)
    assert sink.send_all([]) == 0
    with pytest.raises(ValueError, match="partition"):
        sink.send_all([OutRecord(topic, None, b"nowhere")])
    member = Member(kafka, fresh("group"), topic)
    member.until_read(24)
    found = {int(record.value or b""): record for record in member.read}
    assert [(r.key, tuple(r.headers), r.timestamp_ms) for _, r in sorted(found.items())] == [
        (r.key, tuple(r.headers), r.timestamp_ms) for r in records
    ]
    assert all(found[n].partition == 1 for n in range(0, 24, 3))


def test_a_full_queue_asks_to_retry_later(kafka: Kafka) -> None:
    topic = kafka.topic()
    sink = kafka.sink(queue_records=10)
    sink.send(OutRecord(topic, b"k", b"warm"))
    sink.flush(20_000)
    kafka.away()
    *fitting, one_too_many = numbered(topic, 11)
    for record in fitting:
        sink.send(record)
    with pytest.raises(RetryLater) as full:
        sink.send(one_too_many)
    assert full.value.after_ms > 0
    kafka.back()
    sink.flush(20_000)
    sink.send(OutRecord(topic, b"k", b"again"))
    sink.flush(20_000)
    member = Member(kafka, fresh("group"), topic)
    member.until_read(12)
    assert member.values() == [b"warm", *[b"%d" % n for n in range(10)], b"again"]


def test_a_poll_returns_at_most_what_was_asked(kafka: Kafka) -> None:
    topic = kafka.topic()
    write(kafka, *numbered(topic, 50))
    member = Member(kafka, fresh("group"), topic)
    batches: list[int] = []

    def all_read() -> bool:
        batches.append(len(member.poll(7)))
        return len(member.read) == 50

    eventually(all_read)
    assert max(batches) == 7
    assert member.values() == [b"%d" % n for n in range(50)]


# Positions


def test_a_commit_keeps_offset_and_clock_and_a_restart_resumes_there(kafka: Kafka) -> None:
    topic, group = kafka.topic(2), fresh("group")
    write(kafka, *numbered(topic, 10, 0), *numbered(topic, 10, 1))
    first = Member(kafka, group, topic)
    first.until_read(20)
    one, other = Partition(topic, 0), Partition(topic, 1)
    assert first.source.committed([one, other]) == {one: None, other: None}
    first.source.commit({one: Position(7, 1_700_000_000_000), other: Position(10)})
    assert first.source.committed([one, other]) == {one: Position(7, 1_700_000_000_000), other: Position(10)}
    first.source.close()
    second = Member(kafka, group, topic)
    second.until_read(3)
    assert [(record.partition, record.offset) for record in second.read] == [(0, 7), (0, 8), (0, 9)]
    assert second.source.committed([one])[one] == Position(7, 1_700_000_000_000)


def test_nothing_is_committed_by_itself(kafka: Kafka) -> None:
    topic, group = kafka.topic(), fresh("group")
    write(kafka, *numbered(topic, 5))
    first = Member(kafka, group, topic)
    first.until_read(5)
    first.source.close()
    second = Member(kafka, group, topic)
    second.until_read(5)


def test_bounds_and_offsets_by_time(kafka: Kafka) -> None:
    topic = kafka.topic(2)
    write(kafka, *[OutRecord(topic, b"k", b"v", timestamp_ms=1_700_000_000_000 + n, partition=0) for n in range(0, 100, 10)])
    source = kafka.source(fresh("group"))
    one, other = Partition(topic, 0), Partition(topic, 1)
    assert source.bounds([one, other]) == {one: (0, 10), other: (0, 0)}
    assert source.offsets_at([one, other], 1_700_000_000_000) == {one: 0, other: 0}
    assert source.offsets_at([one], 1_700_000_000_041) == {one: 5}
    assert source.offsets_at([one], 1_700_000_000_091) == {one: 10}
    assert source.offsets_at([one], -5) == {one: 0}
    kafka.delete_records(one, 4)
    assert source.bounds([one]) == {one: (4, 10)}
    assert (source.bounds([]), source.offsets_at([], 0), source.committed([])) == ({}, {}, {})


def test_seek_goes_back_and_forward(kafka: Kafka) -> None:
    topic = kafka.topic()
    write(kafka, *numbered(topic, 10))
    member = Member(kafka, fresh("group"), topic)
    member.until_read(10)
    for offset in (3, 8, 0):
        member.read.clear()
        member.source.seek(Partition(topic, 0), offset)
        member.until_read(10 - offset)
        assert [record.offset for record in member.read] == list(range(offset, 10))


def test_seek_and_pause_while_being_assigned(kafka: Kafka) -> None:
    topic = kafka.topic(2)
    one, other = Partition(topic, 0), Partition(topic, 1)
    write(kafka, *numbered(topic, 10, 0), *numbered(topic, 10, 1))
    member = Member(kafka, fresh("group"), topic)

    def on_assign(_: object) -> None:
        assert member.source.committed([one, other]) == {one: None, other: None}
        assert member.source.bounds([one, other]) == {one: (0, 10), other: (0, 10)}
        member.source.seek(one, 6)
        member.source.pause([other])

    member.ledger.then["assign"] = on_assign
    member.until_read(4)
    assert [(record.partition, record.offset) for record in member.read] == [(0, n) for n in range(6, 10)]
    member.source.resume([other])
    member.until_read(14)


def test_paused_partitions_rest_and_then_miss_nothing(kafka: Kafka) -> None:
    topic = kafka.topic(2)
    write(kafka, *numbered(topic, 100, 0), *numbered(topic, 100, 1))
    member = Member(kafka, fresh("group"), topic)
    member.until_held(2)
    poll_until(lambda: bool(member.read), member, max_records=5)
    resting = member.read[-1].partition  # most likely in the midst of what was fetched of it
    member.source.pause([Partition(topic, resting)])
    before = [record for record in member.read if record.partition == resting]
    poll_until(lambda: len(member.read) - len(before) == 100, member)
    write(kafka, *numbered(topic, 3, 0), *numbered(topic, 3, 1))
    poll_until(lambda: len(member.read) - len(before) == 103, member)
    assert [record for record in member.read if record.partition == resting] == before
    member.source.resume([Partition(topic, resting)])
    member.until_read(206)
    for number in range(2):
        assert [record.offset for record in member.read if record.partition == number] == list(range(103))


def test_an_offset_that_is_gone_goes_on_at_the_first_that_is_there(kafka: Kafka) -> None:
    topic, group = kafka.topic(), fresh("group")
    partition = Partition(topic, 0)
    write(kafka, *numbered(topic, 10))
    first = Member(kafka, group, topic)
    first.until_read(10)
    first.source.commit({partition: Position(2)})
    first.source.close()
    kafka.delete_records(partition, 6)
    second = Member(kafka, group, topic)
    seen: list[tuple[object, object]] = []
    second.ledger.then["assign"] = lambda _: seen.append(
        (second.source.committed([partition])[partition], second.source.bounds([partition])[partition])
    )
    second.until_read(4)
    assert [record.offset for record in second.read] == [6, 7, 8, 9]
    assert seen == [(Position(2), (6, 10))]


# The group


def test_two_members_share_and_one_inherits(kafka: Kafka) -> None:
    topic, group = kafka.topic(4), fresh("group")
    all_four = {Partition(topic, number) for number in range(4)}
    first = Member(kafka, group, topic)
    assert first.until_held(4) == all_four
    second = Member(kafka, group, topic)
    poll_until(lambda: len(first.ledger.held) == len(second.ledger.held) == 2, first, second)
    assert first.ledger.held | second.ledger.held == all_four
    assert [what for what, _ in first.ledger.told] == ["assign", "revoke", "assign"]
    write(kafka, *[record for number in range(4) for record in numbered(topic, 5, number)])
    poll_until(lambda: len(first.read) + len(second.read) == 20, first, second)
    assert {Partition(topic, record.partition) for record in second.read} == second.ledger.held
    second.source.commit({partition: Position(5, 42) for partition in second.ledger.held})
    inherited = set(second.ledger.held)
    second.source.close()
    assert second.ledger.told[-1][0] == "assign", "closing is the caller's own doing, and not told"
    first.read.clear()
    assert first.until_held(4) == all_four
    assert first.source.committed(inherited) == dict.fromkeys(inherited, Position(5, 42))
    first.until_read(10)
    assert {Partition(topic, record.partition) for record in first.read} == all_four - inherited


def test_what_is_revoked_may_still_be_committed(kafka: Kafka) -> None:
    topic, group = kafka.topic(2), fresh("group")
    write(kafka, *numbered(topic, 5, 0), *numbered(topic, 5, 1))
    first = Member(kafka, group, topic)
    first.until_read(10)
    first.ledger.then["revoke"] = lambda partitions: first.source.commit(
        {partition: Position(3, 1_000 + partition.number) for partition in partitions}
    )
    first.read.clear()
    second = Member(kafka, group, topic)
    poll_until(lambda: len(first.read) + len(second.read) == 4, first, second)
    assert {(record.partition, record.offset) for record in first.read + second.read} == {(0, 3), (0, 4), (1, 3), (1, 4)}
    partitions = [Partition(topic, number) for number in range(2)]
    assert second.source.committed(partitions) == {partition: Position(3, 1_000 + partition.number) for partition in partitions}


def test_a_pause_ends_with_the_assignment(kafka: Kafka) -> None:
    topic, group = kafka.topic(3), fresh("group")
    write(kafka, *[record for number in range(3) for record in numbered(topic, 5, number)])
    first = Member(kafka, group, topic)
    first.until_read(15)
    first.source.pause(first.ledger.held)
    first.read.clear()
    second = Member(kafka, group, topic)
    poll_until(lambda: len(first.read) + len(second.read) == 15, first, second)
    assert first.read
    assert second.read
    assert {record.partition for record in first.read}.isdisjoint(record.partition for record in second.read)


def test_after_a_revoke_the_commit_is_refused(kafka: Kafka) -> None:
    topic, group = kafka.topic(2), fresh("group")
    first = Member(kafka, group, topic)
    before = set(first.until_held(2))
    second = Member(kafka, group, topic)
    poll_until(lambda: len(first.ledger.held) == len(second.ledger.held) == 1, first, second)
    with pytest.raises(CommitRefused):
        first.source.commit(dict.fromkeys(before, Position(0)))


def test_a_member_thrown_out_may_not_commit_and_comes_back(kafka: Kafka) -> None:
    topic, group = kafka.topic(2), fresh("group")
    write(kafka, *numbered(topic, 5, 0), *numbered(topic, 5, 1))
    first = Member(kafka, group, topic)
    first.until_read(10)
    kafka.expel(group, first.source)
    second = Member(kafka, group, topic)
    second.until_held(2)
    with pytest.raises(CommitRefused):
        first.source.commit({Partition(topic, 0): Position(5)})
    second.until_read(10)
    poll_until(lambda: len(first.ledger.held) == len(second.ledger.held) == 1, first, second)
    assert ("lost", [Partition(topic, 0), Partition(topic, 1)]) in first.ledger.told
    assert "revoke" not in [what for what, _ in first.ledger.told]


def test_an_exception_of_the_listener_comes_out_of_poll(kafka: Kafka) -> None:
    topic = kafka.topic()
    member = Member(kafka, fresh("group"), topic)

    def fail(_: object) -> None:
        raise LookupError("the listener's own")

    member.ledger.then["assign"] = fail
    with pytest.raises(LookupError, match="own"):
        member.until_held(99)


# Kafka goes away


def test_reading_waits_while_kafka_is_away(kafka: Kafka) -> None:
    topic = kafka.topic()
    write(kafka, *numbered(topic, 3))
    member = Member(kafka, fresh("group"), topic)
    member.until_read(3)
    kafka.away()
    assert member.poll() == []
    kafka.back()
    write(kafka, *numbered(topic, 3))
    member.until_read(6)


def test_unacknowledged_records_are_sent_again_and_none_is_missing(kafka: Kafka) -> None:
    topic = kafka.topic()
    sink = kafka.sink()
    sink.send(OutRecord(topic, b"k", b"before"))
    sink.flush(20_000)
    kafka.away()
    outcomes: list[str | None] = []
    for record in numbered(topic, 10):
        sink.send(record, outcomes.append)
    with pytest.raises(RetryLater) as refused:
        sink.flush(300)
    assert refused.value.after_ms > 0
    assert len(outcomes) == 10
    assert None not in outcomes
    kafka.back()

    def send_again() -> bool:
        try:
            for record in numbered(topic, 10):
                sink.send(record)
            sink.flush(5_000)
        except RetryLater:
            return False
        return True

    eventually(send_again)
    sink.send(OutRecord(topic, b"k", b"after"))
    sink.flush(20_000)
    member = Member(kafka, fresh("group"), topic)

    def all_read() -> bool:
        member.poll()
        return b"after" in member.values()

    eventually(all_read)
    values = member.values()
    assert (values[0], values[-1]) == (b"before", b"after")
    assert values.count(b"before") == values.count(b"after") == 1, "what was acknowledged is there once"
    assert set(values) == {b"before", b"after", *[b"%d" % n for n in range(10)]}


@pytest.mark.timeout(300)  # Kafka starts anew
def test_a_broker_that_died_is_found_again(kafka: Kafka) -> None:
    topic, group = kafka.topic(), fresh("group")
    partition = Partition(topic, 0)
    write(kafka, *numbered(topic, 5))
    member = Member(kafka, group, topic)
    member.until_read(5)
    member.source.commit({partition: Position(5, 77)})
    sink, late = kafka.sink(), kafka.sink()
    sink.send(OutRecord(topic, b"k", b"before"))
    sink.flush(20_000)
    kafka.dead()
    with pytest.raises(RetryLater):  # a client made now may learn it in `send` already
        send_all(late, topic)
    with pytest.raises(RetryLater):
        send_all(sink, topic)
    member.poll()
    newcomer = Member(kafka, fresh("group"), topic)
    assert newcomer.poll() == []
    kafka.back()
    for each in (sink, late):
        eventually(lambda each=each: sent_all(each, topic), timeout_s=60)  # type: ignore[misc]

    def all_read() -> bool:
        for one in (member, newcomer):
            one.poll()
        return all(set(one.values()) >= {b"4", b"before", b"again"} for one in (member, newcomer))

    eventually(all_read, timeout_s=60)
    assert member.source.committed([partition]) == {partition: Position(5, 77)}


def send_all(sink: RecordSink, topic: str) -> None:
    for n in range(3):
        sink.send(OutRecord(topic, b"k", b"again", partition=0, headers=(("n", b"%d" % n),)))
    sink.flush(1_000)


def sent_all(sink: RecordSink, topic: str) -> bool:
    try:
        send_all(sink, topic)
    except RetryLater:
        return False
    return True


@pytest.mark.timeout(180)
def test_questions_ask_to_retry_later_while_kafka_is_away(kafka: Kafka) -> None:
    topic = kafka.topic()
    partition = Partition(topic, 0)
    write(kafka, *numbered(topic, 3))
    member = Member(kafka, fresh("group"), topic)
    member.until_read(3)
    kafka.away()
    with pytest.raises(RetryLater):
        member.source.bounds([partition])
    with pytest.raises(RetryLater):
        member.source.committed([partition])
    with pytest.raises(RetryLater):
        member.source.commit({partition: Position(3)})
    kafka.back()

    def committed() -> bool:
        member.poll()
        try:
            member.source.commit({partition: Position(3, 9)})
        except (RetryLater, CommitRefused):  # the session may have ended meanwhile
            return False
        return True

    eventually(committed, timeout_s=60)
    assert member.source.committed([partition]) == {partition: Position(3, 9)}


# Across clients


@pytest.mark.servers
def test_both_clients_share_a_group(stack: Stack) -> None:
    kafkas: list[Kafka] = [Real(stack, "kafka-python"), Real(stack, "confluent")]
    try:
        topic, group = kafkas[0].topic(4), fresh("group")
        write(kafkas[1], *[record for number in range(4) for record in numbered(topic, 10, number)])
        members = [Member(kafka, group, topic) for kafka in kafkas]
        poll_until(lambda: all(len(member.ledger.held) == 2 for member in members), *members)
        for member in members:
            member.source.commit({partition: Position(4, 7) for partition in member.ledger.held})
            assert set(member.source.committed(member.ledger.held).values()) == {Position(4, 7)}
        members[0].source.close()
        members[1].until_held(4)
        assert set(members[1].source.committed(members[1].ledger.held).values()) == {Position(4, 7)}
    finally:
        for kafka in kafkas:
            kafka.close()
