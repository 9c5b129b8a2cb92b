"""The sewers by SWMM: dry weather as hydraulics textbooks have it, storms, pumps, and faults."""

from collections.abc import Iterator
from datetime import datetime
from math import pi, sqrt

import pytest

pytest.importorskip("pyswmm", reason="needs the extra: pip install 'hanan[city]'")

from deploy.demo.city.district import load_district
from deploy.demo.city.drainage import model
from deploy.demo.city.drainage import plan as drain
from deploy.demo.city.drainage.swmm import filled_m2
from deploy.demo.city.drainage.system import DrainageSystem
from deploy.demo.city.moment import Times
from deploy.demo.city.plan import plan_city
from deploy.demo.city.weather import Weather
from schemas.instants import HOUR_MS, MINUTE_MS, parse_rfc3339

DISTRICT = load_district()
PLAN = plan_city(DISTRICT)
TIMES = Times(DISTRICT.utc_offset_h)
DRY, STORM = (parse_rfc3339(f"2026-{day}+08:00") for day in ("07-20T09:00:00", "07-22T16:30:00"))
JANUARY = parse_rfc3339("2026-01-14T09:00:00+08:00")


@pytest.fixture
def system() -> Iterator[DrainageSystem]:
    made = DrainageSystem(PLAN.drainage, Weather(DISTRICT, 1, TIMES).rain, PLAN.plane)
    yield made
    made.close()


def run(system: DrainageSystem, minutes: int, start_ms: int) -> None:
    weather = Weather(DISTRICT, 1, TIMES)
    for minute in range(minutes):
        moment = TIMES.at(start_ms + minute * MINUTE_MS)
        system.advance(moment, weather.at(moment))


def test_the_model_names_everything_once() -> None:
    text = model.input_file(PLAN.drainage, datetime(2026, 7, 20))  # noqa: DTZ001 - SWMM's time is local
    lines = [line.split()[0] for line in text.splitlines() if line and not line.startswith("[")]
    for hole in PLAN.drainage.manholes:
        assert lines.count(model.pipe(hole.id)) == 2  # the pipe and its shape


def test_a_round_pipe_fills_as_geometry_says() -> None:
    assert filled_m2(0.5, 1.0) == pytest.approx(pi / 8)
    assert filled_m2(2.0, 1.0) == pytest.approx(pi / 4)
    assert filled_m2(0.0, 1.0) == 0
    depths = [filled_m2(part / 50, 1.0) for part in range(51)]
    assert depths == sorted(depths)


def test_dry_weather_flow_stands_as_deep_as_manning_says(system: DrainageSystem) -> None:
    """Q = A R^(2/3) S^(1/2) / n in trunk pipes away from the basin's backwater."""
    run(system, 60, DRY)
    holes = {hole.id: hole for hole in PLAN.drainage.manholes}
    checked = 0
    for hole in holes.values():
        below = holes.get(hole.below)
        if below is None or hole.diameter_m < 0.7 or below.below not in holes:
            continue
        truth = system.readers[hole.id]()
        depth, flow = float(truth["level_m"]), float(truth["flow_m3_h"]) / 3600
        area = filled_m2(depth, hole.diameter_m)
        half = 2 * sqrt(depth / hole.diameter_m) * hole.diameter_m  # wetted perimeter of a shallow segment, nearly
        slope = (hole.bed_m - below.bed_m) / hole.length_m
        manning = area * (area / half) ** (2 / 3) * sqrt(slope) / 0.0135
        assert flow == pytest.approx(manning, rel=0.35), hole.id
        checked += 1
    assert checked > 20


def test_sewage_follows_the_people_s_day(system: DrainageSystem) -> None:
    run(system, 1, parse_rfc3339("2026-07-20T04:00:00+08:00"))
    night = [float(system.readers[tank.id]()["inflow_m3_h"]) for tank in PLAN.drainage.tanks]
    run(system, 300, parse_rfc3339("2026-07-20T04:01:00+08:00"))
    morning = [float(system.readers[tank.id]()["inflow_m3_h"]) for tank in PLAN.drainage.tanks]
    assert all(b > 2 * a for a, b in zip(night, morning, strict=True))


def test_pumps_start_and_stop_at_their_levels(system: DrainageSystem) -> None:
    run(system, 1, DRY)
    levels: list[float] = []
    words: set[str] = set()
    for minute in range(300):
        run(system, 1, DRY + minute * MINUTE_MS)
        truth = system.readers["DT-001"]()
        levels.append(float(truth["level_m"]))
        words.add(str(truth["pump_1"]))
    assert words == {"running", "stopped"}
    assert max(levels) < drain.START_1_M + 0.2
    assert min(levels) > drain.STOP_1_M - 0.2


def test_a_storm_fills_sewers_and_basins_and_ponds_in_underpasses(system: DrainageSystem) -> None:
    run(system, 10, STORM)
    dry = float(system.readers["DL-010"]()["level_m"])
    deepest = highest = fullest = 0.0
    for minute in range(0, 240, 5):
        run(system, 5, STORM + (10 + minute) * MINUTE_MS)
        deepest = max(deepest, *(system.road_m(under.id) for under in PLAN.drainage.underpasses))
        highest = max(highest, system.level_m("DL-010"))
        fullest = max(fullest, *(system.level_m(tank.id) for tank in PLAN.drainage.tanks))
    assert highest > 5 * dry
    assert 0.9 * drain.TANK_DEPTH_M < fullest < drain.TANK_DEPTH_M + 1
    assert drain.WARN_M < deepest < 1.0
    assert system.rain_mm["DR-001"] > 40


def test_snow_is_no_rain(system: DrainageSystem) -> None:
    run(system, 60, JANUARY)
    assert set(system.rain_mm.values()) == {0.0}


def test_a_blocked_pipe_backs_up_in_dry_weather_and_runs_free_again(system: DrainageSystem) -> None:
    run(system, 5, DRY)
    before = system.level_m("DL-005")
    system.block("DL-005", 0.1)
    run(system, 60, DRY + HOUR_MS)
    assert system.level_m("DL-005") > before + 0.5
    system.block("DL-005", 1.0)
    run(system, 120, DRY + 2 * HOUR_MS)
    assert system.level_m("DL-005") == pytest.approx(before, abs=0.15)


def test_a_pump_that_does_not_start_leaves_it_to_the_second(system: DrainageSystem) -> None:
    run(system, 5, DRY)
    system.pumps["DT-002"][0].broken = True
    seen = set()
    for minute in range(120):
        run(system, 1, DRY + (5 + minute) * MINUTE_MS)
        truth = system.readers["DT-002"]()
        seen.add((truth["pump_1"], truth["pump_2"]))
    assert ("stopped", "running") in seen
    assert all(one != "running" for one, _ in seen)


def test_a_choked_inlet_backs_the_sewer_up(system: DrainageSystem) -> None:
    run(system, 5, DRY)
    before = system.level_m("DL-010")
    system.turn_gate("DT-001", 0.003)
    run(system, 120, DRY + HOUR_MS)
    assert system.level_m("DL-010") > before + 0.3


def test_a_burst_main_floods_the_underpass(system: DrainageSystem) -> None:
    run(system, 5, DRY)
    system.pumps["DU-001"][0].broken = True
    system.pour("DU-001", 0.04)
    run(system, 60, DRY + HOUR_MS)
    assert system.road_m("DU-001") > drain.CLOSE_M


def test_rain_gardens_take_rain_up(system: DrainageSystem) -> None:
    run(system, 5, STORM)
    soil = PLAN.drainage.soils[0].id
    dry = float(system.readers[soil]()["moisture"])
    run(system, 90, STORM + 5 * MINUTE_MS)
    truth = system.readers[soil]()
    assert float(truth["moisture"]) > dry + 0.05
    assert float(truth["infiltration_mm_h"]) > 0
