"""The aggregate role: readings -> minutes and quarters -> hours -> days, by device and by zone. See docs/windows.md."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from processors.lookup import follow
from processors.task import Task
from processors.windows.book import Place
from processors.windows.calendar import Calendar
from processors.windows.level import LADDERS, LevelTask
from processors.windows.minute import QUARTER_MS, MinuteTask
from processors.windows.plan import Plan
from processors.windows.roster import Roster
from processors.windows.zone import ZoneTask
from schemas import topics
from schemas.aggregate import silence_ms
from schemas.instants import SECOND_MS
from schemas.kind import Stream
from schemas.ports import Partition, Position, Record, Table
from schemas.streams import BY_NAME
from schemas.topics import MAX_FUTURE_MS

GROUP = "hanan-aggregate"


def read_of(stream: str) -> list[str]:
    """The topics of a stream that the role reads."""
    below = [topics.aggregate(ladder.below, stream) for ladder in LADDERS]
    return [topics.reading(stream), *below, topics.zone_part(stream)]


class History(Protocol):
    """Reading a partition again without a group."""

    def since(self, partition: Partition, from_ms: int) -> Iterable[Record]:
        """What it holds from the first record of that time on to its present end. RetryLater when Kafka does not answer."""
        ...


class AggregateTasks:
    """All levels of all streams, in one consumer group. `partitions` is how many those of readings and windows have."""

    def __init__(
        self,
        table: Table,
        history: History,
        time_zone: str,
        partitions: int,
        streams: Mapping[str, Stream] = BY_NAME,
    ) -> None:
        self._table, self._history = table, history
        self._streams = streams
        self._calendar = Calendar(time_zone)
        self._partitions = partitions
        self._roster = Roster()
        self._ladders = {topics.aggregate(ladder.below, name): ladder for ladder in LADDERS for name in streams}
        self._zones = {topics.zone_part(name) for name in streams}
        self.topics = [topic for name in streams for topic in read_of(name)]

    def refresh(self, *, up_to_now: bool = False) -> None:
        follow(self._table, self._roster.apply, up_to_now=up_to_now)

    def memory_ms(self, partition: Partition) -> int:  # noqa: ARG002
        """Nothing is warmed: minutes have their journal, and windows hold what those above them need."""
        return 0

    def start(self, partition: Partition, position: Position) -> Task:
        topic, number = partition
        stream = self._streams[topics.stream_of(topic)]
        place = Place(number, self._partitions)
        if topic in self._ladders:
            return LevelTask(self._ladders[topic], stream, self._calendar, place, position)
        if topic in self._zones:
            return ZoneTask(stream, self._roster, position)
        return MinuteTask(stream, self._roster, place, position, self._journal(stream, number, position.clock_ms))

    def _journal(self, stream: Stream, number: int, clock_ms: int) -> Iterable[Record]:
        """As far back as a reading may lie that an open quarter, or what it must know of the time before it, is made of."""
        span_ms = stream.lateness_ms + QUARTER_MS + self._longest_silence(stream) + MAX_FUTURE_MS + SECOND_MS
        return self._history.since(Partition(topics.rows(stream.name), number), clock_ms - span_ms) if clock_ms else ()

    def _longest_silence(self, stream: Stream) -> int:
        """Of the devices of which anything must be remembered."""
        kinds = {kind.name: kind.interval_s * 1_000 for kind in stream.kinds if Plan(kind).remembered}
        posts = {post for post in self._roster.posts() if post.stream == stream.name and post.kind in kinds}
        intervals = [*kinds.values(), *(post.interval_ms for post in posts)]
        return max((silence_ms(interval) for interval in intervals), default=0)
