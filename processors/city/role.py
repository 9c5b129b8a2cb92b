"""The city role: windows of devices -> indicators of the four systems, by zone and for the district, and work orders.

See docs/city.md and docs/dispatcher.md.
"""

from collections.abc import Callable, Mapping

from processors.city.gather import GatherTask
from processors.city.measured import Sight, levels_of
from processors.city.spans import memory_ms
from processors.city.state import CityTask
from processors.lookup import follow
from processors.orders.task import WARM_MS, OrderTask
from processors.task import Task
from processors.windows.book import Place
from processors.windows.calendar import Calendar
from schemas import topics
from schemas.device import Registry
from schemas.indicator import Span
from schemas.kind import Stream
from schemas.ports import Partition, Position, Table
from schemas.streams import BY_NAME
from schemas.workorder import EVENT, WORKORDER


def topics_read(streams: Mapping[str, Stream]) -> tuple[str, ...]:
    """Of windows of devices."""
    return tuple(topics.aggregate(level, name) for name, stream in streams.items() for level in levels_of(stream))


class CityTasks:
    """Both halves and the orders, in one consumer group. `partitions` is how many the topics of windows have.

    registry  the `device` topic
    tables    opens a compacted topic, anew for each task: it must see what the holder before has written
    """

    def __init__(
        self,
        registry: Table,
        tables: Callable[[str], Table],
        time_zone: str,
        partitions: int,
        streams: Mapping[str, Stream] = BY_NAME,
    ) -> None:
        self._table, self._tables = registry, tables
        self._streams = {name: stream for name, stream in streams.items() if stream.amounts}
        self._calendar = Calendar(time_zone)
        self._partitions = partitions
        self._registry = Registry()
        self._levels = {
            topics.aggregate(level, name): level for name, stream in self._streams.items() for level in levels_of(stream)
        }
        self.topics = [*self._levels, *map(topics.city_part, self._streams), EVENT]

    def refresh(self, *, up_to_now: bool = False) -> None:
        follow(self._table, self._registry.apply, up_to_now=up_to_now)

    def memory_ms(self, partition: Partition) -> int:
        if partition.topic == EVENT:
            return WARM_MS
        stream = self._streams[topics.stream_of(partition.topic)]
        if partition.topic in self._levels:
            return self._sight(stream, partition.topic).memory_ms
        return memory_ms(stream)

    def start(self, partition: Partition, position: Position) -> Task:
        topic, number = partition
        if topic == EVENT:
            return OrderTask(self._registry, self._tables(WORKORDER).changes(up_to_now=True), position)
        stream = self._streams[topics.stream_of(topic)]
        if topic in self._levels:
            return GatherTask(stream, self._sight(stream, topic), self._calendar, Place(number, self._partitions), position)
        yearly = any(row.span is Span.YEAR for row in stream.indicators)
        days = self._tables(topics.city_day(stream.name)).changes(up_to_now=True) if yearly else ()
        return CityTask(stream, self._calendar, position, days)

    def _sight(self, stream: Stream, topic: str) -> Sight:
        return Sight(stream, self._levels[topic], self._calendar, self._registry)
