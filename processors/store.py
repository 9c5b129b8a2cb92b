"""The store role: readings, windows and alerts -> points. Without memory; what is written twice overwrites itself."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from processors.orders.points import order_lines
from processors.points import line_maker
from processors.rules.points import alert_lines
from processors.task import Output, new_point
from processors.windows.points import WindowLines
from schemas import topics
from schemas.aggregate import LEVELS
from schemas.dead import DeadLetter, to_record
from schemas.fields import AGGREGATES, ALERTS, READINGS
from schemas.kind import Stream
from schemas.ports import Partition, Position, Record
from schemas.reason import Reason
from schemas.streams import BY_NAME
from schemas.workorder import WORKORDER


class Writing(NamedTuple):
    """What becomes of one topic. `lines` raises ValueError, KeyError or TypeError for a record that is none of it."""

    stream: str
    bucket: str
    lines: Callable[[bytes], Sequence[str]]
    counted: str  # the name that its points are counted by


class StoreTask:
    """One partition of one topic."""

    def __init__(self, writing: Writing, position: Position) -> None:
        self._writing = writing
        self._position = position

    def position(self) -> Position:
        return self._position

    def warm(self, records: Sequence[Record]) -> None:
        """Nothing to remember."""

    def feed(self, records: Sequence[Record]) -> Output:
        stream, bucket, lines, counted = self._writing
        out = Output()
        append = out.points.append
        clock_ms = self._position.clock_ms
        for record in records:
            _, _, _, key, value, _, timestamp_ms = record
            if timestamp_ms > clock_ms:  # noqa: PLR1730 - for each record, and max() costs four times as much
                clock_ms = timestamp_ms
            if key is None:
                continue
            try:
                for text in lines(value or b""):
                    append(new_point((bucket, text, record)))
            except (ValueError, KeyError, TypeError) as error:  # not written by us; never let it hold up the rest
                out.records.append(to_record(refused(record, Reason.NOT_JSON, f"not for {bucket}: {error!r}")))
                out.counts["dead", stream, Reason.NOT_JSON.value] += 1
        if records:
            self._position = Position(records[-1].offset + 1, clock_ms)
        out.counts[counted, stream, ""] = len(out.points)
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


def _reading_lines(stream: Stream) -> Callable[[bytes], Sequence[str]]:
    make = line_maker(stream)
    return lambda value: (make(value),)


class StoreTasks:
    """Stores what all streams have."""

    def __init__(self, streams: Mapping[str, Stream] = BY_NAME) -> None:
        self._writings: dict[str, Writing] = {}
        for name, stream in streams.items():
            self._writings[topics.reading(name)] = Writing(name, READINGS, _reading_lines(stream), "points")
            windows = Writing(name, AGGREGATES, WindowLines(stream), "window_points")
            for topic in (*(topics.aggregate(level, name) for level in LEVELS), topics.zone(name)):
                self._writings[topic] = windows
        self._writings[topics.ALERT] = Writing("", ALERTS, alert_lines, "alert_points")
        self._writings[WORKORDER] = Writing("", ALERTS, order_lines, "order_points")
        self.topics = [*self._writings]

    def refresh(self, *, up_to_now: bool = False) -> None:
        """Nothing is looked up."""

    def memory_ms(self, partition: Partition) -> int:  # noqa: ARG002
        return 0

    def start(self, partition: Partition, position: Position) -> StoreTask:
        return StoreTask(self._writings[partition.topic], position)
