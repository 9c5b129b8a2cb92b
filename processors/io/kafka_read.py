"""Reading without a group: whole topics for tools, and a compacted topic as a table that stays current."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from typing import TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from processors.io import kafka_common as common
from schemas.ports import Partition, Record, RetryLater

_ANSWER_S = common.ANSWER_TIMEOUT_MS / 1_000
_BATCH = 5_000
_AGAIN = 2  # times that a tool goes on with a new consumer: a broker that was busy for a while is no reason to begin from scratch
T = TypeVar("T")
_make = Record._make


def read_all(bootstrap: str, topics: Sequence[str], from_ms: int | None = None, to_ms: int | None = None) -> Iterator[Record]:
    """All records of the topics that are there now and lie in [from_ms, to_ms) by their timestamp; in order by partition."""
    with closing(_Reader(bootstrap)) as reader:
        at = {partition: reader.begin(partition, from_ms) for topic in topics for partition in reader.partitions(topic)}
        ends = {partition: reader.end(partition) for partition in at}
    at = {partition: first for partition, first in at.items() if first < ends[partition]}
    silences = 0
    while at:
        with closing(_Reader(bootstrap)) as reader:
            reader.assign(at)
            try:
                while at:
                    for record in reader.read(1.0, at.keys()):
                        partition = Partition(record.topic, record.partition)
                        if partition not in at or record.offset >= ends[partition]:
                            continue
                        at[partition] = record.offset + 1
                        if _lies(record.timestamp_ms, from_ms, to_ms):
                            yield record
                    at = {each: offset for each, offset in at.items() if not reader.has_read(each, ends[each])}
            except RetryLater:
                silences += 1
                if silences > _AGAIN:
                    raise


class LogReader:
    """See `processors.aggregate.History`."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def since(self, partition: Partition, from_ms: int) -> Iterator[Record]:
        reader = _Reader(self._bootstrap)
        try:
            at, end = reader.begin(partition, from_ms), reader.end(partition)
            if at >= end:
                return
            reader.assign({partition: at})
            while not reader.has_read(partition, end):
                yield from [record for record in reader.read(1.0, (partition,)) if record.offset < end]
        finally:
            reader.close()


class TableReader:
    """See `schemas.ports.Table`."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._reader: _Reader | None = None
        self._partitions: list[Partition] = []
        self._changed: dict[bytes, bytes | None] = {}  # read and not yet returned: a wait that broke off loses nothing

    def changes(self, *, up_to_now: bool = False) -> list[tuple[bytes, bytes | None]]:
        if self._reader is None:
            reader = _Reader(self._bootstrap)
            try:
                self._partitions = reader.partitions(self._topic)
                reader.assign(dict.fromkeys(self._partitions, OFFSET_BEGINNING))
                self._read_up(reader)
            except RetryLater:
                self._changed.clear()
                reader.close()
                raise
            self._reader = reader  # only now: a first read that broke off begins again
        elif up_to_now:
            self._read_up(self._reader)
        self._take(self._reader.read(0, ()))
        changed, self._changed = self._changed, {}
        return list(changed.items())

    def _read_up(self, reader: "_Reader") -> None:
        """To the end as it is now."""
        ends = {partition: reader.end(partition) for partition in self._partitions}
        left = {p for p, end in ends.items() if not reader.has_read(p, end) and reader.first(p) < end}
        while left := {partition for partition in left if not reader.has_read(partition, ends[partition])}:
            self._take(reader.read(1.0, left))

    def _take(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.key is not None:
                self._changed[record.key] = record.value

    def close(self) -> None:
        if self._reader:
            self._reader.close()
            self._reader = None


class _Reader:
    """A consumer that is assigned by hand. RetryLater when Kafka does not answer."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._silent = 0
        self._why = ""
        self._ends_seen: dict[Partition, int] = {}  # where a partition was read up, and nothing was behind it
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "hanan-reader",  # wanted by the library; nothing is ever committed to it
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "allow.auto.create.topics": False,
                "fetch.queue.backoff.ms": 5,
                "queued.max.messages.kbytes": 64 * 1024,
                "log_level": 0,
                "error_cb": lambda _error: None,  # what matters comes back as RetryLater
            }
        )

    def partitions(self, topic: str) -> list[Partition]:
        found = self._ask(lambda: self._consumer.list_topics(topic, timeout=_ANSWER_S)).topics[topic]
        if found.error is not None:
            raise RetryLater(common.RETRY_MS, f"there is no topic {topic}: {found.error.str()}; `hanan up` makes it")
        return [Partition(topic, number) for number in sorted(found.partitions)]

    def first(self, partition: Partition) -> int:
        return int(self._ask(lambda: self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=_ANSWER_S))[0])

    def end(self, partition: Partition) -> int:
        return int(self._ask(lambda: self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=_ANSWER_S))[1])

    def begin(self, partition: Partition, from_ms: int | None) -> int:
        if from_ms is None:
            return self.first(partition)
        wanted = [TopicPartition(*partition, max(0, from_ms))]
        offset = self._ask(lambda: self._consumer.offsets_for_times(wanted, timeout=_ANSWER_S))[0].offset
        return int(offset) if offset >= 0 else self.end(partition)

    def assign(self, offsets: dict[Partition, int]) -> None:
        self._consumer.assign([TopicPartition(*partition, offset) for partition, offset in offsets.items()])

    def has_read(self, partition: Partition, end: int) -> bool:
        """Up to `end`, be it by records that are nobody's to see."""
        position = int(self._consumer.position([TopicPartition(*partition)])[0].offset)
        return max(position, self._ends_seen.get(partition, -1)) >= end

    def read(self, timeout_s: float, awaited: Collection[Partition]) -> list[Record]:
        """What has come. RetryLater after ten seconds in which nothing that is awaited came."""
        records = []
        for message in self._consume(timeout_s):
            error = message.error()
            if error is None:
                records.append(_record(message))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the library's spelling
                self._ends_seen[Partition(message.topic() or "", message.partition() or 0)] = message.offset() or 0
            elif error.fatal():
                raise KafkaException(error)
            else:
                self._why = f": {error.str()}"
        self._silent = 0 if records or not awaited else self._silent + 1
        if self._silent > _ANSWER_S:
            named = ", ".join(f"{topic}/{number}" for topic, number in sorted(awaited)[:5])
            raise RetryLater(common.RETRY_MS, f"Kafka at {self._bootstrap} sends nothing of {named}{self._why}")
        return records

    def _consume(self, timeout_s: float) -> list[Message]:
        """As soon as there is anything: `consume` by itself waits for a full batch."""
        messages = self._consumer.consume(_BATCH, 0)
        if not messages and timeout_s:
            first = self._consumer.poll(timeout_s)
            if first is not None:  # a message without a value is false
                messages = [first, *self._consumer.consume(_BATCH - 1, 0)]
        return messages

    def close(self) -> None:
        self._consumer.close()

    def _ask(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except KafkaException as error:
            raise RetryLater(common.RETRY_MS, f"Kafka at {self._bootstrap} does not answer: {error.args[0].str()}") from error


def _lies(timestamp_ms: int, from_ms: int | None, to_ms: int | None) -> bool:
    return (from_ms is None or timestamp_ms >= from_ms) and (to_ms is None or timestamp_ms < to_ms)


def _record(m: Message) -> Record:
    return _make((m.topic(), m.partition(), m.offset(), m.key(), m.value(), m.headers() or (), m.timestamp()[1]))
