"""The deployment's clock, against a real one that a test sets."""

from pathlib import Path

import pytest

from deploy import clock
from deploy.clock import SystemClock, deployment_clock
from deploy.settings import load_settings
from schemas.instants import DAY_MS, HOUR_MS, parse_rfc3339

ANCHOR_MS = parse_rfc3339("2026-11-24T12:00:00Z")


class Wall:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ms = ANCHOR_MS
        monkeypatch.setattr(clock, "wall_ms", lambda: self.now_ms)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    return Wall(monkeypatch)


def test_without_settings_it_is_the_real_one(wall: Wall) -> None:
    assert SystemClock().now_ms() == wall.now_ms


def test_a_week_in_the_past_ends_in_the_present_and_goes_on_in_real_time(wall: Wall) -> None:
    ours = SystemClock(ANCHOR_MS - 7 * DAY_MS, ANCHOR_MS, rate=169)
    wall.now_ms += HOUR_MS // 2
    assert ours.now_ms() == ANCHOR_MS - 7 * DAY_MS + 169 * HOUR_MS // 2
    wall.now_ms = ANCHOR_MS + HOUR_MS
    assert ours.now_ms() == ANCHOR_MS + HOUR_MS
    wall.now_ms += 1
    assert ours.now_ms() == ANCHOR_MS + HOUR_MS + 1


def test_it_never_goes_back_on_the_way(wall: Wall) -> None:
    ours = SystemClock(ANCHOR_MS - DAY_MS, ANCHOR_MS, rate=1_000)
    seen = []
    for wall.now_ms in range(ANCHOR_MS, ANCHOR_MS + 120_000, 777):
        seen.append(ours.now_ms())
        assert seen[-1] <= wall.now_ms
    assert seen == sorted(seen)


def test_one_that_is_slower_than_the_real_one_stays_in_the_past(wall: Wall) -> None:
    ours = SystemClock(ANCHOR_MS - DAY_MS, ANCHOR_MS, rate=0.5)
    wall.now_ms += HOUR_MS
    assert ours.now_ms() == ANCHOR_MS - DAY_MS + HOUR_MS // 2


def test_a_start_in_the_future_runs_at_its_own_rate(wall: Wall) -> None:
    ours = SystemClock(ANCHOR_MS + DAY_MS, ANCHOR_MS, rate=60)
    wall.now_ms += 1_000
    assert ours.now_ms() == ANCHOR_MS + DAY_MS + 60_000


def test_all_processes_share_the_anchor_of_the_first(wall: Wall, tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, clock_start="2026-11-17T12:00:00Z", clock_rate=600.0)
    assert deployment_clock(settings).now_ms() == ANCHOR_MS - 7 * DAY_MS
    wall.now_ms += 60_000
    assert deployment_clock(settings).now_ms() == ANCHOR_MS - 7 * DAY_MS + 600 * 60_000
    wall.now_ms += DAY_MS
    assert deployment_clock(settings).now_ms() == wall.now_ms
