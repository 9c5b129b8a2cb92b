"""Waste: every kilogram accounted for, the week's rhythm, the machines' habits, and faults."""

from collections import Counter
from itertools import pairwise

import pytest

from deploy.demo.city.district import load_district
from deploy.demo.city.moment import Times
from deploy.demo.city.plan import plan_city
from deploy.demo.city.system import Happening
from deploy.demo.city.waste.system import WasteSystem
from deploy.demo.city.weather import Weather
from schemas.instants import DAY_MS, MINUTE_MS, parse_rfc3339

DISTRICT = load_district()
PLAN = plan_city(DISTRICT).waste
TIMES = Times(DISTRICT.utc_offset_h)
WEATHER = Weather(DISTRICT, 1, TIMES)
MONDAY = parse_rfc3339("2026-06-08T00:00:00+08:00")


def run(system: WasteSystem, days: float, start_ms: int = MONDAY) -> list[Happening]:
    events: list[Happening] = []
    for minute in range(int(days * 1440)):
        moment = TIMES.at(start_ms + minute * MINUTE_MS)
        events += system.advance(moment, WEATHER.at(moment))
    return events


@pytest.fixture
def system() -> WasteSystem:
    return WasteSystem(PLAN, DISTRICT.waste, seed=1)


def test_what_the_bridge_weighs_is_what_was_collected(system: WasteSystem) -> None:
    events = run(system, 3)
    weighed = sum(yard.weighed_kg for yard in system.yards.values())
    shown = sum(float(event.values["net_kg"]) for event in events)
    assert shown == pytest.approx(weighed, rel=0.005)
    assert abs(system.lost_kg) < 1e-3


def test_a_day_s_waste_is_the_residents_and_is_hauled_away(system: WasteSystem) -> None:
    run(system, 7)
    expected = DISTRICT.residents * DISTRICT.waste.kg_a_resident_day * 7
    assert system.generated_kg == pytest.approx(expected, rel=0.06)
    hauled = sum(yard.hauled_kg for yard in system.yards.values())
    assert hauled == pytest.approx(system.generated_kg, rel=0.15)
    assert all(0 <= can.kg < 1.3 * DISTRICT.waste.bin_m3 * DISTRICT.waste.kg_m3 for can in system.cans.values())


def test_mondays_are_heavier_than_sundays(system: WasteSystem) -> None:
    run(system, 1)
    monday = system.generated_kg
    run(system, 6, MONDAY + DAY_MS)
    before_sunday = system.generated_kg
    sunday_kg = before_sunday - monday
    fresh = WasteSystem(PLAN, DISTRICT.waste, seed=1)
    run(fresh, 1, MONDAY + 6 * DAY_MS)
    assert sunday_kg > 0
    assert monday > 1.1 * fresh.generated_kg


def test_trucks_come_in_two_shifts_and_events_are_unique(system: WasteSystem) -> None:
    events = run(system, 2)
    assert len({event.event_id for event in events}) == len(events)
    assert {event.device_id for event in events} == {station.bridge for station in PLAN.stations}
    trucks = Counter(int(event.values["route_no"]) for event in events)
    assert len(trucks) > 12
    for event in events:
        gross, tare, net = (float(event.values[name]) for name in ("gross_kg", "tare_kg", "net_kg"))
        assert gross - tare == net
        assert 300 < net < 6_500
        assert tare == pytest.approx(DISTRICT.waste.truck_tare_kg, rel=0.03)


def test_a_compactor_counts_presses_fills_and_is_emptied(system: WasteSystem) -> None:
    compactor = system.yards["TS-01"].compactors[0]
    fills, pressures, states = [], [], Counter[str]()
    for minute in range(2 * 1440):
        moment = TIMES.at(MONDAY + minute * MINUTE_MS)
        system.advance(moment, WEATHER.at(moment))
        truth = system.readers[compactor.id]()
        fills.append(float(truth["fill"]))
        pressures.append(float(truth["hydraulic_pressure_mpa"]))
        states[str(truth["state"])] += 1
    assert max(fills) > 0.95
    assert sum(b < a - 0.5 for a, b in pairwise(fills)) >= 1  # exchanged
    assert 15 < max(pressures) < 22
    assert states["idle"] > states["compacting"] > 20


def test_a_jam_stops_the_counter_and_fills_the_hopper(system: WasteSystem) -> None:
    run(system, 0.3)
    yard = system.yards["TS-02"]
    for compactor in yard.compactors:
        compactor.jammed = True
    cycles = [compactor.cycles for compactor in yard.compactors]
    run(system, 0.2, MONDAY + int(0.3 * DAY_MS))
    assert [compactor.cycles for compactor in yard.compactors] == cycles
    assert yard.hopper_kg > 3_000
    assert system.readers[yard.compactors[0].id]()["state"] == "fault"
    assert abs(system.lost_kg) < 1e-3


def test_a_drifting_scale_shows_in_empty_trucks(system: WasteSystem) -> None:
    yard = system.yards["TS-03"]
    yard.gain, yard.zero_kg = 0.05, 400.0
    tares = [float(e.values["tare_kg"]) for e in run(system, 0.5) if e.device_id == yard.plan.bridge]
    assert min(tares) > DISTRICT.waste.truck_tare_kg + 500
    assert abs(system.lost_kg) < 1e-3  # the scale is wrong, not the waste


def test_gas_stays_below_the_limit_at_the_fence_until_it_is_released(system: WasteSystem) -> None:
    """S: GB 14554-93 class 2: 1.5 mg/m3 of ammonia, 0.06 of hydrogen sulphide; in summer the hall comes near."""
    run(system, 1)
    hall = system.yards["TS-05"].hall
    assert hall.nh3 < 1.5
    assert hall.h2s < 0.06
    hall.release_mg_m3 = 30.0
    run(system, 0.02, MONDAY + DAY_MS)
    assert hall.nh3 > 20


def test_a_fire_heats_its_container_and_says_so(system: WasteSystem) -> None:
    run(system, 0.1)
    system.cans["WN-0007"].fire = 0.8
    run(system, 0.03, MONDAY + int(0.1 * DAY_MS))
    truth = system.readers["WN-0007"]()
    assert truth["status"] == "burning"
    assert float(truth["temp_c"]) > 100
