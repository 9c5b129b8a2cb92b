"""Rooms with a thermometer: the building's warmth, their own radiator and walls, people who come home and open windows."""

from math import exp
from random import Random

from deploy.demo.city.heat.design import HeatDesign
from deploy.demo.city.heat.plan import Room
from deploy.demo.city.heat.station import Station
from deploy.demo.city.moment import Moment
from deploy.demo.city.weather import Air
from schemas.metric import Value

STEP_MIN = 5
_AIRING_K = (0.5, 1.9)
_AIRS = 0.6  # of the days
_AIRING_MIN = 14.0  # half of it is gone after ten minutes


class Flat:
    """`warmth` is the fault's knob: the share of its water that still reaches this flat."""

    def __init__(self, plan: Room, station: Station, design: HeatDesign, random: Random) -> None:
        self.plan, self._station, self._design, self._random = plan, station, design, random
        self.warmth = 1.0
        self.wall_c = design.room_c + 15 * (plan.emission / plan.loss - 1)
        self._aired_k = 0.0
        self._damp = random.uniform(-4, 4)
        self._home = random.uniform(0.6, 1.4)
        self._airing_hour = random.choice((6.6, 7.2, 8.5, 12.3, 18.5, 20.8)) + random.uniform(-0.4, 0.4)

    def step(self, moment: Moment, air: Air, gains_w_m2: float) -> None:
        emitted = self.plan.emission * self._design.radiator_w_m2(self._station.mean_water_c, self.wall_c) * self.warmth
        if self._station.m2 < 0.1 * self._station.m2_design:
            emitted *= 0.5
        capacity = self._design.loss_w_m2_k * self.plan.hours * 3600
        gain = emitted + gains_w_m2 * self._home
        loss = self.plan.loss * self._design.loss_w_m2_k * (self.wall_c - air.outdoor_c)
        self.wall_c += (gain - loss) * STEP_MIN * 60 / capacity
        if air.outdoor_c > 15 and self.wall_c > air.outdoor_c + 4:  # noqa: PLR2004 - summer: windows are open
            self.wall_c += (air.outdoor_c + 4 - self.wall_c) / 60
        self._aired_k *= exp(-STEP_MIN / _AIRING_MIN)
        if 0 <= moment.hour - self._airing_hour < STEP_MIN / 60 and self._random.random() < _AIRS:
            cold = min(1.0, max(0.0, (self.wall_c - air.outdoor_c) / 40))
            self._aired_k = cold * self._random.uniform(*_AIRING_K)

    @property
    def now_c(self) -> float:
        return self.wall_c - self._aired_k

    def read(self, air: Air) -> dict[str, Value]:
        temp = self.now_c
        # Outdoor air's water at room temperature, and what people add: dry in winter, as everyone there knows
        water = air.humidity / 100 * _saturation(air.outdoor_c) + 3.1
        humidity = min(92.0, max(8.0, 100 * water / _saturation(temp) + self._damp))
        return {"temp_c": temp, "humidity_percent": humidity}


def _saturation(temp_c: float) -> float:
    """g/m3 of water that air can hold, by Magnus."""
    return 216.7 * 6.112 * exp(17.62 * temp_c / (243.12 + temp_c)) / (273.15 + temp_c)
