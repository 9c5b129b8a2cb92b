"""One exchange station with the buildings behind it: plate exchanger, control valve, pumps, radiators, walls.

Stepped by the minute. The secondary side is quick (minutes), the buildings slow (days).
"""

from math import exp
from random import Random

from deploy.demo.city.heat.design import GAINS_W_M2, WATER_KG_M3, WATER_KJ_KG_K, HeatDesign, interpolate
from deploy.demo.city.heat.plan import Exchange

DT_S = 60.0
_C = WATER_KJ_KG_K * 1000
_KP, _KI = 0.006, 0.0011  # of the controller: opening for each K, and for each K and minute
_FASTEST = 0.06  # of the valve's way in a minute
_FULL_MPA, _LOW_MPA = 0.34, 0.29  # between these the make-up pump refills the secondary side [P]
_PUMP_MPA = 0.16
_BYPASS = 0.015  # of the flow goes on by itself when the pump stands
_RETURN_LAG_MIN = 9.0
_SUPPLY_LAG_MIN = 4.0
_MAKEUP_M3_H = 3.5
_LEAK_A_MINUTE = 0.00016  # MPa lost by drips and by whoever draws warm water from the radiators [P]


class Station:
    """Knobs for faults: `fouling` (share of the exchanger's ability), `pump_fault`, `stuck_at` (valve)."""

    def __init__(self, plan: Exchange, design: HeatDesign, random: Random) -> None:
        self.plan, self.design = plan, design
        self.m2_design = plan.area_m2 * design.secondary_kg_s_m2
        self.m1_design = plan.area_m2 * design.primary_kg_s_m2
        self._ua = plan.area_m2 * design.exchanger_w_m2_k * random.uniform(1.15, 1.30)
        self._random = random
        self.fouling, self.pump_fault, self.stuck_at = 1.0, False, -1.0
        self.opening = 0.5
        self.m2 = 0.0
        self.supply_c = self.back_c = self.building_c = design.room_c
        self._at_radiators_c = design.room_c
        self.primary_back_c = 45.0
        self.power_w = self.emitted_w = 0.0
        self.primary_kwh = self.secondary_kwh = plan.area_m2 * random.uniform(150, 420)
        self.return_mpa = random.uniform(_LOW_MPA, _FULL_MPA)
        self.refilling = False
        self._outdoor_c = 0.0
        self._error = 0.0

    def settle(self, outdoor_c: float) -> None:
        """Puts the station where it would be after days of this weather."""
        self._outdoor_c = outdoor_c
        self.building_c = self.design.room_c
        self.supply_c = self._at_radiators_c = interpolate(self.plan.curve, outdoor_c)
        need = max(2.0, self.design.loss_w_m2_k * (self.building_c - outdoor_c) - GAINS_W_M2)
        self.back_c = self.supply_c - need / (self.design.secondary_kg_s_m2 * _C)
        self.opening, self.m2 = 0.55, self.m2_design

    @property
    def mean_water_c(self) -> float:
        return (self._at_radiators_c + self.back_c) / 2

    @property
    def wanted_c(self) -> float:
        return interpolate(self.plan.curve, self._outdoor_c)

    def control(self, outdoor_c: float, *, heating: bool) -> float:
        """The valve's opening for the next minute. Follows the outdoor temperature of the last hour."""
        self._outdoor_c += (outdoor_c - self._outdoor_c) / 60
        pumping = heating and not self.pump_fault
        self.m2 += ((self.m2_design if pumping else _BYPASS * self.m2_design * heating) - self.m2) * 0.7
        if not heating or self.pump_fault:
            move = -_FASTEST
            self._error = 0.0
        else:
            error = self.wanted_c - self.supply_c
            move = _KP * (error - self._error) + _KI * error
            self._error = error
        if self.pump_fault:  # interlock: no flow, no heat; the valve's spring shuts it
            self.opening = max(0.0, self.opening - 0.5)
        elif self.stuck_at < 0:
            self.opening = min(1.0, max(0.0, self.opening + min(_FASTEST, max(-_FASTEST, move))))
        else:
            self.opening += min(_FASTEST, max(-_FASTEST, self.stuck_at - self.opening))
        return self.opening

    def exchange(self, arriving_c: float, m1: float) -> None:
        """Counterflow by effectiveness and number of transfer units; cleaner or faster flow transfers more."""
        heat = 0.0
        if m1 > 0.01 * self.m1_design and self.m2 > 0.001 * self.m2_design:
            ua = self._ua * self.fouling * (m1 / self.m1_design * self.m2 / self.m2_design) ** 0.35
            small, large = sorted((m1 * _C, self.m2 * _C))
            ratio = small / large
            ntu = ua / small
            if ratio < 0.999:  # noqa: PLR2004 - beyond, the formula divides by nothing
                e = exp(-ntu * (1 - ratio))
                effect = (1 - e) / (1 - ratio * e)
            else:
                effect = ntu / (1 + ntu)
            heat = effect * small * (arriving_c - self.back_c)
            self.primary_back_c += (arriving_c - heat / (m1 * _C) - self.primary_back_c) * 0.6
            self.supply_c += (self.back_c + heat / (self.m2 * _C) - self.supply_c) * min(0.5, 2 * self.m2 / self.m2_design)
        else:
            self.primary_back_c += (25.0 - self.primary_back_c) / 400
            self.supply_c += (25.0 - self.supply_c) / 250
        self.power_w = heat
        self.primary_kwh += heat * DT_S / 3.6e6
        self.secondary_kwh += heat * DT_S / 3.6e6

    def warm(self, outdoor_c: float, gains_w_m2: float) -> None:
        """Radiators give what the water brings them, the walls keep it a while."""
        self._at_radiators_c += (self.supply_c - self._at_radiators_c) / _SUPPLY_LAG_MIN
        emitted = self.plan.area_m2 * self.design.radiator_w_m2(self.mean_water_c, self.building_c)
        self.emitted_w = emitted
        if self.m2 > 0.1 * self.m2_design:
            cooled_c = self._at_radiators_c - emitted / (self.m2 * _C)
            self.back_c += (max(self.building_c, cooled_c) - self.back_c) / _RETURN_LAG_MIN
        else:  # standing water cools where it is
            self.back_c += (self.building_c - self.back_c) / 90
            self._at_radiators_c += (self.building_c - self._at_radiators_c) / 90
            emitted *= 0.5
        gain = emitted / self.plan.area_m2 + gains_w_m2
        loss = self.design.loss_w_m2_k * (self.building_c - outdoor_c)
        self.building_c += (gain - loss) * DT_S / self.design.capacity_j_m2_k
        if outdoor_c > 15 and self.building_c > outdoor_c + 4:  # noqa: PLR2004 - summer: windows are open
            self.building_c += (outdoor_c + 4 - self.building_c) / 600

    def hold_pressure(self) -> None:
        self.return_mpa -= _LEAK_A_MINUTE * self._random.uniform(0.5, 1.5)
        if self.return_mpa < _LOW_MPA:
            self.refilling = True
        if self.refilling:
            self.return_mpa += 0.004
            self.refilling = self.return_mpa < _FULL_MPA

    @property
    def makeup_m3_h(self) -> float:
        return _MAKEUP_M3_H * (self.plan.area_m2 / 80_000) if self.refilling else 0.0

    @property
    def flow_m3_h(self) -> float:
        return self.m2 * 3600 / WATER_KG_M3

    @property
    def pump_mpa(self) -> float:
        share = self.m2 / self.m2_design
        return _PUMP_MPA * share * share
