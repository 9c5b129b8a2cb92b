"""The protocols between the core and the world. The shells in `*/io/` implement them, the tests do so in memory."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

Headers = Sequence[tuple[str, bytes]]


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds UTC of the deployment's time, which a setting may start elsewhere and run faster."""
        ...


class RetryLater(Exception):
    """The one way to say "not now": whoever raises it has taken nothing; ask again after `after_ms`."""

    def __init__(self, after_ms: int, why: str) -> None:
        super().__init__(f"{why}; again in {after_ms} ms")
        self.after_ms = after_ms
        self.why = why


class Partition(NamedTuple):
    topic: str
    number: int


class Record(NamedTuple):
    """A record as it was read. `key` is None for ticks, `value` None for a tombstone of a compacted topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int


new_record = partial(tuple.__new__, Record)  # for the hot path: a third of the price of the constructor


class OutRecord(NamedTuple):
    """A record to be written. Without `partition` the key's murmur2 hash chooses it, alike in both clients."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int = 0  # 0: the wall clock
    partition: int | None = None


new_out_record = partial(tuple.__new__, OutRecord)


class Position(NamedTuple):
    """What is committed for a partition: the next offset to read, and the partition's clock there (0 if unknown).

    `read` is how far it has been read, where that is further: a task may hold back records that it still needs.
    """

    offset: int
    clock_ms: int = 0
    read: int = 0

    @property
    def reached(self) -> int:
        """What lies behind it is lag."""
        return max(self.offset, self.read)


class Listener(Protocol):
    """Told of the group's decisions from inside `poll`; must be quick, since the group waits for it."""

    def on_assign(self, partitions: Sequence[Partition]) -> None: ...

    def on_revoke(self, partitions: Sequence[Partition]) -> None:
        """They may still be committed now."""
        ...

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        """Another member has them already: drop everything, commit nothing."""
        ...


class RecordSource(Protocol):
    """A member of a consumer group. Reads committed data from where the group left off; never commits by itself."""

    def subscribe(self, topics: Sequence[str], listener: Listener) -> None: ...

    def poll(self, max_records: int, timeout_ms: int) -> list[Record]:
        """At most so many records, in order within each partition; must be called often to stay in the group."""
        ...

    def pause(self, partitions: Iterable[Partition]) -> None: ...

    def resume(self, partitions: Iterable[Partition]) -> None: ...

    def seek(self, partition: Partition, offset: int) -> None: ...

    def commit(self, positions: Mapping[Partition, Position]) -> None:
        """Synchronous. RetryLater when the coordinator is away; a commit refused after a rebalance raises CommitRefused."""
        ...

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, Position | None]: ...

    def bounds(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        """The first retained offset and the one after the last."""
        ...

    def offsets_at(self, partitions: Iterable[Partition], timestamp_ms: int) -> dict[Partition, int]:
        """The first offset whose record is not older; the end offset where there is none."""
        ...

    def close(self) -> None: ...


class CommitRefused(Exception):
    """The group has moved on; whoever holds the partitions now will redo the work."""


class RecordSink(Protocol):
    """A producer with acks=all, idempotent."""

    def send(self, record: OutRecord, done: Callable[[str | None], None] | None = None) -> None:
        """Queues a record; RetryLater when the local queue is full. `done(error)` is called from `serve` or `flush`."""
        ...

    def send_all(self, records: Sequence[OutRecord]) -> int:
        """Queues them in order and says how many: fewer than all when the local queue is full.

        RetryLater when it took none, or when Kafka takes none; as after a failed `flush` they are all to be sent again.
        """
        ...

    def serve(self) -> None:
        """Calls what is due of `done`, without waiting."""
        ...

    def flush(self, timeout_ms: int) -> None:
        """Returns when all that was sent is safe. RetryLater when something was not acknowledged in time or failed."""
        ...

    def close(self) -> None: ...


def send_each(sink: RecordSink, records: Sequence[OutRecord]) -> int:
    """`send_all` for sinks that have no better way."""
    for number, record in enumerate(records):
        try:
            sink.send(record)
        except RetryLater:
            if not number:
                raise
            return number
    return len(records)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One line the database refused for good, by its place in the batch."""

    index: int
    why: str


class PointWriter(Protocol):
    def write(self, bucket: str, lines: Sequence[str]) -> list[Refusal]:
        """Stores all lines (millisecond or nanosecond times as the writer was made for) but the refused ones it names.

        RetryLater when nothing is known to be stored; the same batch may then be written again.
        """
        ...

    def close(self) -> None: ...


class Table(Protocol):
    """The current content of a compacted topic, read without a group."""

    def changes(self, *, up_to_now: bool = False) -> list[tuple[bytes, bytes | None]]:
        """Key and value of what is new since the last call; the first call returns the whole table.

        It does not wait: what was written a moment ago may come with the next call. With `up_to_now` it asks the broker
        for the table's end and waits for all before it; for who takes over from another and must know all that was written.
        """
        ...


class Meter(Protocol):
    """Where the loops say what they did, once a batch. Names and labels are few and known; never a device id."""

    def add(self, name: str, amount: int, **labels: str) -> None: ...

    def set(self, name: str, value: float, **labels: str) -> None: ...

    def observe(self, name: str, values_ms: Sequence[int], **labels: str) -> None: ...
