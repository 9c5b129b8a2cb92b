"""The three Kafkas that one suite of tests runs on."""

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from kafka.admin import KafkaAdminClient, MemberToRemove, NewTopic
from kafka.structs import TopicPartition

from deploy.native.stack import Stack
from processors.io import confluent, kafka_python
from processors.io.kafka_python_repairs import connect
from schemas.ports import Listener, OutRecord, Partition, Record, RecordSink, RecordSource
from tests.memory import ManualClock, MemoryKafka, MemorySource
from tests.waiting import eventually

_PATIENCE_S = 45.0  # a rebalance takes seconds, and more where many tests share two cores


class Kafka(Protocol):
    """A broker and one client of it. Everything made by a test is closed after it."""

    def topic(self, partitions: int = 1) -> str: ...

    def source(self, group: str) -> RecordSource: ...

    def sink(self, queue_records: int = 1_000, delivery_timeout_ms: int = 30_000) -> RecordSink: ...

    def expel(self, group: str, source: RecordSource) -> None:
        """Throws a member out behind its back."""
        ...

    def delete_records(self, partition: Partition, before: int) -> None: ...

    def away(self) -> None:
        """It hangs: connections stay and nobody answers."""
        ...

    def dead(self) -> None:
        """Nobody is there."""
        ...

    def back(self) -> None: ...

    def close(self) -> None: ...


def fresh(what: str) -> str:
    return f"{what}.{uuid.uuid4().hex[:12]}"


class Memory:
    def __init__(self) -> None:
        self.broker = MemoryKafka({}, ManualClock(1))

    def topic(self, partitions: int = 1) -> str:
        name = fresh("topic")
        self.broker.create(name, partitions)
        return name

    def source(self, group: str) -> RecordSource:
        return self.broker.source(group)

    def sink(self, queue_records: int = 1_000, delivery_timeout_ms: int = 30_000) -> RecordSink:
        return self.broker.sink(queue_records)

    def expel(self, group: str, source: RecordSource) -> None:
        assert isinstance(source, MemorySource)
        self.broker.expire(source)

    def delete_records(self, partition: Partition, before: int) -> None:
        self.broker.truncate(partition, before)

    def away(self) -> None:
        self.broker.up = False

    def dead(self) -> None:
        self.broker.up = False

    def back(self) -> None:
        self.broker.up = True

    def close(self) -> None:
        pass


class Real:
    def __init__(self, stack: Stack, client: str) -> None:
        self._stack = stack
        self._bootstrap = stack.endpoints().kafka_bootstrap
        self._client = client
        self._open: list[RecordSource | RecordSink] = []
        self._admin, _ = connect(KafkaAdminClient, bootstrap_servers=self._bootstrap)
        self._away = self._dead = False

    def topic(self, partitions: int = 1) -> str:
        name = fresh("topic")
        self._admin.create_topics([NewTopic(name, partitions, 1, topic_configs={"max.message.bytes": 20 * 1024 * 1024})])
        self._admin.wait_for_topics([name])
        return name

    def source(self, group: str) -> RecordSource:
        # The name in `client_id` is how `expel` finds the member.
        make = confluent.Source if self._client == "confluent" else kafka_python.Source
        source: RecordSource = make(
            self._bootstrap, group, client_id=f"test-{len(self._open)}", session_timeout_ms=6_000, answer_timeout_ms=2_000
        )
        self._open.append(source)
        return source

    def sink(self, queue_records: int = 1_000, delivery_timeout_ms: int = 30_000) -> RecordSink:
        make = confluent.Sink if self._client == "confluent" else kafka_python.Sink
        sink: RecordSink = make(self._bootstrap, queue_records=queue_records, delivery_timeout_ms=delivery_timeout_ms)
        self._open.append(sink)
        return sink

    def expel(self, group: str, source: RecordSource) -> None:
        client_id = f"test-{self._open.index(source)}"
        members = self._admin.describe_groups([group])[group]["members"]
        ids = [member["member_id"] for member in members if member["client_id"] == client_id]
        assert len(ids) == 1, members
        self._admin.remove_group_members(group, [MemberToRemove(member_id=ids[0])])

    def delete_records(self, partition: Partition, before: int) -> None:
        self._admin.delete_records({TopicPartition(*partition): before})

    def away(self) -> None:
        self._away = True
        self._stack.pause("kafka")
        threads = list(Path(f"/proc/{self._stack.pid('kafka')}/task").iterdir())
        eventually(lambda: all(_is_stopped(thread) for thread in threads), what="Kafka stands still")

    def dead(self) -> None:
        self._dead = True
        self._stack.kill("kafka")

    def back(self) -> None:
        if self._dead:
            self._stack.restart("kafka")
        elif self._away:
            self._stack.resume("kafka")
        self._away = self._dead = False

    def close(self) -> None:
        self.back()
        for each in reversed(self._open):
            each.close()
        self._admin.close()


def _is_stopped(thread: Path) -> bool:
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0] == "T"
    except FileNotFoundError:
        return True  # it ended meanwhile


class Ledger:
    """A listener that writes down what it is told, and may be given something to do."""

    def __init__(self) -> None:
        self.held: set[Partition] = set()
        self.told: list[tuple[str, list[Partition]]] = []
        self.then: dict[str, Callable[[Sequence[Partition]], None]] = {}

    def on_assign(self, partitions: Sequence[Partition]) -> None:
        self.held |= set(partitions)
        self._note("assign", partitions)

    def on_revoke(self, partitions: Sequence[Partition]) -> None:
        self._note("revoke", partitions)
        self.held -= set(partitions)

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        self._note("lost", partitions)
        self.held -= set(partitions)

    def _note(self, what: str, partitions: Sequence[Partition]) -> None:
        self.told.append((what, sorted(partitions)))
        if what in self.then:
            self.then[what](partitions)


class Member:
    """A source with its ledger and all it has read."""

    def __init__(self, kafka: Kafka, group: str, *topics: str) -> None:
        self.source = kafka.source(group)
        self.ledger: Ledger = Ledger()
        self.read: list[Record] = []
        listener: Listener = self.ledger
        self.source.subscribe(topics, listener)

    def poll(self, max_records: int = 1_000) -> list[Record]:
        records = self.source.poll(max_records, 50)
        self.read += records
        return records

    def until_read(self, count: int, max_records: int = 1_000) -> list[Record]:
        def enough() -> bool:
            self.poll(max_records)
            return len(self.read) >= count

        eventually(enough, _PATIENCE_S, what=f"{count} records read")
        assert len(self.read) == count
        return self.read

    def until_held(self, count: int) -> set[Partition]:
        """Reads as little as may be meanwhile."""
        poll_until(lambda: len(self.ledger.held) == count, self, max_records=1)
        return self.ledger.held

    def values(self) -> list[bytes | None]:
        return [record.value for record in self.read]


def poll_until(condition: Callable[[], bool], *members: Member, max_records: int = 1_000) -> None:
    """Members of a group move only while all are polled."""

    def turn() -> bool:
        for member in members:
            member.poll(max_records)
        return condition()

    eventually(turn, _PATIENCE_S, what=f"{[sorted(member.ledger.held) for member in members]} at first")


def write(kafka: Kafka, *records: OutRecord) -> None:
    sink = kafka.sink()
    for record in records:
        sink.send(record)
    sink.flush(20_000)
