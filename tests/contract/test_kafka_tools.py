"""What tools and tables read without a group, and what the admin client knows and makes."""

import socket
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import closing

import pytest

from deploy.native.stack import Stack
from processors.io import kafka_read
from processors.io.kafka_admin import Admin, TopicSpec, WrongTopic
from processors.io.kafka_read import LogReader, TableReader, read_all
from schemas.ports import OutRecord, Partition, Position, Record, RetryLater, Table
from tests.contract.kafkas import Kafka, Member, Memory, Real, fresh, write
from tests.memory import MemoryKafka, MemoryTable
from tests.waiting import eventually

NOW_MS = 1_768_435_200_000


@pytest.fixture
def kafka(stack: Stack) -> Iterator[Real]:
    kafka = Real(stack, "confluent")
    yield kafka
    kafka.close()


@pytest.fixture
def admin(stack: Stack) -> Iterator[Admin]:
    with closing(Admin(stack.endpoints().kafka_bootstrap)) as admin:
        yield admin


# Tables


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.servers)])
def table(request: pytest.FixtureRequest) -> Iterator[tuple[Kafka, str, Table]]:
    """A broker, a topic in it, and a table of that topic."""
    if request.param == "memory":
        memory = Memory()
        topic = memory.topic(2)
        broker: MemoryKafka = memory.broker
        yield memory, topic, MemoryTable(broker, topic)
        return
    stack = request.getfixturevalue("stack")
    kafka = Real(stack, "confluent")
    topic = kafka.topic(2)
    with closing(TableReader(stack.endpoints().kafka_bootstrap, topic)) as reader:
        yield kafka, topic, reader
    kafka.close()


def test_a_table_is_first_whole_and_then_what_changed(table: tuple[Kafka, str, Table]) -> None:
    kafka, topic, reader = table
    write(kafka, *[OutRecord(topic, b"k%d" % n, b"old", partition=n % 2) for n in range(10)])
    write(kafka, OutRecord(topic, b"k3", b"new", partition=1), OutRecord(topic, b"k4", None, partition=0))
    whole = {b"k%d" % n: b"old" for n in range(10)} | {b"k3": b"new", b"k4": None}
    assert dict(reader.changes()) == whole
    assert reader.changes() == []
    write(kafka, OutRecord(topic, b"k3", b"newer", partition=1), OutRecord(topic, b"k11", b"", partition=1))
    changed: dict[bytes, bytes | None] = {}

    def both() -> bool:
        changed.update(reader.changes())
        return len(changed) == 2

    eventually(both)
    assert changed == {b"k3": b"newer", b"k11": b""}


def test_a_table_can_be_asked_for_all_that_was_written_up_to_now(table: tuple[Kafka, str, Table]) -> None:
    """At once, with nobody waiting for it to come; whoever takes over from another must know what that one wrote."""
    kafka, topic, reader = table
    assert reader.changes(up_to_now=True) == []
    for turn in range(20):
        write(kafka, OutRecord(topic, b"k%d" % turn, b"v", partition=turn % 2))
        assert reader.changes(up_to_now=True) == [(b"k%d" % turn, b"v")]
        assert reader.changes(up_to_now=True) == []


def test_an_empty_table_is_known_to_be_empty_at_once(table: tuple[Kafka, str, Table]) -> None:
    started = time.monotonic()
    assert table[2].changes() == []
    assert time.monotonic() - started < 5


def test_a_table_without_its_topic_waits(stack: Stack) -> None:
    with (
        closing(TableReader(stack.endpoints().kafka_bootstrap, fresh("none"))) as reader,
        pytest.raises(RetryLater, match="topic"),
    ):
        reader.changes()


# Whole topics


def test_all_records_of_topics_are_read_once_in_order(stack: Stack, kafka: Real) -> None:
    one, other = kafka.topic(3), kafka.topic(1)
    write(kafka, *[OutRecord(one, b"k%d" % n, b"%d" % n, (("h", b"x"),), NOW_MS + n, n % 3) for n in range(900)])
    write(kafka, OutRecord(other, None, None, (), NOW_MS, 0), OutRecord(other, b"k", b"", (), NOW_MS, 0))
    found = list(read_all(stack.endpoints().kafka_bootstrap, [one, other]))
    assert len(found) == 902
    for number in range(3):
        mine = [record for record in found if record.topic == one and record.partition == number]
        assert [record.value for record in mine] == [b"%d" % n for n in range(number, 900, 3)]
    assert [(record.key, record.value) for record in found if record.topic == other] == [(None, None), (b"k", b"")]
    assert found[0].headers in ([("h", b"x")], ())


def test_a_period_is_read_by_timestamps(stack: Stack, kafka: Real) -> None:
    topic = kafka.topic()
    times = [0, 10, 20, 15, 30, 5, 40]  # as records of several collectors may lie
    write(kafka, *[OutRecord(topic, b"k", b"%d" % ms, (), NOW_MS + ms, 0) for ms in times])
    found = read_all(stack.endpoints().kafka_bootstrap, [topic], NOW_MS + 10, NOW_MS + 31)
    assert [record.value for record in found] == [b"10", b"20", b"15", b"30"]
    assert list(read_all(stack.endpoints().kafka_bootstrap, [topic], NOW_MS + 1_000)) == []


def test_what_retention_took_is_passed_over(stack: Stack, kafka: Real) -> None:
    topic = kafka.topic()
    write(kafka, *[OutRecord(topic, b"k", b"%d" % n, partition=0) for n in range(10)])
    kafka.delete_records(Partition(topic, 0), 7)
    assert [record.offset for record in read_all(stack.endpoints().kafka_bootstrap, [topic])] == [7, 8, 9]


def test_a_broker_that_is_silent_for_a_while_is_asked_again_from_there_on(
    stack: Stack, kafka: Real, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, calls, read = kafka.topic(2), [0], kafka_read._Reader.read
    silent = {2, 4}

    def faltering(reader: kafka_read._Reader, timeout_s: float, awaited: Collection[Partition]) -> list[Record]:
        calls[0] += 1
        if calls[0] in silent:
            raise RetryLater(1, "Kafka sends nothing")
        return read(reader, timeout_s, awaited)

    write(kafka, *[OutRecord(topic, b"k%d" % n, b"%d" % n, partition=n % 2) for n in range(900)])
    monkeypatch.setattr(kafka_read, "_BATCH", 100)
    monkeypatch.setattr(kafka_read._Reader, "read", faltering)
    found = [int(record.value or b"") for record in read_all(stack.endpoints().kafka_bootstrap, [topic])]
    assert calls[0] > max(silent)
    assert [n for n in found if n % 2] == list(range(1, 900, 2))
    assert [n for n in found if not n % 2] == list(range(0, 900, 2))

    calls[0], silent = 0, set(range(100))
    with pytest.raises(RetryLater):
        list(read_all(stack.endpoints().kafka_bootstrap, [topic]))
    assert calls[0] < 10


def test_a_partition_is_read_again_from_a_time_on(stack: Stack, kafka: Real) -> None:
    topic, history = kafka.topic(2), LogReader(stack.endpoints().kafka_bootstrap)
    partition = Partition(topic, 1)
    assert list(history.since(partition, 0)) == []
    write(kafka, *[OutRecord(topic, b"k", b"%d" % n, timestamp_ms=1_000 + n, partition=n % 2) for n in range(20)])
    assert [record.value for record in history.since(partition, 1_014)] == [b"15", b"17", b"19"]
    assert list(history.since(partition, 2_000)) == []


# Admin


def test_topics_are_made_once(admin: Admin) -> None:
    specs = [
        TopicSpec(fresh("made"), 3, 1, {"retention.ms": "3600000"}),
        TopicSpec(fresh("made"), 1, 1, {"cleanup.policy": "compact"}),
    ]
    assert admin.ensure_topics(specs) == [spec.name for spec in specs]
    assert admin.ensure_topics(specs) == []
    assert admin.partitions([specs[0].name]) == [Partition(specs[0].name, number) for number in range(3)]
    assert specs[0].name in admin.topics()


def test_a_topic_with_another_number_of_partitions_is_complained_of(admin: Admin) -> None:
    name = fresh("made")
    admin.ensure_topics([TopicSpec(name, 2, 1)])
    with pytest.raises(WrongTopic, match=rf"{name} has 2 partitions and 5 are set"):
        admin.ensure_topics([TopicSpec(name, 5, 1)])


def test_lag_is_what_the_group_has_not_committed(kafka: Real, admin: Admin) -> None:
    topic, group = kafka.topic(2), fresh("group")
    write(kafka, *[OutRecord(topic, b"k", b"v", partition=n % 2) for n in range(20)])
    one, other = Partition(topic, 0), Partition(topic, 1)
    assert admin.lag(group, [topic]) == {one: 10, other: 10}
    member = Member(kafka, group, topic)
    member.until_held(2)
    member.source.commit({one: Position(7, 1_768_435_200_123)})
    assert admin.committed(group, [one, other]) == {one: Position(7, 1_768_435_200_123)}
    assert admin.lag(group, [topic]) == {one: 3, other: 10}
    assert admin.ends([one, other]) == {one: 10, other: 10}
    assert admin.firsts([one, other]) == {one: 0, other: 0}


def test_an_admin_without_kafka_waits_and_leaves_nothing_behind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bootstrap = f"127.0.0.1:{silent.getsockname()[1]}"
        with closing(Admin(bootstrap, patience_ms=200)) as admin, pytest.raises(RetryLater):
            admin.topics()
    assert not [thread.name for thread in threading.enumerate() if "hanan-admin" in thread.name]


def test_records_that_are_held_back_are_no_lag(kafka: Real, admin: Admin) -> None:
    topic, group = kafka.topic(1), fresh("group")
    write(kafka, *[OutRecord(topic, b"k", b"v", partition=0) for _ in range(10)])
    member, partition = Member(kafka, group, topic), Partition(topic, 0)
    member.until_held(1)
    member.source.commit({partition: Position(2, 1_768_435_200_123, 9)})
    assert member.source.committed([partition]) == {partition: Position(2, 1_768_435_200_123, 9)}
    assert admin.committed(group, [partition]) == {partition: Position(2, 1_768_435_200_123, 9)}
    assert admin.lag(group, [topic]) == {partition: 1}
