"""The primary network of one boiler house: pressures, flows and travelling temperatures.

A tree of pipe pairs with a pump at its root. For a tree the steady solution is exact and short: sum the flows from the leaves to
the root, subtract the friction on the way back, and what pressure is left drives each station's flow through its valve. It is
found again every minute, from where it was; `tests/unit/test_city_heat.py` holds it against pandapipes where that is installed.
"""

from collections import deque
from collections.abc import Sequence
from math import exp, pi, sqrt

from deploy.demo.city.heat.design import WATER_KG_M3, WATER_KJ_KG_K, HeatDesign
from deploy.demo.city.heat.plan import Exchange, Plant, resistance

PA_MPA = 1e6
HOLD_MPA = 0.30  # the boiler house keeps its return at this [P]
_STATION_MPA = 0.13  # left for the last station at design [P: 0.05 to 0.15]
_LOSS_W_M_K = 0.35  # of a pre-insulated pipe [P]
_RESERVE = 1.3  # of the pump, for friction on the coldest mornings: 14 % more flow
_RANGEABILITY = 30.0  # of an equal-percentage valve
_DESIGN_OPENING = 0.78
_LIMITER = 1.2  # each station's flow controller lets no more of its design flow through, or the last ones starve
_SWEEPS = 3
_HISTORY_MIN = 300
_LEAKS = 0.003  # of the circulation, always [P: at most 0.5 %]
_MAKEUP_LIMIT = 0.025  # of the circulation: what the make-up pumps can do


class Network:
    """`flow` is kg/s at each station, in the order of `stations`, upstream ones first. `burst` is kg/s lost beside a station."""

    def __init__(self, plant: Plant, stations: Sequence[Exchange], design: HeatDesign) -> None:
        self.plant, self.stations = plant, stations
        places = {one.id: n for n, one in enumerate(stations)}
        self._above = [places.get(one.upstream, -1) for one in stations]
        self.friction = [resistance(one.length_m, one.diameter_m) for one in stations]
        self._mass_kg = [one.length_m * pi * one.diameter_m**2 / 4 * WATER_KG_M3 for one in stations]
        self._loss_w_k = [one.length_m * _LOSS_W_M_K for one in stations]
        self.design_flow = [one.area_m2 * design.primary_kg_s_m2 for one in stations]
        self.flow = list(self.design_flow)
        self.burst = [0.0] * len(stations)
        drops = self._drops(self._sums(self.design_flow))
        self.head_pa = _RESERVE * max(drops, default=0.0) + _STATION_MPA * PA_MPA
        self.left_pa = [self.head_pa - drop for drop in drops]
        wide = _RANGEABILITY ** (_DESIGN_OPENING - 1)
        self._most = [_LIMITER * flow for flow in self.design_flow]
        self._kvs = [flow / sqrt(left) / wide for flow, left in zip(self.design_flow, self.left_pa, strict=True)]
        self.supply_c = self.return_c = 40.0
        self.arriving_c = [40.0] * len(stations)
        self._past: deque[float] = deque([40.0] * _HISTORY_MIN, maxlen=_HISTORY_MIN)
        self.sag_mpa = 0.0
        self.makeup_kg_s = 0.0
        self.pumped_kg_s = sum(self.flow)

    def solve(self, openings: Sequence[float], *, running: bool) -> None:
        """Flows for these valve openings, by Newton's steps, each valve for itself.

        Half the way at each, since what one valve gains its neighbours lose.
        """
        if not running:
            self.flow = [0.0] * len(self.flow)
            self.pumped_kg_s = self.makeup_kg_s = 0.0
            return
        kv = [kvs * _RANGEABILITY ** (u - 1) if u > 0.01 else 0.0 for kvs, u in zip(self._kvs, openings, strict=True)]  # noqa: PLR2004
        for _ in range(_SWEEPS):
            sums = self._sums(self.flow)
            self.left_pa = [max(0.0, self.head_pa - drop) for drop in self._drops(sums)]
            costs = self._costs(sums)
            wanted = map(_through, kv, self.left_pa, costs, self.flow, self._most)
            self.flow = [0.5 * (old + new) for old, new in zip(self.flow, wanted, strict=True)]
        self._make_up()

    def _costs(self, sums: tuple[list[float], list[float]]) -> list[float]:
        """What a station's next kg/s costs it in pressure on its own way, Pa s/kg."""
        costs: list[float] = []
        for n, (going, coming) in enumerate(zip(*sums, strict=True)):
            before = costs[self._above[n]] if self._above[n] >= 0 else 0.0
            costs.append(before + 2 * self.friction[n] * (going + coming))
        return costs

    def _sums(self, flow: Sequence[float]) -> tuple[list[float], list[float]]:
        """Through each supply pipe, which also feeds what bursts, and through each return pipe."""
        going = [own + lost for own, lost in zip(flow, self.burst, strict=True)]
        coming = list(flow)
        for n in range(len(going) - 1, -1, -1):
            if (above := self._above[n]) >= 0:
                going[above] += going[n]
                coming[above] += coming[n]
        return going, coming

    def _drops(self, sums: tuple[list[float], list[float]]) -> list[float]:
        """Friction on the way to each station and back, Pa."""
        drops: list[float] = []
        for n, (going, coming) in enumerate(zip(*sums, strict=True)):
            before = drops[self._above[n]] if self._above[n] >= 0 else 0.0
            drops.append(before + self.friction[n] * (going * going + coming * coming))
        return drops

    def _make_up(self) -> None:
        """What leaks is made up, as far as the pumps can; beyond that the pressure of the whole network sags."""
        circulating = sum(self.flow)
        lost = sum(self.burst)
        self.pumped_kg_s = circulating + lost
        limit = _MAKEUP_LIMIT * sum(self.design_flow)
        need = _LEAKS * circulating + lost
        self.makeup_kg_s = min(need, limit)
        sag = 0.02 * lost / limit + 0.06 * max(0.0, need - limit) / limit if lost else 0.0
        self.sag_mpa += (min(sag, HOLD_MPA - 0.05) - self.sag_mpa) / 8  # settles in some minutes

    def settle(self, supply_c: float, return_c: float) -> None:
        """As if the plant had been at these temperatures for hours."""
        self.supply_c, self.return_c = supply_c, return_c
        self._past.extend([supply_c] * _HISTORY_MIN)

    def pressures(self, n: int) -> tuple[float, float]:
        """Supply and return at a station, MPa; half of the friction lies on each side."""
        half = (self.head_pa - self.left_pa[n]) / 2 / PA_MPA
        base = HOLD_MPA - self.sag_mpa
        return base + self.head_pa / PA_MPA - half, base + half

    def travel(self, ground_c: float, station_return_c: Sequence[float]) -> None:
        """A minute of the journey: what was hot at the plant arrives later and a little cooler, and so does what comes back."""
        self._past.append(self.supply_c)
        going, _ = self._sums(self.flow)
        delay_s: list[float] = []
        keeps: list[float] = []
        heat = weight = 0.0
        for n, pipe in enumerate(going):
            above = self._above[n]
            flow = max(pipe, 0.02 * self.design_flow[n])
            delay_s.append((delay_s[above] if above >= 0 else 0.0) + self._mass_kg[n] / flow)
            keeps.append((keeps[above] if above >= 0 else 1.0) * exp(-self._loss_w_k[n] / (flow * WATER_KJ_KG_K * 1000)))
            minutes = min(_HISTORY_MIN - 1, round(delay_s[n] / 60))
            self.arriving_c[n] = ground_c + (self._past[_HISTORY_MIN - 1 - minutes] - ground_c) * keeps[n]
            heat += self.flow[n] * (ground_c + (station_return_c[n] - ground_c) * keeps[n])
            weight += self.flow[n]
        if weight > 0:
            lag_min = max(3.0, sum(f * d for f, d in zip(self.flow, delay_s, strict=True)) / weight / 60)
            self.return_c += (heat / weight - self.return_c) / lag_min
        else:
            self.return_c += (ground_c - self.return_c) / 2_000
            self.supply_c += (ground_c - self.supply_c) / 2_000


def _through(kv: float, left_pa: float, cost: float, flow: float, most: float) -> float:
    """The flow at which the valve takes just the pressure that is then left: m^2 / kv^2 = left - cost (m - flow)."""
    if kv <= 0:
        return 0.0
    square = kv * kv
    return min(most, square / 2 * (sqrt(cost * cost + 4 * (left_pa + cost * flow) / square) - cost))
