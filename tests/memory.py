"""The ports in memory: a clock set by hand, a little Kafka with groups and rebalances, a table of points. No threads, no waiting.

A test drives every member of a group by calling its `poll`; nothing moves in between. As with the real clients, a rebalance takes
a round of polls: the first `poll` of each member gives up what it holds, and once all have done so the next one assigns.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.ports import (
    Clock,
    CommitRefused,
    Listener,
    OutRecord,
    Partition,
    Position,
    Record,
    Refusal,
    RetryLater,
    send_each,
)

MAX_RECORD_BYTES = 17 * 1024 * 1024
RETRY_MS = 100


class ManualClock:
    """Stands still until a test moves it."""

    def __init__(self, now_ms: int = 0) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def advance(self, ms: int) -> None:
        self._now_ms += ms

    def set(self, now_ms: int) -> None:
        self._now_ms = now_ms


@dataclass
class _Log:
    """One partition. `first` grows when retention removes records from the front."""

    first: int = 0
    records: list[Record] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.first + len(self.records)


class MemoryKafka:
    """The broker. `up = False` takes it away from every client, `True` brings it back with all it had."""

    def __init__(self, topics: Mapping[str, int], clock: Clock | None = None) -> None:
        self.up = True
        self._clock = clock or ManualClock()
        self._partitions: dict[str, int] = {}
        self._logs: dict[Partition, _Log] = {}
        self._groups: dict[str, _Group] = {}
        for topic, partitions in topics.items():
            self.create(topic, partitions)

    def create(self, topic: str, partitions: int) -> None:
        self._partitions[topic] = partitions
        self._logs |= {Partition(topic, number): _Log() for number in range(partitions)}

    def source(self, group: str) -> "MemorySource":
        return MemorySource(self, group)

    def sink(self, capacity: int = 100_000) -> "MemorySink":
        return MemorySink(self, capacity)

    def append(self, record: OutRecord) -> Record:
        """Writes at once, as if some other producer had."""
        number = self.partition_of(record)
        log = self._logs[Partition(record.topic, number)]
        stored = Record(
            record.topic,
            number,
            log.end,
            record.key,
            record.value,
            tuple(record.headers),
            record.timestamp_ms or self._clock.now_ms(),
        )
        log.records.append(stored)
        return stored

    def partition_of(self, record: OutRecord) -> int:
        count = self._partitions[record.topic]
        if record.partition is not None:
            if not 0 <= record.partition < count:
                raise ValueError(f"{record.topic} has {count} partitions, none numbered {record.partition}")
            return record.partition
        if record.key is None:
            raise ValueError("a record without a key names its partition")
        return (murmur2(record.key) & 0x7FFFFFFF) % count

    def records(self, topic: str, number: int | None = None) -> list[Record]:
        """All that is retained, partition by partition."""
        numbers = range(self._partitions[topic]) if number is None else (number,)
        return [record for n in numbers for record in self._logs[Partition(topic, n)].records]

    def truncate(self, partition: Partition, before: int) -> None:
        """What retention does: removes the records before an offset."""
        log = self._logs[partition]
        before = min(before, log.end)
        log.records = log.records[before - log.first :]
        log.first = before

    def committed(self, group: str) -> dict[Partition, Position]:
        return dict(self.group(group).committed)

    def expire(self, source: "MemorySource") -> None:
        """What a session timeout does: the group goes on without the member, who learns of it later."""
        self.group(source.group).remove(source)

    def group(self, name: str) -> "_Group":
        return self._groups.setdefault(name, _Group(self._partitions))

    def log(self, partition: Partition) -> _Log:
        return self._logs[partition]

    def require_up(self) -> None:
        if not self.up:
            raise RetryLater(RETRY_MS, "Kafka is away")


class _Group:
    """Membership by the eager protocol: a change makes everyone give up everything, then all is dealt out anew."""

    def __init__(self, partitions: Mapping[str, int]) -> None:
        self.committed: dict[Partition, Position] = {}
        self.generation = 0
        self.stable = True
        self._partitions = partitions
        self._members: list[MemorySource] = []
        self._joined: list[MemorySource] = []

    def has(self, member: "MemorySource") -> bool:
        return member in self._members

    def has_joined(self, member: "MemorySource") -> bool:
        return member in self._joined

    def add(self, member: "MemorySource") -> None:
        self._members.append(member)
        self._rebalance()

    def remove(self, member: "MemorySource") -> None:
        if member in self._members:
            self._members.remove(member)
            self._rebalance()

    def join(self, member: "MemorySource") -> None:
        self._joined.append(member)
        if len(self._joined) == len(self._members):
            self.generation += 1
            self.stable = True

    def _rebalance(self) -> None:
        self.stable = False
        self._joined = []

    def assignment(self, member: "MemorySource") -> list[Partition]:
        """Round robin over all partitions of all topics."""
        topics = sorted({topic for each in self._members for topic in each.topics})
        deal = [Partition(topic, number) for topic in topics for number in range(self._partitions[topic])]
        place = self._members.index(member)
        return deal[place :: len(self._members)]


class MemorySource:
    """A member of a group of `MemoryKafka`."""

    def __init__(self, kafka: MemoryKafka, group: str) -> None:
        self.group = group
        self.topics: Sequence[str] = ()
        self.skipped: dict[Partition, int] = {}  # records that retention took before they were read
        self._kafka = kafka
        self._listener: Listener | None = None
        self._generation = -1
        self._positions: dict[Partition, int] = {}  # what is held, and where it is read next
        self._paused: set[Partition] = set()
        self._turn = 0
        self._closed = False

    def subscribe(self, topics: Sequence[str], listener: Listener) -> None:
        self.topics = tuple(topics)
        self._listener = listener

    def poll(self, max_records: int, timeout_ms: int) -> list[Record]:
        assert not self._closed
        if not self._kafka.up:
            return []
        self._follow_group()
        return self._fetch(max_records)

    def _follow_group(self) -> None:
        assert self._listener
        group = self._kafka.group(self.group)
        if not group.has(self):
            self._give_up(self._listener.on_lost)
            group.add(self)
        if not group.stable and not group.has_joined(self):
            self._give_up(self._listener.on_revoke)
            group.join(self)
        if group.stable and self._generation != group.generation:
            self._generation = group.generation
            partitions = group.assignment(self)
            for partition in partitions:
                position = group.committed.get(partition)
                self._positions[partition] = position.offset if position else self._kafka.log(partition).first
            if partitions:
                self._listener.on_assign(partitions)

    def _give_up(self, tell: Callable[[Sequence[Partition]], None]) -> None:
        if self._positions:
            tell(sorted(self._positions))
        self._positions.clear()
        self._paused.clear()

    def _fetch(self, max_records: int) -> list[Record]:
        """One partition's records after the other's, beginning with another partition at each poll."""
        taken: list[Record] = []
        held = sorted(self._positions.keys() - self._paused)
        self._turn += 1
        start = self._turn % (len(held) or 1)
        for partition in held[start:] + held[:start]:
            log = self._kafka.log(partition)
            position = self._positions[partition]
            if position < log.first:
                self.skipped[partition] = self.skipped.get(partition, 0) + log.first - position
                position = log.first
            records = log.records[position - log.first :][: max_records - len(taken)]
            self._positions[partition] = position + len(records)
            taken += records
        return taken

    def pause(self, partitions: Iterable[Partition]) -> None:
        self._paused |= self._held(partitions)

    def resume(self, partitions: Iterable[Partition]) -> None:
        self._paused -= self._held(partitions)

    def seek(self, partition: Partition, offset: int) -> None:
        self._held([partition])
        self._positions[partition] = offset

    def commit(self, positions: Mapping[Partition, Position]) -> None:
        self._kafka.require_up()
        group = self._kafka.group(self.group)
        left_behind = self._generation != group.generation or (not group.stable and group.has_joined(self))
        if not group.has(self) or left_behind or not positions.keys() <= self._positions.keys():
            raise CommitRefused("the group has moved on")
        group.committed.update(positions)

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, Position | None]:
        self._kafka.require_up()
        group = self._kafka.group(self.group)
        return {partition: group.committed.get(partition) for partition in partitions}

    def bounds(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        self._kafka.require_up()
        logs = {partition: self._kafka.log(partition) for partition in partitions}
        return {partition: (log.first, log.end) for partition, log in logs.items()}

    def offsets_at(self, partitions: Iterable[Partition], timestamp_ms: int) -> dict[Partition, int]:
        self._kafka.require_up()
        return {partition: self._offset_at(self._kafka.log(partition), timestamp_ms) for partition in partitions}

    @staticmethod
    def _offset_at(log: _Log, timestamp_ms: int) -> int:
        return next((record.offset for record in log.records if record.timestamp_ms >= timestamp_ms), log.end)

    def close(self) -> None:
        """Leaves the group; the listener is not told."""
        if not self._closed:
            self._closed = True
            self._kafka.group(self.group).remove(self)

    def _held(self, partitions: Iterable[Partition]) -> set[Partition]:
        """A program that touches what it does not hold is wrong, and here it learns so."""
        partitions = set(partitions)
        if strangers := partitions - self._positions.keys():
            raise ValueError(f"not held by this member: {sorted(strangers)}")
        return partitions


class MemorySink:
    """A producer. What is sent reaches the log at the next `serve` or `flush`."""

    def __init__(self, kafka: MemoryKafka, capacity: int) -> None:
        self._kafka = kafka
        self._capacity = capacity
        self._queue: list[tuple[OutRecord, Callable[[str | None], None] | None]] = []

    def send(self, record: OutRecord, done: Callable[[str | None], None] | None = None) -> None:
        if len(record.key or b"") + len(record.value or b"") > MAX_RECORD_BYTES:
            raise ValueError(f"a record for {record.topic} is larger than {MAX_RECORD_BYTES} bytes")
        self._kafka.partition_of(record)
        if len(self._queue) >= self._capacity:
            raise RetryLater(RETRY_MS, f"{len(self._queue)} records wait to be written")
        self._queue.append((record, done))

    def send_all(self, records: Sequence[OutRecord]) -> int:
        return send_each(self, records)

    def serve(self) -> None:
        if self._kafka.up:
            queue, self._queue = self._queue, []
            for record, done in queue:
                self._kafka.append(record)
                if done:
                    done(None)

    def flush(self, timeout_ms: int) -> None:
        self.serve()
        if self._queue:
            queue, self._queue = self._queue, []
            for _, done in queue:
                if done:
                    done("Kafka is away")
            raise RetryLater(RETRY_MS, f"{len(queue)} records were not acknowledged")

    def close(self) -> None:
        self._queue.clear()


class MemoryTable:
    """A compacted topic as a table: the latest of every key at first, then what has changed.

    `slow`: what is new is seen only by who asks for all up to now, as with a consumer that has not fetched it yet.
    """

    def __init__(self, kafka: MemoryKafka, topic: str, *, slow: bool = False) -> None:
        self._kafka = kafka
        self._topic = topic
        self._slow, self._begun = slow, False
        self._read: dict[int, int] = {}

    def changes(self, *, up_to_now: bool = False) -> list[tuple[bytes, bytes | None]]:
        self._kafka.require_up()
        changed: dict[bytes, bytes | None] = {}
        if self._slow and self._begun and not up_to_now:
            return []
        self._begun = True
        for record in self._kafka.records(self._topic):
            if record.key is not None and record.offset >= self._read.get(record.partition, 0):
                self._read[record.partition] = record.offset + 1
                changed.pop(record.key, None)
                changed[record.key] = record.value
        return list(changed.items())

    def close(self) -> None:
        pass


_LINE = re.compile(r"(?P<series>(?:\\.|[^\\ ])+) (?P<fields>(?:\"(?:\\.|[^\"\\])*\"|\\.|[^\\ \"])+) (?P<time>-?\d+)\Z")
_FIELD = re.compile(r"(?P<name>(?:\\.|[^\\,= ])+)=(?P<value>\"(?:\\.|[^\"\\])*\"|[^,]+)(?:,|\Z)")
_TYPES = {
    "float": re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\Z"),
    "integer": re.compile(r"[-+]?\d+i\Z"),
    "unsigned": re.compile(r"\d+u\Z"),
    "string": re.compile(r"\".*\"\Z", re.DOTALL),
    "boolean": re.compile(r"(t|T|true|True|TRUE|f|F|false|False|FALSE)\Z"),
}


class MemoryPointWriter:
    """Keeps points as InfluxDB does: the same series and time overwrite each other field by field.

    A field's type is fixed by the first point of its measurement. `retry_next` is raised by the next writes, one each.
    """

    def __init__(self, *buckets: str) -> None:
        self.up = True
        self.retry_next: list[RetryLater] = []
        self.writes = 0
        self._points: dict[str, dict[tuple[str, int], dict[str, str]]] = {bucket: {} for bucket in buckets}
        self._types: dict[tuple[str, str, str], str] = {}

    def create(self, bucket: str) -> None:
        self._points[bucket] = {}

    def write(self, bucket: str, lines: Sequence[str]) -> list[Refusal]:
        if not self.up:
            raise RetryLater(RETRY_MS, "InfluxDB is away")
        if bucket not in self._points:
            raise RetryLater(RETRY_MS, f"there is no bucket {bucket!r}")
        if self.retry_next:
            raise self.retry_next.pop(0)
        self.writes += 1
        refusals = []
        for index, line in enumerate(lines):
            if why := self._store(bucket, line):
                refusals.append(Refusal(index, why))
        return refusals

    def _store(self, bucket: str, line: str) -> str | None:
        match = _LINE.match(line)
        if not match:
            return f"unable to parse {line[:80]!r}"
        fields = {found["name"]: found["value"] for found in _FIELD.finditer(match["fields"])}
        measurement = re.split(r"(?<!\\),", match["series"])[0]
        types = {}
        for name, value in fields.items():
            kind = next((kind for kind, pattern in _TYPES.items() if pattern.match(value)), None)
            if kind is None:
                return f"unable to parse field {name}={value[:40]}"
            known = self._types.get((bucket, measurement, name), kind)
            if known != kind:
                return f"field type conflict: {name} on {measurement} is {known}, not {kind}"
            types[bucket, measurement, name] = kind
        self._types |= types
        self._points[bucket].setdefault((match["series"], int(match["time"])), {}).update(fields)
        return None

    def points(self, bucket: str) -> dict[tuple[str, int], dict[str, str]]:
        """(measurement with tags, time) -> fields, all as they were written."""
        return self._points[bucket]

    def close(self) -> None:
        pass


def murmur2(data: bytes) -> int:
    """Kafka's hash of keys, so that the fake spreads them as the real ones do."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if rest := data[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15
