"""Bicycles: none made, none lost, and they move as a district does."""

from collections import Counter
from statistics import fmean

import pytest

from deploy.demo.city.bike.fleet import Where
from deploy.demo.city.bike.system import BikeSystem
from deploy.demo.city.district import load_district
from deploy.demo.city.moment import Times
from deploy.demo.city.plan import plan_city
from deploy.demo.city.weather import Air
from schemas.instants import DAY_MS, HOUR_MS, MINUTE_MS, parse_rfc3339

DISTRICT = load_district()
PLAN = plan_city(DISTRICT)
TIMES = Times(DISTRICT.utc_offset_h, DISTRICT.calendar.holidays)
FINE = Air(22.0, 15.0, 50.0, 0.5, 0.0, snow=False)
JUNE = parse_rfc3339("2026-06-10T00:00:00+08:00")  # a Wednesday


def make(seed: int = 1) -> BikeSystem:
    return BikeSystem(PLAN.bike, DISTRICT.bike, DISTRICT.calendar.bikes_away, PLAN.plane, seed)


def run(system: BikeSystem, minutes: int, start_ms: int = JUNE, air: Air = FINE) -> None:
    for minute in range(minutes):
        system.advance(TIMES.at(start_ms + minute * MINUTE_MS), air)


def test_every_bicycle_is_in_exactly_one_place() -> None:
    system = make()
    for hour in range(24):
        run(system, 60, JUNE + hour * HOUR_MS)
        assert sum(system.fleet.count().values()) == DISTRICT.bike.bikes
        docked = [n for dock in system.fleet.docks for n in (*dock.bikes, *dock.broken)]
        assert len(set(docked)) == len(docked)
        for dock in system.fleet.docks:
            assert len(dock.bikes) + len(dock.broken) + dock.dead_docks <= dock.plan.docks


def test_the_counts_of_a_station_add_up_to_its_docks() -> None:
    system = make()
    run(system, 600)
    for dock in system.fleet.docks:
        truth = system.readers[dock.plan.id]()
        names = ("num_vehicles_available", "num_vehicles_disabled", "num_docks_available", "num_docks_disabled")
        assert sum(int(truth[name]) for name in names) == dock.plan.docks


def test_a_fine_working_day_has_its_two_peaks_and_its_trips() -> None:
    system = make()
    riding = []
    for hour in range(24):
        run(system, 60, JUNE + hour * HOUR_MS)
        riding.append(system.fleet.count()[Where.RIDING])
    assert system.trips == pytest.approx(DISTRICT.bike.bikes * DISTRICT.bike.trips_a_day, rel=0.15)
    assert riding[7] > 2 * riding[10]
    assert riding[17] > 2 * riding[14]
    assert max(riding[0:4]) < 30


def test_rain_and_cold_keep_people_off_bicycles() -> None:
    noon = TIMES.at(JUNE + 12 * HOUR_MS)
    demand = make().demand
    fine = demand.rate(noon, FINE)
    assert demand.rate(noon, FINE._replace(rain_mm_h=5.0)) < 0.2 * fine
    assert demand.rate(noon, FINE._replace(outdoor_c=-5.0)) < 0.05 * fine


def test_a_bicycle_on_the_road_is_between_its_stations_and_unlocked() -> None:
    system = make()
    run(system, 8 * 60)
    riding = [bike for bike in system.fleet.bikes if bike.where is Where.RIDING]
    assert riding
    for bike in riding[:50]:
        truth = system.readers[f"BV-{bike.number + 1:05d}"]()
        a, b = PLAN.bike.stations[bike.origin], PLAN.bike.stations[bike.target]
        assert min(a.lat, b.lat) - 0.001 <= float(truth["lat"]) <= max(a.lat, b.lat) + 0.001
        assert truth["is_locked"] is False


def test_stations_are_taken_in_for_the_winter_and_come_back() -> None:
    system = make()
    run(system, 10, parse_rfc3339("2026-11-04T12:00:00+08:00"))
    assert all(dock.installed for dock in system.fleet.docks)
    share = []
    for day in range(12):
        run(system, 61, parse_rfc3339("2026-11-04T12:00:00+08:00") + day * DAY_MS)
        share.append(fmean(dock.installed for dock in system.fleet.docks))
        assert sum(system.fleet.count().values()) == DISTRICT.bike.bikes
    assert share == sorted(share, reverse=True)
    assert share[0] == 1
    assert share[-1] == 0
    run(system, 61, parse_rfc3339("2026-04-20T12:00:00+08:00"))
    assert all(dock.installed for dock in system.fleet.docks)
    assert system.fleet.count()[Where.DOCKED] > 0.5 * DISTRICT.bike.bikes


def test_in_winter_a_controller_says_once_an_hour_that_it_is_taken_in() -> None:
    system = make()
    said = Counter[bool]()
    for minute in range(120):
        run(system, 1, parse_rfc3339("2026-01-15T00:00:00+08:00") + minute * MINUTE_MS)
        truth = system.readers["BK-0001"]()
        if truth:
            said[bool(truth["is_installed"])] += 1
    assert said == {False: 2}


def test_trucks_keep_stations_from_running_empty_and_full() -> None:
    system = make()
    run(system, 3 * 1440)
    off = sum(not dock.bikes or dock.free <= 0 for dock in system.fleet.docks)
    assert off < 0.15 * len(system.fleet.docks)
    assert system.turned_away < 0.05 * system.trips


def test_vandals_break_one_after_the_other_and_menders_carry_the_others_away() -> None:
    system = make()
    run(system, 60)
    dock = system.fleet.docks[4]
    bikes = len(dock.bikes)
    dock.vandals = True
    run(system, 45, JUNE + HOUR_MS)
    assert len(dock.broken) >= min(bikes, 12)
    assert sum(system.fleet.count().values()) == DISTRICT.bike.bikes
