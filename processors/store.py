"""The store role: readings -> points. Without memory; what is written twice overwrites itself."""

from collections.abc import Sequence

from processors.points import line
from processors.task import Output, new_point
from schemas import topics
from schemas.codec import decode_reading
from schemas.dead import DeadLetter, to_record
from schemas.ports import Partition, Position, Record
from schemas.reason import Reason
from schemas.streams import BY_NAME

READINGS = "readings"


class StoreTask:
    """One partition of one reading topic."""

    def __init__(self, stream: str, position: Position) -> None:
        self._stream = stream
        self._position = position

    def position(self) -> Position:
        return self._position

    def warm(self, records: Sequence[Record]) -> None:
        """Nothing to remember."""

    def feed(self, records: Sequence[Record]) -> Output:
        out = Output()
        stream, append = self._stream, out.points.append
        clock_ms = self._position.clock_ms
        for record in records:
            _, _, _, key, value, _, timestamp_ms = record
            if timestamp_ms > clock_ms:  # noqa: PLR1730 - for each record, and max() costs four times as much
                clock_ms = timestamp_ms
            if key is None:
                continue
            try:
                append(new_point((READINGS, line(decode_reading(stream, value or b"")), record)))
            except (ValueError, KeyError, TypeError) as error:  # not written by validate; never let it hold up the rest
                out.records.append(to_record(refused(record, Reason.NOT_JSON, f"not a reading: {error!r}")))
                out.counts["dead", self._stream, Reason.NOT_JSON.value] += 1
        if records:
            self._position = Position(records[-1].offset + 1, clock_ms)
        out.counts["points", self._stream, ""] = len(out.points)
        return out


def refused(record: Record, reason: Reason, detail: str) -> DeadLetter:
    """The dead letter of a record that reached the store role and no further."""
    return DeadLetter(
        reason,
        detail[:500],
        "store",
        record.value or b"",
        "",
        record.timestamp_ms,
        stream=topics.stream_of(record.topic),
        device_id=(record.key or b"").decode(errors="replace"),
        origin=f"{record.topic}/{record.partition}@{record.offset}",
    )


class StoreTasks:
    """Stores the readings of all streams."""

    def __init__(self) -> None:
        self.topics = [topics.reading(name) for name in BY_NAME]

    def refresh(self) -> None:
        """Nothing is looked up."""

    def memory_ms(self, partition: Partition) -> int:  # noqa: ARG002
        return 0

    def start(self, partition: Partition, position: Position) -> StoreTask:
        return StoreTask(topics.stream_of(partition.topic), position)
