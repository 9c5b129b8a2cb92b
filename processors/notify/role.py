"""The notify role: one of its processes is on duty, the one that the group gives the topic of alerts to.

It commits nothing: what is so and what was told are in two compacted topics, and whoever comes on duty reads both. Each turn:
look at what has changed, hand over what is due, write down what was handed over. A death between the last two tells one message
twice.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from processors.notify.desk import Desk, Notice
from processors.notify.texts import Text, message, webhook_body
from processors.rules.load import Book
from schemas import alert as alerts
from schemas import topics
from schemas.alert import CLOCK_KEY, DELIVERY
from schemas.ports import Clock, Meter, OutRecord, Partition, RecordSink, RecordSource, Table

log = structlog.get_logger()
_POLL_MS = 100
_TIDY_TURNS = 600


class Messenger(Protocol):
    """How a message leaves the house."""

    def hand_over(self, to: str, text: Text, bodies: Sequence[dict[str, object]], severity: str) -> str:
        """Why it was not taken; nothing when it was."""
        ...


class NotifyRole:
    def __init__(
        self,
        source: RecordSource,
        sink: RecordSink,
        tables: tuple[Table, Table],
        desk: Desk,
        messenger: Messenger,
        *,
        book: Book,
        clock: Clock,
        meter: Meter,
        time_zone: str,
    ) -> None:
        self._source, self._sink, self._desk, self._messenger = source, sink, desk, messenger
        self._alerts, self._deliveries = tables
        self._rules, self._clock, self._meter, self._time_zone = book.rules, clock, meter, time_zone
        self._on_duty = False
        self._turns = 0
        source.subscribe([topics.ALERT], self)

    def on_assign(self, partitions: Sequence[Partition]) -> None:
        self._on_duty = self._on_duty or any(partition.number == 0 for partition in partitions)

    def on_revoke(self, partitions: Sequence[Partition]) -> None:
        self._on_duty = self._on_duty and all(partition.number for partition in partitions)

    on_lost = on_revoke

    def run(self, stop: Callable[[], bool]) -> None:
        try:
            while not stop():
                self.step()
        finally:
            self._source.close()
            self._sink.close()

    def step(self) -> None:
        self._source.poll(1_000, _POLL_MS)  # to stay in the group, and to wake when something comes
        self._look()
        if not self._on_duty:
            return
        now_ms = self._clock.now_ms()
        for notice in self._desk.due(now_ms):
            self._tell(notice, now_ms)
        self._turns += 1
        if self._turns % _TIDY_TURNS == 0:
            for key in self._desk.outdated():
                self._sink.send(OutRecord(DELIVERY, key.encode(), None, partition=0))
        self._sink.flush(10_000)

    def _look(self) -> None:
        for key, value in self._alerts.changes():
            if key == CLOCK_KEY:
                continue
            slot = key.decode(errors="replace")
            if value is None:
                self._desk.drop(slot)
                continue
            try:
                self._desk.take(alerts.decode(value))
            except (ValueError, KeyError, TypeError) as error:
                log.warning("alert_unreadable", slot=slot, why=repr(error))
        for key, value in self._deliveries.changes():
            self._desk.take_told(key.decode(errors="replace"), value)

    def _tell(self, notice: Notice, now_ms: int) -> None:
        known = [(alert, self._rules.get(alert.rule)) for alert in notice.alerts]
        bodies = [webhook_body(alert, rule, notice.route.name) for alert, rule in known]
        text = message(known, notice.route.language, self._time_zone)
        why = self._messenger.hand_over(notice.to, text, bodies, notice.alerts[0].severity.value)
        if why:
            wait_ms = self._desk.failed(notice, now_ms)
            self._meter.add("notices_failed", 1, route=notice.route.name)
            log.warning("notice_not_taken", route=notice.route.name, why=why, again_in_ms=wait_ms)
            return
        for key, value in self._desk.handed_over(notice, now_ms):
            self._sink.send(OutRecord(DELIVERY, key.encode(), value, partition=0))
        self._meter.add("notices", 1, route=notice.route.name)
        self._meter.observe("told_after_ms", [now_ms - max(a.at_ms for a in notice.alerts)], route=notice.route.name)
