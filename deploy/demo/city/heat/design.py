"""How the heating is dimensioned, from the file's few figures: flows, radiators, exchangers and the heating curve that belongs.

A building loses heat in proportion to the difference to outside, and people, sun and kitchens give it a little. A radiator gives
heat with the power 1.3 of its excess temperature [P: EN 442's exponent for panels and columns]. From these two follows the supply
temperature at any outdoor temperature; that line is the heating curve which the controllers follow and the registry tells.
"""

from collections.abc import Sequence
from math import log

from deploy.demo.city.district import HeatPart

WATER_KJ_KG_K = 4.187
WATER_KG_M3 = 980.0  # at 60 Cel
RADIATOR_EXPONENT = 1.3
GAINS_W_M2 = 4.0  # people, light, cooking, on average [P]
TIME_CONSTANT_H = 85.0  # of a multi-storey building of brick or concrete [P]
_CURVE_AT_C = (-30.0, -24.0, -18.0, -12.0, -6.0, 0.0, 6.0, 12.0)


class HeatDesign:
    """All per square metre of heated floor, so that one design fits every exchange station."""

    def __init__(self, part: HeatPart) -> None:
        self.part = part
        supply, back = part.secondary_design_c
        self.load_w_m2 = part.load_w_m2
        self.room_c = part.room_c
        # Losses that make the load right at design temperature
        self.loss_w_m2_k = (part.load_w_m2 + GAINS_W_M2) / (part.room_c - part.design_outdoor_c)
        self.capacity_j_m2_k = self.loss_w_m2_k * TIME_CONSTANT_H * 3600
        self.secondary_kg_s_m2 = part.load_w_m2 / (WATER_KJ_KG_K * 1000 * (supply - back))
        self.excess_k = (supply + back) / 2 - part.room_c
        primary_supply = interpolate(part.primary, part.design_outdoor_c)
        self.primary_return_c = back + 6.0
        self.primary_kg_s_m2 = part.load_w_m2 / (WATER_KJ_KG_K * 1000 * (primary_supply - self.primary_return_c))
        hot, cold = primary_supply - supply, self.primary_return_c - back
        self.exchanger_w_m2_k = part.load_w_m2 / ((hot - cold) / log(hot / cold))

    def radiator_w_m2(self, mean_water_c: float, room_c: float) -> float:
        excess = mean_water_c - room_c
        return 0.0 if excess <= 0 else self.load_w_m2 * float((excess / self.excess_k) ** RADIATOR_EXPONENT)

    def supply_c(self, outdoor_c: float) -> float:
        """The secondary supply temperature that keeps the design's room temperature for ever."""
        need = max(2.0, self.loss_w_m2_k * (self.room_c - outdoor_c) - GAINS_W_M2)
        excess = self.excess_k * float((need / self.load_w_m2) ** (1 / RADIATOR_EXPONENT))
        return self.room_c + excess + need / (self.secondary_kg_s_m2 * WATER_KJ_KG_K * 1000) / 2

    def curve(self) -> tuple[tuple[float, float], ...]:
        """As an engineer writes it: half degrees at a few outdoor temperatures, straight in between."""
        return tuple((outdoor, round(2 * self.supply_c(outdoor)) / 2) for outdoor in _CURVE_AT_C)


def interpolate(curve: Sequence[tuple[float, float]], x: float) -> float:
    """Straight lines between the points, level beyond them."""
    before = curve[0]
    if x <= before[0]:
        return before[1]
    for after in curve[1:]:
        if x <= after[0]:
            return before[1] + (x - before[0]) / (after[0] - before[0]) * (after[1] - before[1])
        before = after
    return before[1]
