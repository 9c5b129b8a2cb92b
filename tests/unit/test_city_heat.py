"""The heating: the curve that belongs to the buildings, the network's sums, and what faults do to it."""

from collections.abc import Callable
from statistics import fmean

import pytest

from deploy.demo.city.district import load_district
from deploy.demo.city.heat.design import WATER_KJ_KG_K, HeatDesign, interpolate
from deploy.demo.city.heat.system import HeatSystem
from deploy.demo.city.moment import Times
from deploy.demo.city.plan import plan_city
from deploy.demo.city.weather import Air
from schemas.instants import MINUTE_MS, parse_rfc3339

DISTRICT = load_district()
PLAN = plan_city(DISTRICT).heat
TIMES = Times(DISTRICT.utc_offset_h)
WINTER, SUMMER = (parse_rfc3339(f"2026-{month}-15T00:00:00+08:00") for month in ("01", "07"))


def air(outdoor_c: float) -> Air:
    return Air(outdoor_c, max(-5.0, outdoor_c / 4), 60.0, 0.0, 0.0, snow=False)


def run(
    system: HeatSystem, minutes: int, outdoor_c: float, start_ms: int = WINTER, each: Callable[[], None] = lambda: None
) -> None:
    for minute in range(minutes):
        system.advance(TIMES.at(start_ms + minute * MINUTE_MS), air(outdoor_c))
        each()


@pytest.fixture
def system() -> HeatSystem:
    return HeatSystem(PLAN, DISTRICT.calendar.heating, seed=1)


def test_the_heating_curve_keeps_the_room_at_its_design_temperature() -> None:
    design = HeatDesign(DISTRICT.heat)
    for outdoor in (-24.0, -12.0, 0.0):
        supply = design.supply_c(outdoor)
        need = design.loss_w_m2_k * (design.room_c - outdoor) - 4.0
        back = supply - need / (design.secondary_kg_s_m2 * WATER_KJ_KG_K * 1000)
        assert design.radiator_w_m2((supply + back) / 2, design.room_c) == pytest.approx(need, rel=1e-6)
    assert design.supply_c(DISTRICT.heat.design_outdoor_c) == pytest.approx(DISTRICT.heat.secondary_design_c[0], abs=0.5)
    curve = design.curve()
    assert [supply for _, supply in curve] == sorted((supply for _, supply in curve), reverse=True)


@pytest.mark.parametrize("outdoor_c", [-25.0, -12.0, 3.0])
def test_controllers_hold_the_curve_and_rooms_keep_the_duty(system: HeatSystem, outdoor_c: float) -> None:
    run(system, 36 * 60, outdoor_c)
    for one in PLAN.exchanges:
        truth = system.readers[one.id]()
        wanted = interpolate(one.curve, outdoor_c)
        assert truth["secondary_supply_temp_c"] == pytest.approx(wanted, abs=1.5), one.id
        assert truth["primary_supply_temp_c"] > truth["primary_return_temp_c"] > truth["secondary_return_temp_c"]  # type: ignore[operator]
    rooms = [flat.wall_c for flat in system.flats.values()]
    assert min(rooms) > 20.0
    assert fmean(rooms) == pytest.approx(DISTRICT.heat.room_c + 0.4, abs=0.8)


def test_water_is_neither_made_nor_lost_in_the_network(system: HeatSystem) -> None:
    run(system, 120, -18.0)
    for net in system.networks:
        assert net.pumped_kg_s == pytest.approx(sum(net.flow))
        for n in range(len(net.stations)):
            supply, back = net.pressures(n)
            assert supply > back > 0.25
            assert supply - back == pytest.approx(net.left_pa[n] / 1e6)


def test_heat_in_is_heat_out_and_what_the_pipes_lose(system: HeatSystem) -> None:
    run(system, 24 * 60, -15.0)
    before = dict(system.energy_mwh)
    taken = {one.id: system.stations[one.id].primary_kwh for one in PLAN.exchanges}
    run(system, 24 * 60, -15.0)
    for net in system.networks:
        fired = system.energy_mwh[net.plant.id] - before[net.plant.id]
        drawn = sum(system.stations[one.id].primary_kwh - taken[one.id] for one in net.stations) / 1000
        assert 0.0 < (fired - drawn) / fired < 0.08  # losses of a good network


def test_what_buildings_get_is_what_they_lose_in_a_steady_state(system: HeatSystem) -> None:
    run(system, 5 * 24 * 60, -10.0)
    for station in system.stations.values():
        lost = PLAN.design.loss_w_m2_k * (station.building_c + 10) * station.plan.area_m2
        assert station.emitted_w == pytest.approx(station.power_w, rel=0.05)
        assert station.emitted_w < lost  # people give the rest


def test_the_energy_meters_never_run_backwards(system: HeatSystem) -> None:
    seen: list[float] = []
    run(system, 300, -20.0, each=lambda: seen.append(system.energy_mwh["HP-01"]))
    assert seen == sorted(seen)


def test_summer_is_off(system: HeatSystem) -> None:
    run(system, 60, 24.0, SUMMER)
    plant, exchange = system.readers["HP-01"](), system.readers["HX-001"]()
    assert (plant["flow_m3_h"], plant["power_kw"], exchange["primary_flow_m3_h"]) == (0, 0, 0)
    assert exchange["circulation_pump"] == "stopped"
    assert 18 < fmean(flat.wall_c for flat in system.flats.values()) < 32


def test_a_tripped_pump_stops_the_flow_and_the_building_cools(system: HeatSystem) -> None:
    run(system, 30, -20.0)
    warm = system.stations["HX-003"].building_c
    system.stations["HX-003"].pump_fault = True
    run(system, 240, -20.0)
    truth = system.readers["HX-003"]()
    assert truth["circulation_pump"] == "fault"
    assert truth["secondary_flow_m3_h"] < 0.03 * system.stations["HX-003"].plan.design_flow_m3_h  # type: ignore[operator]
    assert truth["valve_opening"] < 0.1  # type: ignore[operator]  # by interlock
    assert warm - system.stations["HX-003"].building_c > 0.5


def test_a_burst_shows_in_make_up_water_and_pressure(system: HeatSystem) -> None:
    run(system, 30, -20.0)
    net, n = system.place["HX-014"]
    quiet, pressure = net.makeup_kg_s, net.pressures(n)[1]
    net.burst[n] = 0.03 * sum(net.design_flow)
    run(system, 60, -20.0)
    assert net.makeup_kg_s > 5 * quiet
    assert net.pressures(n)[1] < pressure - 0.02


def test_fouling_opens_the_valve_and_warms_the_return(system: HeatSystem) -> None:
    run(system, 240, -20.0)
    station = system.stations["HX-021"]
    opening, back = station.opening, station.primary_back_c
    station.fouling = 0.45
    run(system, 240, -20.0)
    assert station.opening > opening + 0.05
    assert station.primary_back_c > back + 5


def test_the_network_agrees_with_pandapipes(system: HeatSystem) -> None:
    """The same tree, flows and supply temperature in the field's own solver: pressures and temperatures as ours."""
    pandapipes = pytest.importorskip("pandapipes", reason="in an environment of its own: docs/simulator.md")
    from tests.bench.heat_against_pandapipes import compare  # noqa: PLC0415

    run(system, 24 * 60, -20.0)
    for net in system.networks:
        worst_pa, worst_k = compare(pandapipes, net, ground_c=max(2.0, air(-20.0).ground_c))
        assert worst_pa < 0.04  # of the pump: our water has one density
        assert worst_k < 0.5
