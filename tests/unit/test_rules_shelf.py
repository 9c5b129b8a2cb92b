"""Packs that change under a running process."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from processors.rules.load import Book
from processors.rules.problems import Problem, RulesError
from processors.rules.shelf import LOOK_MS, Shelf
from processors.rules.world import World
from schemas.device import Device
from schemas.instants import MINUTE_MS
from schemas.reading import Reading
from tests.factories import NOW_MS, device
from tests.memory import ManualClock

PACK = """
pack: proof
stream: heat
settings:
  low: {value: 20, unit: Cel, evidence: P}
rules:
  - id: cold
    kinds: [indoor]
    when: temp_c < setting.low
    for: 3m
    severity: low
    zh: &text {summary: x, todo: x}
    en: *text
  - id: still-the-same
    kinds: [indoor]
    when: still(temp_c) > 10m && mean(temp_c, 15m) < 30
    severity: low
    zh: *text
    en: *text
"""


class Desk:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def __call__(self, book: Book | None, problems: Sequence[Problem]) -> None:
        self.heard.append(" ".join(book.rules) if book else "; ".join(f"{p.line}: {p.why}" for p in problems))


def shelf(folder: Path) -> tuple[Shelf, ManualClock, Desk, Path]:
    path = folder / "proof.yaml"
    path.write_text(PACK)
    clock, desk = ManualClock(1), Desk()
    return Shelf(clock.now_ms, folder, desk), clock, desk, path


def later(one: Shelf, clock: ManualClock) -> Book:
    clock.set(clock.now_ms() + LOOK_MS)
    return one.current()


def test_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    one, clock, desk, _ = shelf(tmp_path)
    book = one.current()
    assert later(one, clock) is book
    assert not desk.heard


def test_a_changed_pack_is_taken_up_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    one, clock, desk, path = shelf(tmp_path)
    path.write_text(PACK.replace("for: 3m", "for: 30m"))
    book = later(one, clock)
    assert book.rules["cold"].for_ms == 30 * MINUTE_MS
    path.write_text(PACK.replace("temp_c < setting.low", "tmp_c < setting.low"))
    assert later(one, clock) is book
    assert [(problem.line, "no metric tmp_c" in problem.why) for problem in one.problems] == [(9, True)]
    path.unlink()
    assert later(one, clock) is book
    path.write_text(PACK)
    assert later(one, clock).rules["cold"].for_ms == 3 * MINUTE_MS
    assert not one.problems
    assert [len(desk.heard), desk.heard[0], desk.heard[3]] == [4, "cold still-the-same", "cold still-the-same"]


def test_wrong_from_the_beginning_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("pack: [")
    with pytest.raises(RulesError, match=r"bad\.yaml"):
        Shelf(ManualClock(1).now_ms, tmp_path)


def read(world: World, one: Device, minutes: range, temp_c: float) -> None:
    for minute in minutes:
        at_ms = NOW_MS + minute * MINUTE_MS
        reading = Reading("heat", "indoor", one.device_id, at_ms, at_ms, {"temp_c": temp_c}, {})
        world.read("heat", [reading, at_ms])


def test_nothing_that_was_seen_is_lost(tmp_path: Path) -> None:
    one, clock, _, path = shelf(tmp_path)
    room = device(interval_s=60)
    world = World(one.current(), [room])
    read(world, room, range(9), 18.0)
    assert [alert.state.value for alert in world.changes] == ["pending", "firing"]
    # Another limit, and the other rule asks for more of the past than before
    path.write_text(PACK.replace("value: 20", "value: 15").replace("mean(temp_c, 15m) < 30", "most(temp_c, 10m) < 30"))
    world.take(later(one, clock))
    read(world, room, range(9, 12), 18.0)
    assert [(alert.rule, alert.state.value, alert.at_ms - NOW_MS) for alert in world.changes[2:]] == [
        ("cold", "resolved", 9 * MINUTE_MS),
        ("still-the-same", "firing", 11 * MINUTE_MS),
    ]
    assert world.changes[2].onset_ms == NOW_MS
    path.write_text(PACK.replace("id: still-the-same", "id: another-name"))
    world.take(later(one, clock))
    read(world, room, range(12, 14), 18.0)
    assert [(alert.rule, alert.state.value, alert.why) for alert in world.changes[4:]] == [
        ("still-the-same", "resolved", "the rule is gone"),
        ("cold", "pending", ""),
        ("another-name", "firing", ""),
    ]
