"""Comparing with the others: the same answers as looking at each of them, and the same alerts after a restart anywhere."""

from pathlib import Path
from statistics import mean, median
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.rules.board import Board
from processors.rules.company import Company
from processors.rules.grouping import GroupTask
from processors.rules.load import Book, load_book
from processors.rules.past import Past, Shape
from processors.rules.seasons import CityClock
from processors.rules.sight import Sight
from processors.rules.watching import DEVICE, Plans
from schemas import codec
from schemas.alert import GROUP
from schemas.device import Registry
from schemas.instants import MINUTE_MS
from schemas.ports import OutRecord, Position, Record
from schemas.reading import Reading
from tests.factories import NOW_MS, Said, device

VALUES = st.lists(st.one_of(st.none(), st.sampled_from([18.0, 20.0, 20.0, 21.5, 25.0])), min_size=1, max_size=9)


@given(VALUES)
def test_all_but_oneself(values: list[float | None]) -> None:
    company = Company(["temp_c"])
    for value in values:
        sight = Sight(Past(Shape({}), MINUTE_MS), {})
        sight.move(Said(NOW_MS, NOW_MS, SimpleNamespace(temp_c=value), {}))
        company.sights.append(sight)
    company.hear(company.sights[0], NOW_MS, NOW_MS)
    for number, sight in enumerate(company.sights):
        others = [value for n, value in enumerate(values) if n != number and value is not None]
        assert company.count(sight, "temp_c") == len(others)
        found = company.median(sight, "temp_c"), company.most(sight, "temp_c"), company.mean(sight, "temp_c")
        assert found == ((median(others), max(others), pytest.approx(mean(others))) if others else (None, None, None))


ROOMS = [device(f"RM-00{n}", interval_s=60) for n in range(4)]
PACK = """
pack: proof
stream: heat
rules:
  - id: apart
    kinds: [indoor]
    compare: zone
    when: others_count(temp_c) > 1 && temp_c - others_median(temp_c) > 2
    for: 2m
    keep_firing_for: 1m
    severity: low
    zh: &text {summary: x, todo: x}
    en: *text
  - id: falls-alone
    kinds: [indoor]
    compare: zone
    when: change(temp_c, 3m) < -1 && others_median(change(temp_c, 3m)) > -0.5
    severity: low
    zh: *text
    en: *text
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    path = Path(tmp_path_factory.mktemp("packs")) / "proof.yaml"
    path.write_text(PACK)
    return load_book([path])


STEP = st.tuples(st.integers(0, 3), st.sampled_from([0, 10, 20, 40, 130]), st.sampled_from([18.0, 20.0, 20.0, 20.5, 24.0]))


@given(steps=st.lists(STEP, min_size=10, max_size=80), cut=st.integers(1, 79))
def test_a_restart_changes_nothing(book: Book, steps: list[tuple[int, int, float]], cut: int) -> None:
    plans, registry = Plans(book, CityClock("Asia/Shanghai")), Registry({room.device_id: room for room in ROOMS})
    log, now_ms = list[Record](), NOW_MS
    for which, seconds, temp_c in steps:
        now_ms += seconds * 1_000
        id_ = ROOMS[which].device_id
        value = codec.encode_reading(Reading("heat", "indoor", id_, now_ms + which, now_ms, {"temp_c": temp_c}, {}))
        log.append(Record(GROUP, 0, len(log), b"zone:old-town", value, ((DEVICE, id_.encode()),), now_ms))
    cut = min(cut, len(log))

    def run(board: Board, start: Position, records: list[Record], before: list[Record]) -> tuple[list[OutRecord], Position]:
        task = GroupTask(plans, registry, board, 0, start)
        if before:
            task.warm(before)
        made = task.feed(records).records if records else []
        for out in made:
            board.take_alert(out.key or b"", out.value)
        return list(made), task.position()

    calm, _ = run(Board(), Position(0), log, [])
    board = Board()
    first, position = run(board, Position(0), log[:cut], [])
    memory_ms = plans.compared("heat", "indoor").memory_ms(MINUTE_MS)  # type: ignore[union-attr]
    since_ms = position.clock_ms - memory_ms
    second, _ = run(board, position, log[cut:], [record for record in log[:cut] if record.timestamp_ms >= since_ms])
    assert [out.value for out in [*first, *second]] == [out.value for out in calm]
