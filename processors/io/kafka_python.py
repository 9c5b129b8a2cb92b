"""Kafka through `kafka-python`: the same ports as `confluent.py` in pure Python, at several times the CPU."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
from kafka import KafkaConsumer, KafkaProducer
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    KafkaError,
    KafkaTimeoutError,
    LogTruncationError,
    MessageSizeTooLargeError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from kafka.future import Future
from kafka.structs import OffsetAndMetadata, TopicPartition

from processors.io import kafka_common as common
from processors.io.kafka_python_repairs import before_poll, connect, mend
from processors.io.throttle import Throttle
from schemas.ports import CommitRefused, Listener, OutRecord, Partition, Position, Record, RetryLater, send_each

log = structlog.get_logger(__name__)

_BOOTSTRAP_TIMEOUT_MS = 2_000
_CLOSE_TIMEOUT_MS = 3_000
_PAUSE_AFTER_ERROR_S = 0.1
_REFUSED = (CommitFailedError, IllegalGenerationError, UnknownMemberIdError, RebalanceInProgressError, FencedInstanceIdError)


class Source:
    """A member of a consumer group, see `schemas.ports.RecordSource`; behaves as `processors.io.confluent.Source` does.

    The library connects in its constructor and raises when there is nobody, so it is made when it is first needed. Until Kafka
    answers, `poll` returns nothing and questions raise RetryLater.
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
        self._answer_ms = answer_timeout_ms
        self._config: dict[str, Any] = {
            "bootstrap_servers": bootstrap.split(","),
            "group_id": group,
            "client_id": client_id,
            "session_timeout_ms": session_timeout_ms,
            "heartbeat_interval_ms": min(common.HEARTBEAT_MS, session_timeout_ms // 3),
            "max_poll_interval_ms": max(max_poll_interval_ms, session_timeout_ms),
            "partition_assignment_strategy": (RoundRobinPartitionAssignor,),
            "isolation_level": "read_committed",
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "allow_auto_create_topics": False,
            "metadata_max_age_ms": common.METADATA_MAX_AGE_MS,
            "fetch_max_wait_ms": 200,
            "reconnect_backoff_max_ms": common.RECONNECT_MAX_MS,
            "metrics_enabled": False,
        }
        self._throttle = Throttle()
        self._connection: _Connection | None = None
        self._topics: Sequence[str] = ()
        self._listener: Listener | None = None
        self._assigned: set[Partition] = set()
        self._listener_error: Exception | None = None

    def subscribe(self, topics: Sequence[str], listener: Listener) -> None:
        self._topics = tuple(topics)
        self._listener = listener

    def poll(self, max_records: int, timeout_ms: int) -> list[Record]:
        try:
            consumer = self._consumer()
            before_poll(consumer)
            batches = consumer.poll(timeout_ms, max_records)
        except RetryLater:
            return []  # the attempt to connect took its time, and is in the log
        except NoOffsetForPartitionError as unread:
            self._to_beginning(unread.args[0])
            return []
        except OffsetOutOfRangeError as gone:
            self._on_lost_records(gone.args[0], "the offset is not retained any more")
            return []
        except LogTruncationError as cut:
            self._on_lost_records(cut.divergent_offsets, "a broker's log was cut off")
            return []
        except KafkaError as error:
            if self._throttle.passes(type(error).__name__):
                log.warning("reading failed for now", why=str(error))
            time.sleep(_PAUSE_AFTER_ERROR_S)
            return []
        finally:
            self._raise_listener_error()
        return [
            _make((r.topic, r.partition, r.offset, r.key, r.value, r.headers, r.timestamp))
            for batch in batches.values()
            for r in batch
        ]

    def _raise_listener_error(self) -> None:
        error, self._listener_error = self._listener_error, None
        if error:
            raise error

    def _on_lost_records(self, offsets: Mapping[TopicPartition, object], why: str) -> None:
        for where, offset in offsets.items():
            log.error("records are lost", why=why, partition=Partition(*where), offset=offset)
        self._to_beginning(offsets)

    def _to_beginning(self, partitions: Iterable[TopicPartition]) -> None:
        self._consumer().seek_to_beginning(*partitions)

    def _consumer(self) -> KafkaConsumer:
        if self._connection is None:
            try:
                self._connection = _Connection(self._config)
            except KafkaError as error:
                if self._throttle.passes("connect"):
                    log.warning("Kafka is away", bootstrap=self._config["bootstrap_servers"], why=str(error))
                raise RetryLater(common.RETRY_MS, f"Kafka is away: {error}") from error
            if self._topics:
                self._subscribe(self._connection)
        return self._connection.consumer

    def _subscribe(self, connection: "_Connection") -> None:
        mend(connection.consumer)
        connection.consumer.subscribe(self._topics, listener=_Relay(connection, self._tell))
        for topic in self._topics:
            # Else a member that leads the group may deal out a topic of which it has not heard yet as having no partitions.
            with suppress(KafkaError):
                connection.consumer.partitions_for_topic(topic)

    def _tell(self, what: str, partitions: list[Partition]) -> None:
        """Runs in a thread of its own while `poll` waits, so the listener may ask and commit."""
        if what == "on_assign":
            self._assigned = set(partitions)
        try:
            if partitions and self._listener:
                getattr(self._listener, what)(partitions)
        except Exception as error:  # noqa: BLE001  # raised from poll, once the library has what it needs
            self._listener_error = error
        if what != "on_assign":
            self._assigned = set()

    def pause(self, partitions: Iterable[Partition]) -> None:
        self._consumer().pause(*self._held(partitions))

    def resume(self, partitions: Iterable[Partition]) -> None:
        self._consumer().resume(*self._held(partitions))

    def seek(self, partition: Partition, offset: int) -> None:
        self._consumer().seek(*self._held([partition]), offset)

    def commit(self, positions: Mapping[Partition, Position]) -> None:
        if not positions:
            return
        if not positions.keys() <= self._assigned:
            raise CommitRefused("the group gave the partitions to another")
        offsets = {
            TopicPartition(*partition): OffsetAndMetadata(position.offset, common.ended(common.metadata_of(position)), -1)
            for partition, position in positions.items()
        }
        try:
            self._consumer().commit(offsets, timeout_ms=self._answer_ms)
        except _REFUSED as refusal:
            raise CommitRefused(str(refusal)) from refusal
        except KafkaError as error:
            raise RetryLater(common.RETRY_MS, f"the commit was not taken: {error}") from error

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, Position | None]:
        return {each: self._committed(each) for each in partitions}

    def _committed(self, partition: Partition) -> Position | None:
        consumer = self._consumer()
        found = self._ask(consumer.committed, TopicPartition(*partition), metadata=True)
        return common.position_of(found.offset, found.metadata) if found and found.offset >= 0 else None

    def bounds(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        wanted = [TopicPartition(*partition) for partition in partitions]
        if not wanted:
            return {}
        consumer = self._consumer()
        first = self._ask(consumer.beginning_offsets, wanted)
        end = self._ask(consumer.end_offsets, wanted)
        return {Partition(*each): (first[each], end[each]) for each in wanted}

    def offsets_at(self, partitions: Iterable[Partition], timestamp_ms: int) -> dict[Partition, int]:
        wanted = {TopicPartition(*partition): max(0, timestamp_ms) for partition in partitions}
        if not wanted:
            return {}
        found = self._ask(self._consumer().offsets_for_times, wanted)
        ends = self.bounds(Partition(*each) for each, place in found.items() if place is None)
        return {Partition(*each): ends[Partition(*each)][1] if place is None else place.offset for each, place in found.items()}

    def close(self) -> None:
        self._listener = None
        if self._connection:
            self._connection.close()
            self._connection = None

    def _ask(self, what: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return what(*args, **kwargs, timeout_ms=self._answer_ms)
        except KafkaError as error:
            raise RetryLater(common.RETRY_MS, f"Kafka does not answer: {error}") from error

    def _held(self, partitions: Iterable[Partition]) -> list[TopicPartition]:
        partitions = set(partitions)
        if strangers := partitions - self._assigned:
            raise ValueError(f"not held by this member: {sorted(strangers)}")
        return [TopicPartition(*partition) for partition in partitions]


class _Connection:
    """A consumer and the client under it, which is needed to wake the library's loop."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.consumer, self._client = connect(KafkaConsumer, **config, bootstrap_timeout_ms=_BOOTSTRAP_TIMEOUT_MS)

    def wake(self) -> None:
        self._client.wakeup()

    def close(self) -> None:
        with suppress(KafkaError):
            self.consumer.close(autocommit=False, timeout_ms=_CLOSE_TIMEOUT_MS)


class _Relay(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """Takes the group's decisions off the library's own thread, on which nothing may be asked of Kafka."""

    def __init__(self, connection: _Connection, tell: Callable[[str, list[Partition]], None]) -> None:
        self._connection = connection
        self._tell = tell

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._relay("on_assign", assigned)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._relay("on_revoke", revoked)

    async def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        await self._relay("on_lost", lost)

    def _relay(self, what: str, partitions: Iterable[TopicPartition]) -> Future:
        told = Future()
        listed = sorted(Partition(*each) for each in partitions)

        def run() -> None:
            self._tell(what, listed)
            told.success(None)
            self._connection.wake()

        threading.Thread(target=run, name=f"kafka-{what}", daemon=True).start()
        return told


class Sink:
    """A producer, see `schemas.ports.RecordSink`; behaves as `processors.io.confluent.Sink` does.

    Here `done` comes in the order of `send`, so one partition that is stuck holds up the news of the others.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str = "hanan",
        queue_records: int = common.QUEUE_RECORDS,
        queue_bytes: int = common.QUEUE_BYTES,
        delivery_timeout_ms: int = common.DELIVERY_TIMEOUT_MS,
    ) -> None:
        self._config: dict[str, Any] = {
            "bootstrap_servers": bootstrap.split(","),
            "client_id": client_id,
            "acks": "all",
            "enable_idempotence": True,
            "compression_type": None,
            "linger_ms": common.LINGER_MS,
            "batch_size": common.BATCH_BYTES,
            "max_request_size": common.MAX_RECORD_BYTES,
            "delivery_timeout_ms": delivery_timeout_ms,
            "request_timeout_ms": max(1, min(common.REQUEST_TIMEOUT_MS, delivery_timeout_ms - common.LINGER_MS)),
            "max_block_ms": _BOOTSTRAP_TIMEOUT_MS,
            "allow_auto_create_topics": False,
            "reconnect_backoff_max_ms": common.RECONNECT_MAX_MS,
            "metrics_enabled": False,
        }
        self._queue_records, self._queue_bytes = queue_records, queue_bytes
        self._throttle = Throttle()
        self._producer: _Producer | None = None
        self._waiting: deque[tuple[Future, Callable[[str | None], None] | None, int]] = deque()
        self._bytes = 0
        self._failures = 0
        self._why = ""
        self._broken = False

    def send(self, record: OutRecord, done: Callable[[str | None], None] | None = None) -> None:
        topic, key, value, headers, timestamp_ms, number = record
        if key is None and number is None:
            raise ValueError(f"a record for {topic} has neither key nor partition")
        size = len(key or b"") + len(value or b"")
        if self._waiting and (len(self._waiting) >= self._queue_records or self._bytes + size > self._queue_bytes):
            raise RetryLater(common.FULL_RETRY_MS, "too many records wait to be written")
        producer = self._connect()
        try:
            future = producer.send(topic, value, key, list(headers), number, timestamp_ms or None)
        except MessageSizeTooLargeError as error:
            raise ValueError(f"a record for {topic} is larger than {common.MAX_RECORD_BYTES} bytes") from error
        except KafkaError as error:
            raise RetryLater(common.RETRY_MS, f"{topic} takes no records: {error}") from error
        self._waiting.append((future, done, size))
        self._bytes += size

    def send_all(self, records: Sequence[OutRecord]) -> int:
        return send_each(self, records)

    def _connect(self) -> "_Producer":
        if self._broken:
            self._renew()
        if self._producer:
            return self._producer
        try:
            made, _ = connect(_Producer, **self._config, bootstrap_timeout_ms=_BOOTSTRAP_TIMEOUT_MS)
        except KafkaError as error:
            if self._throttle.passes("connect"):
                log.warning("Kafka is away", bootstrap=self._config["bootstrap_servers"], why=str(error))
            raise RetryLater(common.RETRY_MS, f"Kafka is away: {error}") from error
        self._producer = made
        return made

    def serve(self) -> None:
        waiting = self._waiting
        while waiting and waiting[0][0].is_done:
            self._settle(*waiting.popleft())

    def _settle(self, future: Future, done: Callable[[str | None], None] | None, size: int) -> None:
        self._bytes -= size
        error = None
        if not future.is_done:
            error = "not acknowledged in time"
        elif future.exception is not None:
            error = str(future.exception)
        if error:
            self._failures += 1
            self._why = error
            self._broken = True
        if done:
            done(error)

    def flush(self, timeout_ms: int) -> None:
        if self._producer:
            with suppress(KafkaTimeoutError):
                self._producer.flush(timeout_ms / 1000)
        self._settle_all()
        failures, self._failures = self._failures, 0
        if failures:
            self._renew()
            raise RetryLater(common.RETRY_MS, f"{failures} records were not written: {self._why}")

    def _settle_all(self) -> None:
        while self._waiting:
            self._settle(*self._waiting.popleft())

    def _renew(self) -> None:
        """The next `send` makes a new producer; what the old one holds is given up."""
        producer, self._producer = self._producer, None
        if producer:
            producer.abandon()
        self._settle_all()
        self._broken = False

    def close(self) -> None:
        self._renew()


class _Producer(KafkaProducer):  # type: ignore[misc]  # the library has no types
    """A producer that can be left behind. The library's own `close` waits for what it holds, and fails when it cannot have it."""

    _abandoned = False

    def flush(self, timeout: float | None = None) -> None:
        if not self._abandoned:
            super().flush(timeout)

    def abandon(self) -> None:
        self._abandoned = True
        self.close(timeout=0)


_make = Record._make
