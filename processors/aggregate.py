"""The aggregate role: readings -> minutes -> quarters -> hours -> days, by device and by zone. What each does is in windows/."""

from collections.abc import Mapping

from processors.task import Task
from processors.windows.calendar import Calendar
from processors.windows.keeper import Place
from processors.windows.level import LADDERS, LevelTask
from processors.windows.minute import MinuteTask
from processors.windows.plan import Plan
from processors.windows.zone import ZoneTask
from schemas import topics
from schemas.aggregate import silence_ms
from schemas.device import Registry
from schemas.instants import MINUTE_MS
from schemas.kind import Stream
from schemas.ports import Partition, Position, Table
from schemas.streams import BY_NAME
from schemas.topics import MAX_FUTURE_MS


class AggregateTasks:
    """All levels of all streams, in one consumer group. `partitions` is how many those of readings and windows have.

    The topics named in `writes` must exist: those of windows with as many partitions as readings, those of zones with one.
    """

    def __init__(self, table: Table, time_zone: str, partitions: int, streams: Mapping[str, Stream] = BY_NAME) -> None:
        self._table = table
        self._streams = streams
        self._calendar = Calendar(time_zone)
        self._partitions = partitions
        self._registry = Registry()
        self._ladders = {topics.aggregate(ladder.below, name): ladder for ladder in LADDERS for name in streams}
        self._zones = {topics.zone_part(name) for name in streams}
        self.topics = [*map(topics.reading, streams), *self._ladders, *sorted(self._zones)]
        self.problems: list[str] = []

    def refresh(self) -> None:
        for key, value in self._table.changes():
            problem = self._registry.apply(key.decode(errors="replace"), value)
            if problem:
                self.problems.append(problem)

    def memory_ms(self, partition: Partition) -> int:
        """Of readings, as far back as the value before a window that is still open may lie. Windows hold what they need."""
        if partition.topic in self._ladders or partition.topic in self._zones:
            return 0
        self.refresh()
        stream = self._streams[topics.stream_of(partition.topic)]
        longest = self._longest_silence(stream)
        return longest + stream.lateness_ms + MINUTE_MS + MAX_FUTURE_MS if longest else 0

    def _longest_silence(self, stream: Stream) -> int:
        """Of the devices that have anything to be remembered."""
        kinds = {kind.name: kind.interval_s for kind in stream.kinds if Plan(kind).remembered}
        intervals = [device.interval_s for device in self._registry if device.stream == stream.name and device.kind in kinds]
        return max((silence_ms(interval * 1_000) for interval in [*kinds.values(), *intervals]), default=0)

    def start(self, partition: Partition, position: Position) -> Task:
        topic, number = partition
        stream = self._streams[topics.stream_of(topic)]
        place = Place(number, self._partitions)
        if topic in self._ladders:
            return LevelTask(self._ladders[topic], stream, self._calendar, place, position)
        if topic in self._zones:
            return ZoneTask(stream, self._registry, position)
        return MinuteTask(stream, self._registry, place, position)
