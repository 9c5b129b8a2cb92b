"""The alert role: readings and alerts in, alerts out. What a rule means is in rules/; here is how it lives in partitions.

Four tasks share the work. Readings are judged where they are, device by device. A rule that compares a device with its site,
zone or district needs readings of several partitions: these go once more through the topic `alert-group`, keyed by the group,
and are judged there. A rule over windows reads those of the aggregate role. A rule that counts devices under another rule (a
gateway is down when all behind it are silent) reads the alerts.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

from processors.lookup import follow
from processors.rules.board import Board
from processors.rules.counting import CountTask
from processors.rules.grouping import GroupTask
from processors.rules.load import Book
from processors.rules.plan import KindPlan
from processors.rules.seasons import CityClock
from processors.rules.watching import AlertTask, Plans
from processors.rules.windowed import WindowTask, memory_ms
from processors.task import Task
from schemas import topics
from schemas.alert import GROUP
from schemas.device import Registry
from schemas.instants import MINUTE_MS
from schemas.ports import Partition, Position, Table
from schemas.streams import BY_NAME

log = structlog.get_logger()


class Books(Protocol):
    """Where the rules come from; asked before each batch, and must answer at once."""

    def current(self) -> Book: ...


class FixedBook:
    def __init__(self, book: Book) -> None:
        self._book = book

    def current(self) -> Book:
        return self._book


class AlertTasks:
    """The alerts of all streams. `partitions` is how many the topics of readings have."""

    def __init__(
        self, books: Books, devices: Table, alerts: Table, commands: Table, time_zone: str, partitions: int,
        streams: Iterable[str] = tuple(BY_NAME), levels: Iterable[str] = (),
    ) -> None:  # fmt: skip
        """`levels`: of which windows there are topics, for rules over windows (15m, 1h)."""
        self._books, self._devices, self._alerts, self._commands = books, devices, alerts, commands
        self._clock = CityClock(time_zone)
        self._partitions = partitions
        self._registry = Registry()
        self._board = Board()
        self._plans = Plans(books.current(), self._clock)
        self._board.take_book(self._plans.book)
        self._levels = {topics.aggregate(level, name): level for level in levels for name in streams}
        self.topics = [*map(topics.reading, streams), *self._levels, GROUP, topics.ALERT]

    def refresh(self, *, up_to_now: bool = False) -> None:
        follow(self._devices, self._registry.apply, up_to_now=up_to_now)
        book = self._books.current()
        if book is not self._plans.book:
            self._plans.take(book)
            self._board.take_book(book)
        for key, value in self._alerts.changes(up_to_now=up_to_now):
            self._board.take_alert(key, value)
        for key, value in self._commands.changes(up_to_now=up_to_now):
            self._board.take_command(key, value)
        for problem in self._board.problems:
            log.warning("alert_unreadable", why=problem)
        self._board.problems.clear()

    def memory_ms(self, partition: Partition) -> int:
        """As far back as any rule for a device of that stream looks."""
        if partition.topic == topics.ALERT:
            return 0
        stream = topics.stream_of(partition.topic)
        level = self._levels.get(partition.topic)
        if level:
            return memory_ms(level, BY_NAME[stream])
        wanted = {(device.stream, device.kind, device.interval_s) for device in self._registry if stream in ("", device.stream)}
        choose: Callable[[str, str], KindPlan | None] = self._plans.watched if stream else self._plans.compared
        spans = [plan.memory_ms(interval * 1_000) for of, kind, interval in wanted if (plan := choose(of, kind))]
        return max(spans, default=0) + MINUTE_MS if any(spans) else 0

    def start(self, partition: Partition, position: Position) -> Task:
        if partition.topic == topics.ALERT:
            return CountTask(self._plans, self._registry, self._board, position)
        if partition.topic == GROUP:
            return GroupTask(self._plans, self._registry, self._board, partition.number, position)
        stream = BY_NAME[topics.stream_of(partition.topic)]
        level = self._levels.get(partition.topic)
        if level:
            return WindowTask(stream, level, self._plans, self._registry, self._board, partition.number, position)
        share, memory_ms = (partition.number, self._partitions), self.memory_ms(partition)
        return AlertTask(stream, self._plans, self._registry, self._board, share, position, memory_ms)


__all__ = ["AlertTask", "AlertTasks", "Books", "CountTask", "FixedBook", "GroupTask", "WindowTask"]
