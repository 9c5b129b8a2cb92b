"""The heat network against pandapipes: the same tree, flows and supply temperature, solved by the field's own library.

pandapipes 0.16 wants pandapower 3.3 and that packaging<26, pyswmm 2.2 wants packaging>=26: it lives in an environment of its own.
    python -m venv /tmp/pp && /tmp/pp/bin/pip install pandapipes==0.16.0 pydantic pyyaml orjson
    PYTHONPATH=. /tmp/pp/bin/python tests/bench/heat_against_pandapipes.py
"""

import sys
from typing import Any

from deploy.demo.city.district import load_district
from deploy.demo.city.heat.design import WATER_KJ_KG_K
from deploy.demo.city.heat.network import HOLD_MPA, Network
from deploy.demo.city.heat.system import HeatSystem
from deploy.demo.city.moment import Times
from deploy.demo.city.plan import plan_city
from deploy.demo.city.weather import Air
from schemas.instants import MINUTE_MS, parse_rfc3339

_KELVIN = 273.15
_BENDS = 1.3  # ours adds a third for bends and valves; a longer, better insulated pipe does the same
_LOSS_W_M_K = 0.35
_GROUND_C = 2.0


def compare(pandapipes: Any, net: Network, ground_c: float) -> tuple[float, float]:
    """The largest differences at any station: of pressure left, as a share of the pump's; of arriving temperature, in K."""
    grid = pandapipes.create_empty_network(fluid="water")

    def junction() -> int:
        top_bar = HOLD_MPA * 10 + net.head_pa / 1e5
        return int(pandapipes.create_junction(grid, pn_bar=top_bar, tfluid_k=net.supply_c + _KELVIN))

    places = {net.plant.id: (junction(), junction())}
    out, back = places[net.plant.id]
    lift = net.head_pa / 1e5
    pandapipes.create_circ_pump_const_pressure(grid, back, out, HOLD_MPA * 10 + lift, lift, t_flow_k=net.supply_c + _KELVIN)
    for n, one in enumerate(net.stations):
        places[one.id] = here = (junction(), junction())
        above = places[one.upstream]
        circumference = 3.14159265 * one.diameter_m
        length_km = one.length_m * _BENDS / 1000
        for start, end in ((above[0], here[0]), (here[1], above[1])):
            pandapipes.create_pipe_from_parameters(
                grid, start, end, length_km, one.diameter_m * 1000, k_mm=0.5, sections=5, text_k=ground_c + _KELVIN,
                u_w_per_m2k=_LOSS_W_M_K / circumference / _BENDS,
            )  # fmt: skip
        drawn_w = net.flow[n] * WATER_KJ_KG_K * 1000 * (net.arriving_c[n] - 45.0)
        pandapipes.create_heat_consumer(grid, *here, controlled_mdot_kg_per_s=net.flow[n], qext_w=drawn_w)
    pandapipes.pipeflow(grid, mode="sequential", iter=200, friction_model="nikuradse")
    pressure, temp = grid.res_junction.p_bar, grid.res_junction.t_k
    worst_pa = worst_k = 0.0
    for n, one in enumerate(net.stations):
        supply, ret = places[one.id]
        worst_pa = max(worst_pa, abs((pressure[supply] - pressure[ret]) * 1e5 - net.left_pa[n]) / net.head_pa)
        worst_k = max(worst_k, abs(temp[supply] - _KELVIN - net.arriving_c[n]))
    return worst_pa, worst_k


def main() -> None:
    import pandapipes  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    district = load_district()
    system = HeatSystem(plan_city(district).heat, district.calendar.heating, seed=1)
    times, start = Times(district.utc_offset_h), parse_rfc3339("2026-01-15T00:00:00+08:00")
    for minute in range(24 * 60):
        system.advance(times.at(start + minute * MINUTE_MS), Air(-20.0, _GROUND_C, 60.0, 0.0, 0.0, snow=False))
    for net in system.networks:
        worst_pa, worst_k = compare(pandapipes, net, _GROUND_C)
        line = f"{net.plant.id}: {len(net.stations)} stations, pressure within {worst_pa:.2%} of the pump's, {worst_k:.2f} K\n"
        sys.stdout.write(line)


if __name__ == "__main__":
    main()
