"""Kafka through `confluent-kafka` (librdkafka): the client of the hot path."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from confluent_kafka import (
    OFFSET_STORED,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from processors.io import kafka_common as common
from processors.io.throttle import Throttle
from schemas.ports import CommitRefused, Listener, OutRecord, Partition, Position, Record, RetryLater, new_record

log = structlog.get_logger(__name__)

_PURGE_S = 5.0
_CLOSE_S = 3.0
_NO_PARTITION = -1  # librdkafka's "let the partitioner choose"
# librdkafka's codes of a commit that came too late: the group gave the partitions to others, or is about to.
_REFUSED = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._ASSIGNMENT_LOST,  # noqa: SLF001  # the library's spelling of its public constants
}


class Source:
    """A member of a consumer group, see `schemas.ports.RecordSource`.

    `poll` returns as soon as there is anything. A partition without a committed offset is read from its beginning. Where the
    offset to read is no longer retained, reading goes on at the first that is, and the log says so;
    whoever must know beforehand compares `committed` with `bounds` in `on_assign`, where it may `seek` and `pause` as well.
    An exception from the listener comes out of `poll`. `close` leaves the group without telling the listener.
    """

    def __init__(
        self,
        bootstrap: str,
        group: str,
        *,
        client_id: str = "hanan",
        session_timeout_ms: int = common.SESSION_TIMEOUT_MS,
        max_poll_interval_ms: int = common.MAX_POLL_INTERVAL_MS,
        answer_timeout_ms: int = common.ANSWER_TIMEOUT_MS,
    ) -> None:
        self._log = _Log(client_id)
        self._answer_s = answer_timeout_ms / 1000
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "client.id": client_id,
                "session.timeout.ms": session_timeout_ms,
                "heartbeat.interval.ms": min(common.HEARTBEAT_MS, session_timeout_ms // 3),
                "max.poll.interval.ms": max(max_poll_interval_ms, session_timeout_ms),
                "partition.assignment.strategy": "roundrobin",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "allow.auto.create.topics": False,
                "check.crcs": True,
                "topic.metadata.refresh.interval.ms": common.METADATA_MAX_AGE_MS,
                # The default of a whole second makes a consumer that keeps up with the network wait three quarters of its time.
                "fetch.queue.backoff.ms": 5,
                "queued.min.messages": 20_000,
                "queued.max.messages.kbytes": 64 * 1024,
                "fetch.wait.max.ms": 200,
                "receive.message.max.bytes": 100_000_000,
                "reconnect.backoff.max.ms": common.RECONNECT_MAX_MS,
                "socket.timeout.ms": common.SOCKET_TIMEOUT_MS,
                "error_cb": self._log.error,
                "logger": self._log,
            }
        )
        self._listener: Listener | None = None
        self._assigned: dict[Partition, int] = {}  # where reading starts
        self._paused: set[Partition] = set()
        self._in_assign = False
        self._rebalances = 0
        self._listener_error: Exception | None = None

    def subscribe(self, topics: Sequence[str], listener: Listener) -> None:
        self._listener = listener
        self._consumer.subscribe(list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def poll(self, max_records: int, timeout_ms: int) -> list[Record]:
        messages = self._take([], max_records)
        if not messages and timeout_ms > 0:
            first = self._consumer.poll(timeout_ms / 1000)
            if first is not None:  # a message without a value is false
                messages = self._take([first], max_records - 1)
        if failure := self._listener_error:
            self._listener_error = None
            raise failure
        # Every method call counts here, as does the price of a NamedTuple's own constructor.
        records = [
            new_record((m.topic(), m.partition(), m.offset(), m.key(), m.value(), m.headers() or (), m.timestamp()[1]))
            for m in messages
            if m.error() is None
        ]
        if len(records) != len(messages):
            for message in messages:
                if error := message.error():
                    self._on_message_error(message, error)
        return records

    def _take(self, messages: list[Message], more: int) -> list[Message]:
        """Adds what is there. What was read before a rebalance is not ours any more, or will be read again."""
        rebalances = self._rebalances
        if more:
            messages += self._consumer.consume(more, 0)
        if self._rebalances == rebalances:
            return messages
        if messages and self._assigned:
            self._assign()
        return []

    def _on_message_error(self, message: Message, error: KafkaError) -> None:
        if error.fatal():
            raise KafkaException(error)
        if error.code() == KafkaError._MAX_POLL_EXCEEDED:  # noqa: SLF001
            log.error("polled too seldom, the group goes on without us", why=error.str())
        elif self._log.throttle.passes(error.name()):
            log.warning("reading failed for now", topic=message.topic(), partition=message.partition(), why=error.str())

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalances += 1
        self._assigned = dict.fromkeys(_partitions(partitions), OFFSET_STORED)
        self._paused.clear()
        if self._assigned and self._listener:
            self._in_assign = True
            self._tell(self._listener.on_assign)
            self._in_assign = False
        self._assign()

    def _assign(self) -> None:
        self._consumer.assign([TopicPartition(*partition, offset) for partition, offset in self._assigned.items()])
        if self._paused:
            self._consumer.pause([TopicPartition(*partition) for partition in self._paused])

    def _on_revoke(self, consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._rebalances += 1
        if self._assigned and self._listener:
            self._tell(self._listener.on_revoke)
        self._drop(consumer)

    def _on_lost(self, consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._rebalances += 1
        if self._assigned and self._listener:
            self._tell(self._listener.on_lost)
        self._drop(consumer)

    def _drop(self, consumer: Consumer) -> None:
        if self._paused:  # librdkafka would remember it until the partition comes back
            consumer.resume([TopicPartition(*partition) for partition in self._paused])
        self._assigned.clear()
        self._paused.clear()
        consumer.unassign()

    def _tell(self, what: Callable[[Sequence[Partition]], None]) -> None:
        try:
            what(sorted(self._assigned))
        except Exception as error:  # noqa: BLE001  # raised from poll, once librdkafka has what it needs
            self._listener_error = error

    def pause(self, partitions: Iterable[Partition]) -> None:
        partitions = self._held(partitions)
        self._paused |= partitions
        if not self._in_assign:
            self._consumer.pause([TopicPartition(*partition) for partition in partitions])

    def resume(self, partitions: Iterable[Partition]) -> None:
        partitions = self._held(partitions)
        self._paused -= partitions
        if not self._in_assign:
            self._consumer.resume([TopicPartition(*partition) for partition in partitions])

    def seek(self, partition: Partition, offset: int) -> None:
        self._held([partition])
        if self._in_assign:
            self._assigned[partition] = offset
        else:
            self._ask(self._consumer.seek, TopicPartition(*partition, offset))

    def commit(self, positions: Mapping[Partition, Position]) -> None:
        if not positions:
            return
        if not positions.keys() <= self._assigned.keys():
            raise CommitRefused("the group gave the partitions to another")
        # librdkafka waits without bound for a coordinator that hangs, and no other thread gets at the consumer meanwhile (so
        # librdkafka 2.16 and its Python binding); a question that has a bound goes ahead and finds out.
        self.committed(positions)
        offsets = [TopicPartition(*each, to.offset, metadata=common.metadata_of(to)) for each, to in positions.items()]
        try:
            results = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as failure:
            raise _commit_failure(failure.args[0]) from failure
        for result in results or ():
            if result.error:
                raise _commit_failure(result.error)

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, Position | None]:
        wanted = [TopicPartition(*partition) for partition in partitions]
        found = self._ask(self._consumer.committed, wanted, timeout=self._answer_s) if wanted else []
        return {Partition(each.topic, each.partition): _position(each) for each in _without_errors(found)}

    def bounds(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        return {
            each: self._ask(self._consumer.get_watermark_offsets, TopicPartition(*each), self._answer_s) for each in partitions
        }

    def offsets_at(self, partitions: Iterable[Partition], timestamp_ms: int) -> dict[Partition, int]:
        wanted = [TopicPartition(*partition, max(0, timestamp_ms)) for partition in partitions]
        found = _without_errors(self._ask(self._consumer.offsets_for_times, wanted, self._answer_s)) if wanted else []
        offsets = {Partition(each.topic, each.partition): each.offset for each in found}
        ends = self.bounds(partition for partition, offset in offsets.items() if offset < 0)
        return offsets | {partition: end for partition, (_, end) in ends.items()}

    def close(self) -> None:
        self._listener = None
        # Like a commit without bound while the coordinator hangs.
        closing = threading.Thread(target=self._consumer.close, name="kafka-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)
        if closing.is_alive():
            log.warning("Kafka does not hear that we leave the group; it will learn it when the session times out")

    def _ask(self, what: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return what(*args, **kwargs)
        except KafkaException as failure:
            raise RetryLater(common.RETRY_MS, f"Kafka does not answer: {failure.args[0].str()}") from failure

    def _held(self, partitions: Iterable[Partition]) -> set[Partition]:
        partitions = set(partitions)
        if strangers := partitions - self._assigned.keys():
            raise ValueError(f"not held by this member: {sorted(strangers)}")
        return partitions


class Sink:
    """A producer, see `schemas.ports.RecordSink`.

    `send` refuses with ValueError what can never be written: a record that is too large, or has neither key nor partition.

    Without `reports` nothing is said of a record that was written, only of what failed: enough for whoever flushes, and it saves
    a Python call for each record.

    When `flush` raises RetryLater, each record since the last successful flush may be in the log or not; whoever sent them sends
    them again. What still waited is given up, and the producer behind is a new one, so that no error state of the idempotent
    protocol stays.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str = "hanan",
        queue_records: int = common.QUEUE_RECORDS,
        queue_bytes: int = common.QUEUE_BYTES,
        delivery_timeout_ms: int = common.DELIVERY_TIMEOUT_MS,
        reports: bool = True,
    ) -> None:
        self._log = _Log(client_id)
        self._reports = reports
        self._failures = 0
        self._why = ""
        self._config: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "client.id": client_id,
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "compression.type": "none",
            "linger.ms": common.LINGER_MS,
            "batch.size": common.BATCH_BYTES,
            "message.max.bytes": common.MAX_RECORD_BYTES,
            "queue.buffering.max.messages": queue_records,
            "queue.buffering.max.kbytes": queue_bytes // 1024,
            "delivery.timeout.ms": delivery_timeout_ms,
            "request.timeout.ms": min(common.REQUEST_TIMEOUT_MS, delivery_timeout_ms),
            "topic.metadata.propagation.max.ms": min(common.REQUEST_TIMEOUT_MS, delivery_timeout_ms),
            "allow.auto.create.topics": False,
            "reconnect.backoff.max.ms": common.RECONNECT_MAX_MS,
            "socket.timeout.ms": common.SOCKET_TIMEOUT_MS,
            "on_delivery": self._on_delivery,
            "delivery.report.only.error": not reports,
            "error_cb": self._log.error,
            "logger": self._log,
        }
        self._producer = Producer(self._config)

    def send(self, record: OutRecord, done: Callable[[str | None], None] | None = None) -> None:
        topic, key, value, headers, timestamp_ms, number = record
        if number is None:
            if key is None:
                raise ValueError(f"a record for {topic} has neither key nor partition")
            number = _NO_PARTITION
        settings: dict[str, Any] = {}
        if headers:
            settings["headers"] = list(headers)
        if done:
            assert self._reports, "a sink without reports cannot say when it is done"
            settings["on_delivery"] = partial(self._on_delivery, done=done)
        try:
            self._producer.produce(topic, value, key, number, timestamp=timestamp_ms, **settings)
        except BufferError as full:
            raise RetryLater(common.FULL_RETRY_MS, "too many records wait to be written") from full
        except KafkaException as failure:
            self._on_send_failure(record, failure.args[0])

    def send_all(self, records: Sequence[OutRecord]) -> int:
        produce = self._producer.produce
        for number, record in enumerate(records):
            topic, key, value, headers, timestamp_ms, partition = record
            if partition is None:
                if key is None:
                    raise ValueError(f"a record for {topic} has neither key nor partition")
                partition = _NO_PARTITION
            try:  # by place: names would cost as much again as all the rest
                if headers:
                    produce(topic, value, key, partition, None, None, timestamp_ms, list(headers))
                else:
                    produce(topic, value, key, partition, None, None, timestamp_ms)
            except BufferError as full:
                if number:
                    return number
                raise RetryLater(common.FULL_RETRY_MS, "too many records wait to be written") from full
            except KafkaException as failure:
                self._on_send_failure(record, failure.args[0])
        return len(records)

    def _on_send_failure(self, record: OutRecord, error: KafkaError) -> None:
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            raise ValueError(f"a record for {record.topic} is larger than {common.MAX_RECORD_BYTES} bytes")
        if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001
            self._renew()
        raise RetryLater(common.RETRY_MS, f"{record.topic} takes no records: {error.str()}")

    def _on_delivery(self, error: KafkaError | None, _message: Message, done: Callable[[str | None], None] | None = None) -> None:
        if error is not None:
            self._failures += 1
            self._why = error.str()
        if done:
            done(None if error is None else error.str())

    def serve(self) -> None:
        self._producer.poll(0)

    def flush(self, timeout_ms: int) -> None:
        left = self._producer.flush(timeout_ms / 1000)
        if left:
            self._renew()
        failures, self._failures = self._failures, 0
        if left or failures:
            why = f"{left} of them not acknowledged within {timeout_ms} ms" if left else self._why
            raise RetryLater(common.RETRY_MS, f"{max(left, failures)} records were not written: {why}")

    def _renew(self) -> None:
        self._purge()
        self._producer = Producer(self._config)

    def _purge(self) -> None:
        """Gives up all that waits. The news of it comes from other threads, but at once."""
        self._producer.purge()
        if silent := self._producer.flush(_PURGE_S):
            log.error("the outcome of records stays unknown", count=silent)

    def close(self) -> None:
        self._purge()


class _Log:
    """librdkafka's own lines and errors, some of which come several times a second while a broker is away."""

    def __init__(self, client_id: str) -> None:
        self.throttle = Throttle()
        self._client_id = client_id

    def log(self, level: int, text: str, *args: object) -> None:
        line = text % args if args else text
        if self.throttle.passes(line.partition(":")[0]):
            log.warning("librdkafka", client_id=self._client_id, level=level, line=line)

    def error(self, error: KafkaError) -> None:
        if self.throttle.passes(error.name()):
            log.warning("Kafka is in trouble", client_id=self._client_id, error=error.name(), why=error.str())


def _partitions(listed: Iterable[TopicPartition]) -> list[Partition]:
    return [Partition(each.topic, each.partition) for each in listed]


def _position(found: TopicPartition) -> Position | None:
    if found.offset < 0:
        return None
    try:
        return common.position_of(found.offset, found.metadata)
    except UnicodeDecodeError:  # another program's, see kafka_common
        return Position(found.offset)


def _without_errors(found: list[TopicPartition]) -> list[TopicPartition]:
    for each in found:
        if each.error:
            raise RetryLater(common.RETRY_MS, f"Kafka does not answer for {each.topic}/{each.partition}: {each.error.str()}")
    return found


def _commit_failure(error: KafkaError) -> Exception:
    if error.code() in _REFUSED:
        return CommitRefused(error.str())
    return RetryLater(common.RETRY_MS, f"the commit was not taken: {error.str()}")
