"""The simulated city through the real cores of all roles, in this process: messages in, line protocol out. No server, no waiting.

A topic has one partition here, and a tick every ten seconds of simulated time; everything else is as in a deployment.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from deploy.demo.city.city import City
from deploy.demo.city.district import District, StormPart, load_district
from deploy.demo.city.plan import plan_city
from deploy.registry_points import points as registry_points
from processors.aggregate import AggregateTasks
from processors.alert import AlertTasks, FixedBook
from processors.city.role import CityTasks
from processors.rules.load import load_book
from processors.store import StoreTasks
from processors.task import Task, Tasks
from processors.validate import ValidateTasks
from schemas import topics
from schemas.alert import COMMAND
from schemas.device import Device, encode
from schemas.instants import DAY_MS, MINUTE_MS, SECOND_MS
from schemas.ports import OutRecord, Partition, Position, Record
from schemas.raw import key_of
from schemas.streams import BY_NAME

Lines = Iterator[tuple[str, str]]  # bucket and line
_TIME_ZONE = "Asia/Shanghai"
_RETENTION_DAYS = 30


class Order(NamedTuple):
    """Which days are meant. `intervals_s` are of kinds, `stream/kind`, for those that shall report less often."""

    start_ms: int
    days: float
    faults: int = 0
    seed: int = 1
    locks: int = 0  # bicycles whose locks report
    intervals_s: dict[str, int] = {}  # noqa: RUF012  # nobody changes it
    storms: tuple[StormPart, ...] = ()  # besides those of the district, so that there is something to see

    @property
    def end_ms(self) -> int:
        return self.start_ms + round(self.days * DAY_MS)


def district(order: Order) -> District:
    place = load_district()
    bike = place.bike.model_copy(update={"reporting_bikes": order.locks})
    weather = place.weather.model_copy(update={"storms": (*place.weather.storms, *order.storms)})
    return place.model_copy(update={"bike": bike, "weather": weather, "intervals_s": {**place.intervals_s, **order.intervals_s}})


def devices_of(order: Order) -> tuple[Device, ...]:
    return tuple(plan_city(district(order)).devices)


def lines(order: Order, each_minute: Callable[[int, Counter[str]], None] = lambda *_: None) -> Lines:
    """What InfluxDB would hold after these days. `each_minute` is told the time, and how many records each topic has had."""
    place = district(order)
    with closing(City(place, order.seed, order.start_ms, plan=plan_city(place))) as city:
        city.draw_faults(order.faults, order.days)
        for device in city.devices:
            yield from (("ops", line) for line in registry_points(device, order.start_ms))
        bus = Bus(city.devices)
        for at_ms, minute in zip(range(order.start_ms, order.end_ms, MINUTE_MS), city.minutes(order.end_ms), strict=False):
            yield from bus.take(raw_records(minute, at_ms))
            each_minute(at_ms, bus.written)


def raw_records(minute: Sequence[Any], minute_ms: int) -> list[OutRecord]:
    """What collectors make of a minute: messages in order, and ticks in every topic."""
    events = [(message.at_ms, _record(message)) for message in minute]
    for at_ms in range(minute_ms, minute_ms + MINUTE_MS, 10 * SECOND_MS):
        events += [(at_ms, OutRecord(topics.raw(name), None, b"", (), at_ms, 0)) for name in BY_NAME]
    return [record for _, record in sorted(events, key=lambda event: event[0])]


def _record(message: Any) -> OutRecord:
    topic: topics.MqttTopic = message.topic
    return OutRecord(topics.raw(topic.stream), key_of(str(topic), "c1"), message.payload, (), message.at_ms, 0)


class Bus:
    """Kafka and all roles: what one writes the others read, until nothing is left."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self.written: Counter[str] = Counter()
        self._tables: dict[str, list[_Table]] = defaultdict(list)
        known: list[tuple[bytes, bytes | None]] = [(device.device_id.encode(), encode(device)) for device in devices]
        self._roles: list[Tasks] = [
            ValidateTasks(_Table(known), _RETENTION_DAYS),
            AggregateTasks(_Table(known), _NoHistory(), _TIME_ZONE, 1),
            CityTasks(_Table(known), self._table, _TIME_ZONE, 1),
            StoreTasks(),
            AlertTasks(FixedBook(load_book()), _Table(known), self._table(topics.ALERT), self._table(COMMAND), _TIME_ZONE, 1),
        ]
        self._readers: dict[str, list[Task]] = defaultdict(list)
        for role in self._roles:
            role.refresh()
            for topic in role.topics:
                self._readers[topic].append(role.start(Partition(topic, 0), Position(0)))

    def take(self, records: Sequence[OutRecord]) -> Lines:
        waiting = list(records)
        while waiting:
            by_topic: dict[str, list[Record]] = defaultdict(list)
            for out in waiting:
                by_topic[out.topic].append(self._stored(out))
            waiting = []
            for role in self._roles:
                role.refresh()
            for topic, batch in by_topic.items():
                for reader in self._readers.get(topic, ()):
                    output = reader.feed(batch)
                    waiting += output.records
                    yield from ((point.bucket, point.line) for point in output.points)

    def _stored(self, out: OutRecord) -> Record:
        offset = self.written[out.topic]
        self.written[out.topic] += 1
        for table in self._tables.get(out.topic, ()):
            if out.key is not None:
                table.waiting.append((out.key, out.value))
        return Record(out.topic, 0, offset, out.key, out.value, tuple(out.headers), out.timestamp_ms)

    def _table(self, topic: str) -> "_Table":
        table = _Table([])
        self._tables[topic].append(table)
        return table


class _Table:
    """A compacted topic, as a role follows it."""

    def __init__(self, waiting: list[tuple[bytes, bytes | None]]) -> None:
        self.waiting = list(waiting)

    def changes(self, *, up_to_now: bool = False) -> list[tuple[bytes, bytes | None]]:  # it always is
        given, self.waiting = self.waiting, []
        return given


class _NoHistory:
    def since(self, partition: Partition, from_ms: int) -> list[Record]:
        return []
