"""The alert role in one piece without Kafka: readings in, alerts out, at once. For the rules' own tests and for judging packs."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from processors.rules.board import Board
from processors.rules.counting import CountTask
from processors.rules.grouping import GroupTask
from processors.rules.load import Book
from processors.rules.seasons import CityClock
from processors.rules.watching import AlertTask, Plans
from processors.rules.windowed import LEVELS_MS, WindowTask
from schemas import aggregate, codec, topics
from schemas import alert as alerts
from schemas.aggregate import Window
from schemas.alert import GROUP, Alert, Command
from schemas.device import Device, Registry, encode
from schemas.ports import OutRecord, Position, Record
from schemas.reading import Reading
from schemas.streams import BY_NAME


class World:
    """`changes` are all alerts as they were written, in order."""

    def __init__(self, book: Book, devices: Iterable[Device], time_zone: str = "Asia/Shanghai") -> None:
        self.registry = Registry()
        for device in devices:
            self.registry.apply(device.device_id, encode(device))
        self.board = Board()
        self.plans = Plans(book, CityClock(time_zone))
        self.board.take_book(book)
        streams = {device.stream for device in self.registry}
        self.tasks = {
            name: AlertTask(BY_NAME[name], self.plans, self.registry, self.board, (0, 1), Position(0)) for name in streams
        }
        self._over = {
            (level, name): WindowTask(BY_NAME[name], level, self.plans, self.registry, self.board, 0, Position(0))
            for level in LEVELS_MS
            for name in streams
        }
        self.group = GroupTask(self.plans, self.registry, self.board, 0, Position(0))
        self.count = CountTask(self.plans, self.registry, self.board, Position(0))
        self._offsets: dict[str, int] = defaultdict(int)
        self.changes: list[Alert] = []

    def take(self, book: Book) -> None:
        """Other rules from now on."""
        self.plans.take(book)
        self.board.take_book(book)

    def read(self, stream: str, batch: Sequence[Reading | int], headers: tuple[tuple[str, bytes], ...] = ()) -> None:
        """Readings and, as plain numbers, ticks, in the order in which they were received."""
        topic = topics.reading(stream)
        records = []
        for each in batch:
            if isinstance(each, int):
                records.append(self._record(topic, None, b"", (), each))
            else:
                key, value = each.device_id.encode(), codec.encode_reading(each)
                records.append(self._record(topic, key, value, headers, each.received_at_ms))
        if records:
            self._pass_on(self.tasks[stream].feed(records).records)

    def carry(self, stream: str, made: Sequence[OutRecord]) -> None:
        """Records of `reading.<stream>` as validate made them."""
        records = [self._record(out.topic, out.key, out.value, out.headers, out.timestamp_ms) for out in made]
        if records:
            self._pass_on(self.tasks[stream].feed(records).records)

    def windows(self, level: str, stream: str, windows: Sequence[Window], now_ms: int) -> None:
        """Windows of devices, as the aggregate role writes them at that time, and the tick behind them."""
        topic = topics.aggregate(level, stream)
        records = [
            self._record(topic, level.encode(), aggregate.encode(level, windows), (), now_ms),
            self._record(topic, None, b"", (), now_ms),
        ]
        self._pass_on(self._over[level, stream].feed(records).records)

    def tick(self, now_ms: int) -> None:
        for stream in self.tasks:
            self.read(stream, [now_ms])

    def command(self, command: Command) -> None:
        self.board.take_command(command.key.encode(), alerts.encode_command(command))

    def _record(self, topic: str, key: bytes | None, value: bytes | None, headers: object, at_ms: int) -> Record:
        offset = self._offsets[topic]
        self._offsets[topic] += 1
        return Record(topic, 0, offset, key, value, headers, at_ms)  # type: ignore[arg-type]

    def _pass_on(self, made: Sequence[OutRecord]) -> None:
        while made:
            group: list[Record] = []
            own: list[Record] = []
            for out in made:
                record = self._record(out.topic, out.key, out.value, out.headers, out.timestamp_ms)
                (group if out.topic == GROUP else own).append(record)
                if out.topic == topics.ALERT and out.key is not None:
                    alert = self.board.take_alert(out.key, out.value)
                    if alert is not None:
                        self.changes.append(alert)
                    elif out.value is None:
                        rule, _, subject = out.key.decode().partition("/")
                        self.changes.append(Alert(rule, subject, at_ms=out.timestamp_ms))
            made = []
            if own:
                made += self.count.feed(own).records
            if group:
                made += self.group.feed(group).records
