"""The notify role: one of its processes is on duty, the one that the group gives the topic of alerts to.

It commits nothing: what is so and what was told are in two compacted topics, and whoever comes on duty reads both. Each turn:
look at what has changed, hand over what is due, write down what was handed over. A death between the last two tells one message
twice. Each address has a thread of its own, so that one that hangs keeps nobody else waiting.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait
from typing import NamedTuple, Protocol

import structlog

from processors.alert import Books
from processors.notify.desk import Desk, Notice
from processors.notify.texts import Text, message, webhook_body
from processors.rules.load import Book
from processors.rules.model import Rule
from schemas import alert as alerts
from schemas import topics
from schemas.alert import CLOCK_KEY, DELIVERY
from schemas.ports import Clock, Meter, OutRecord, Partition, RecordSink, RecordSource, RetryLater, Table

log = structlog.get_logger()
_POLL_MS = 100
_TIDY_TURNS = 600
_LAST_WAIT_S = 15.0  # a message takes ten seconds at most
_FLUSH_MS = 10_000


class Messenger(Protocol):
    """How a message leaves the house. Called from several threads, one an address."""

    def hand_over(self, to: str, text: Text, bodies: Sequence[dict[str, object]], severity: str) -> str:
        """Why it was not taken; nothing when it was."""
        ...


class Errand(NamedTuple):
    """A notice in words."""

    notice: Notice
    text: Text
    bodies: list[dict[str, object]]


Errands = Future[list[tuple[Notice, str]]]


class NotifyRole:
    def __init__(
        self,
        source: RecordSource,
        sink: RecordSink,
        tables: tuple[Table, Table],
        desk: Desk,
        messenger: Messenger,
        *,
        executor: Executor,
        books: Books,
        clock: Clock,
        meter: Meter,
        monotonic_ms: Callable[[], int],
        time_zone: str,
    ) -> None:
        self._source, self._sink, self._desk, self._messenger = source, sink, desk, messenger
        self._alerts, self._deliveries = tables
        self._executor, self._books = executor, books
        self._clock, self._meter, self._monotonic_ms, self._time_zone = clock, meter, monotonic_ms, time_zone
        self._book: Book | None = None
        self._on_duty = self._knows_all = False
        self._under_way: dict[str, Errands] = {}  # by address
        self._unwritten: list[OutRecord] = []  # what was handed over, until Kafka has it
        self._retry_at_ms = 0
        self._turns = 0
        source.subscribe([topics.ALERT], self)

    # The group's decisions, from inside poll

    def on_assign(self, partitions: Sequence[Partition]) -> None:
        if any(partition.number == 0 for partition in partitions):
            self._on_duty, self._knows_all = True, False  # whoever was on duty may have told something a moment ago

    def on_revoke(self, partitions: Sequence[Partition]) -> None:
        """The next one must read what we told: so it is finished and written down first."""
        if self._on_duty and any(partition.number == 0 for partition in partitions):
            self._finish()
        self.on_lost(partitions)

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        self._on_duty = self._on_duty and all(partition.number for partition in partitions)

    # The loop

    def run(self, stop: Callable[[], bool]) -> None:
        try:
            while not stop():
                self.step()
        finally:
            self._finish()
            self._source.close()
            self._sink.close()

    def step(self) -> None:
        """One turn. While Kafka is away nobody is told anything: it could not be written down."""
        try:
            news = self._source.poll(1_000, _POLL_MS)  # to stay in the group, and to wake when something comes
            if self._monotonic_ms() < self._retry_at_ms:
                return
            self._look(up_to_now=bool(news) or (self._on_duty and not self._knows_all))
            self._knows_all = True
            self._note()
            self._write()
            if self._on_duty:
                self._send_out()
                self._tidy()
        except RetryLater as later:
            self._retry_at_ms = self._monotonic_ms() + later.after_ms
            self._meter.add("retries", 1)
            log.warning("retry_later", why=later.why, after_ms=later.after_ms)

    def _look(self, *, up_to_now: bool) -> None:
        if self._book is not (book := self._books.current()):
            self._book, self._desk.rules = book, book.rules
        for key, value in self._alerts.changes(up_to_now=up_to_now):
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
        for key, value in self._deliveries.changes(up_to_now=up_to_now):
            self._desk.take_told(key.decode(errors="replace"), value)

    def _send_out(self) -> None:
        """What is due, an address at a time; where some are under way already, the rest waits for its turn."""
        due: dict[str, list[Errand]] = defaultdict(list)
        for notice in self._desk.due(self._clock.now_ms()):
            if notice.to not in self._under_way:
                due[notice.to].append(self._put_in_words(notice))
        for to, errands in due.items():
            self._under_way[to] = self._executor.submit(run_errands, self._messenger, errands)

    def _put_in_words(self, notice: Notice) -> Errand:
        rules = self._desk.rules
        known: list[tuple[alerts.Alert, Rule | None]] = [(alert, rules.get(alert.rule)) for alert in notice.alerts]
        bodies = [webhook_body(alert, rule, notice.route.name) for alert, rule in known]
        return Errand(notice, message(known, notice.route.language, self._time_zone), bodies)

    def _note(self) -> None:
        """What has become of those that were sent out."""
        now_ms = self._clock.now_ms()
        for to in [to for to, errands in self._under_way.items() if errands.done()]:
            for notice, why in self._under_way.pop(to).result():
                name = notice.route.name
                if why:
                    wait_ms = self._desk.failed(notice, now_ms)
                    self._meter.add("notices_failed", 1, route=name)
                    log.warning("notice_not_taken", route=name, why=why, again_in_ms=wait_ms)
                    continue
                for key, value in self._desk.handed_over(notice, now_ms):
                    self._unwritten.append(OutRecord(DELIVERY, key.encode(), value, partition=0))
                self._meter.add("notices", 1, route=name)
                self._meter.observe("told_after_ms", [now_ms - max(a.at_ms for a in notice.alerts)], route=name)

    def _write(self) -> None:
        if self._unwritten:
            for record in self._unwritten:
                self._sink.send(record)
            self._sink.flush(_FLUSH_MS)
            self._unwritten.clear()  # only now; what is written twice is the same record

    def _tidy(self) -> None:
        self._turns += 1
        if self._turns % _TIDY_TURNS == 0:
            self._unwritten += [OutRecord(DELIVERY, key.encode(), None, partition=0) for key in self._desk.outdated()]

    def _finish(self) -> None:
        wait(self._under_way.values(), _LAST_WAIT_S)
        try:
            self._note()
            self._write()
        except RetryLater as later:
            log.warning("told_and_not_written_down", why=later.why, messages=len(self._unwritten))


def run_errands(messenger: Messenger, errands: Sequence[Errand]) -> list[tuple[Notice, str]]:
    """One after the other, as far as they are taken: an address that fails is not asked again at once."""
    done = []
    for notice, text, bodies in errands:
        why = messenger.hand_over(notice.to, text, bodies, notice.alerts[0].severity.value)
        done.append((notice, why))
        if why:
            break
    return done
