"""Whatever dies and whoever takes over: the same alerts, none twice, none missing.

A log of readings and ticks is judged once without interruption. Then again with crashes anywhere: with everything written and
nothing committed, in the middle of a write, with a second process that comes and goes, and with packs that are taken up again
(the same ones: a reload must forget nothing). What is in the topic `alert` must be
the same set of records, byte for byte; what was written twice is the same record again, which (id, n) tells whoever cares.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from processors.alert import AlertTasks
from processors.rules.load import Book, load_book
from processors.runner import Pace, Runner
from schemas import codec, topics
from schemas.alert import CLOCK_KEY, COMMAND, GROUP
from schemas.device import encode
from schemas.instants import MINUTE_MS
from schemas.ports import OutRecord, Partition
from schemas.reading import Reading
from tests.factories import NOW_MS, device
from tests.memory import ManualClock, MemoryKafka, MemorySink, MemoryTable

PACK = """
pack: proof
stream: heat
rules:
  - id: cold
    kinds: [indoor]
    when: temp_c < 20
    clear: temp_c > 21
    for: 2m
    keep_firing_for: 2m
    severity: low
    levels: {high: temp_c < 15}
    flapping: {times: 2, within: 30m, hold: 5m}
    zh: &text {summary: x, todo: x}
    en: *text
  - id: at-once
    kinds: [indoor]
    when: humidity_percent > 90
    severity: medium
    zh: *text
    en: *text
  - id: falling
    kinds: [indoor]
    when: change(temp_c, 3m) < -2 && mean(temp_c, 3m) < 22
    severity: low
    zh: *text
    en: *text
  - id: standing
    kinds: [indoor]
    when: still(temp_c) > 4m && span(3) < 4
    severity: low
    zh: *text
    en: *text
  - id: silent
    kinds: [indoor]
    silent: {intervals: 4.5, quiet: 2.5}
    keep_firing_for: 1m
    severity: medium
    zh: *text
    en: *text
"""
STREAM = "heat"
DEVICES = [device(f"RM-00{n}", interval_s=60) for n in range(3)]
PARTITIONS = 2


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    path = Path(tmp_path_factory.mktemp("packs")) / "proof.yaml"
    path.write_text(PACK)
    return load_book([path])


class Crash(Exception):
    pass


class TornSink(MemorySink):
    """Dies after so many more records; -1: never."""

    left = -1

    def serve(self) -> None:
        if self.left >= 0:
            self._queue = self._queue[: self.left]
            super().serve()
            raise Crash
        super().serve()


def fresh_kafka() -> MemoryKafka:
    names = {topics.reading(STREAM): PARTITIONS, GROUP: PARTITIONS, topics.ALERT: 1, topics.DEVICE: 1, COMMAND: 1}
    kafka = MemoryKafka(names, ManualClock(NOW_MS))
    for one in DEVICES:
        kafka.append(OutRecord(topics.DEVICE, one.device_id.encode(), encode(one), partition=0))
    return kafka


class Books:
    """The packs as a process has them at the moment."""

    def __init__(self, book: Book) -> None:
        self.book = book

    def current(self) -> Book:
        return self.book


class Process:
    def __init__(self, kafka: MemoryKafka, book: Book) -> None:
        self.kafka = kafka
        self.books = Books(book)
        self.sink = TornSink(kafka, 100_000)
        tables = (MemoryTable(kafka, name, slow=True) for name in (topics.DEVICE, topics.ALERT, COMMAND))
        tasks = AlertTasks(self.books, *tables, "Asia/Shanghai", PARTITIONS, [STREAM])
        self.source = kafka.source("alert")
        pace = Pace(batch=7, commit_ms=1 << 60, linger_ms=0)
        machine = ManualClock(1)
        self.runner = Runner(
            self.source, self.sink, tasks, clock=ManualClock(NOW_MS), meter=_Nobody(), monotonic_ms=machine.now_ms, pace=pace
        )
        self.runner._commit_at_ms = 1 << 62

    def die(self) -> None:
        self.kafka.expire(self.source)


class _Nobody:
    def add(self, name: str, amount: int, **labels: str) -> None: ...
    def set(self, name: str, value: float, **labels: str) -> None: ...
    def observe(self, name: str, values_ms: object, **labels: str) -> None: ...


ITEM = st.tuples(
    st.integers(0, 2),  # device
    st.sampled_from([0, 0, 0, 1, 1, 2, 5]),  # minutes that pass first
    st.sampled_from([0, 0, 0, 0, -1, -3, -20]),  # how late it is, in minutes
    st.sampled_from([14.0, 18.0, 19.5, 20.5, 21.5, 22.0, 25.0]),
    st.sampled_from([50.0, 50.0, 95.0]),
    st.booleans(),  # suspect
)
TOKEN = st.sampled_from(["step", "step", "step", "step", "commit", "crash", "torn0", "torn1", "join", "leave", "reload"])


def write_log(kafka: MemoryKafka, items: list[Any]) -> None:
    topic, now_ms = topics.reading(STREAM), NOW_MS
    for number, (which, minutes, late, temp, humidity, suspect) in enumerate(items):
        for _ in range(minutes):
            now_ms += MINUTE_MS
            for partition in range(PARTITIONS):
                kafka.append(OutRecord(topic, None, b"", (), now_ms, partition))
        one = DEVICES[which]
        at_ms = now_ms + number % 50
        flags = {"temp_c": "out_of_range"} if suspect else {}
        values = {"temp_c": temp, "humidity_percent": humidity}
        reading = Reading(STREAM, "indoor", one.device_id, at_ms + late * MINUTE_MS, at_ms, values, flags)
        kafka.append(OutRecord(topic, one.device_id.encode(), codec.encode_reading(reading), (), at_ms))
    for _ in range(8):
        now_ms += MINUTE_MS
        for partition in range(PARTITIONS):
            kafka.append(OutRecord(topic, None, b"", (), now_ms, partition))


def alerts(kafka: MemoryKafka) -> list[tuple[bytes, bytes | None]]:
    return [(r.key or b"", r.value) for r in kafka.records(topics.ALERT) if r.key != CLOCK_KEY]


def finish(kafka: MemoryKafka, book: Book) -> None:
    last = Process(kafka, book)
    ends = {Partition(topics.reading(STREAM), n): len(kafka.records(topics.reading(STREAM), n)) for n in range(PARTITIONS)}
    for _ in range(400):
        last.runner.step()
        seats = last.runner._seats
        if seats and all(p in seats and seats[p].task.position().offset >= end for p, end in ends.items()):
            break
    else:
        raise AssertionError("it does not come to an end")
    last.die()


def _rows(*rows: tuple[int, int, bool]) -> list[Any]:
    return [(which, minutes, 0, 14.0, 50.0, suspect) for which, minutes, suspect in rows]


@example(  # found once: what was pending had come to nothing in records that were written and not committed
    items=_rows((2, 2, False), (1, 2, False), (2, 0, False), (0, 1, False), *[(0, 0, n % 2 > 0) for n in range(7)]),
    tokens=["join", "step", "step", "step", "torn0", "step", "join", "step", "step", "torn0", "step", "step", "step"],
)
@example(  # whoever takes over from one that lives must know what that one wrote a moment ago
    items=[(which, 1, 0, 14.0, 95.0, False) for _ in range(8) for which in range(3)],
    tokens=["step"] * 4 + ["commit", "join"] + ["step"] * 6 + ["commit", "leave"] + ["step"] * 6,
)
@given(items=st.lists(ITEM, min_size=5, max_size=60), tokens=st.lists(TOKEN, max_size=60))
def test_crashes_and_rebalances_change_nothing(book: Book, items: list[Any], tokens: list[str]) -> None:
    calm, rough = fresh_kafka(), fresh_kafka()
    write_log(calm, items)
    write_log(rough, items)
    finish(calm, book)
    living = [Process(rough, book)]
    for token in tokens:
        if token == "join" and len(living) < 2:
            living.append(Process(rough, book))
        for process in list(living):
            if token == "reload":
                process.books.book = Book(tuple(replace(rule) for rule in book.compiled))
            if token == "commit":
                process.runner._commit(list(process.runner._seats)) if rough.group("alert").stable else None
            process.sink.left = int(token[4:]) if token.startswith("torn") else -1
            try:
                process.runner.step()
            except Crash:
                process.die()
                living.remove(process)
        if token == "crash" and living:
            living.pop(0).die()
        if token == "leave" and len(living) > 1:
            leaving = living.pop()
            leaving.runner.close()
        if not living:
            living.append(Process(rough, book))
    for process in living:
        process.die()
    finish(rough, book)
    assert set(alerts(rough)) == set(alerts(calm))
    assert _last(alerts(rough)) == _last(alerts(calm))


def _last(records: list[tuple[bytes, bytes | None]]) -> dict[bytes, bytes | None]:
    return {key: value for key, value in records if True}


@given(items=st.lists(ITEM, min_size=5, max_size=60))
def test_a_day_that_is_replayed_into_the_log_is_history(book: Book, items: list[Any]) -> None:
    kafka = fresh_kafka()
    write_log(kafka, items)
    finish(kafka, book)
    before = alerts(kafka)
    topic = topics.reading(STREAM)
    for record in [r for n in range(PARTITIONS) for r in kafka.records(topic, n) if r.key]:
        headers = ((topics.REPLAYED, b"1"),)
        kafka.append(OutRecord(topic, record.key, record.value, headers, record.timestamp_ms + 60_000, record.partition))
    finish(kafka, book)
    assert set(alerts(kafka)) == set(before)
