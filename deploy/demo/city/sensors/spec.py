"""How well each kind of instrument measures [P: data sheets' usual figures]: a table, by metric and where needed by kind."""

from math import floor
from random import Random
from typing import NamedTuple

from deploy.demo.city.chance import dice
from schemas.kind import Kind
from schemas.metric import Metric, Nature

INF = float("inf")


class Spec(NamedTuple):
    """An instrument's qualities.

    noise     standard deviation from one reading to the next, in the metric's unit
    relative  the same as a share of the value
    digits    the instrument's resolution, decimals
    bias      standard deviation of the constant error between instruments; within half a year it drifts by as much again
    low, high what the instrument cannot show less or more than
    """

    noise: float = 0.0
    relative: float = 0.0
    digits: int = 2
    bias: float = 0.0
    low: float = -INF
    high: float = INF


EXACT = Spec(digits=3)
_WATER_TEMP = Spec(noise=0.05, digits=1, bias=0.2)
_FLOW = Spec(relative=0.006, digits=1, low=0.0)
_SEWER_FLOW = Spec(noise=0.3, relative=0.02, digits=1)
_PRESSURE = Spec(noise=0.0012, digits=3, bias=0.003)

_BY_NAME = {
    "supply_v": Spec(noise=0.02, digits=2, bias=0.05, low=0.0),
    "lat": Spec(noise=0.00002, digits=6),
    "lon": Spec(noise=0.00003, digits=6),
    "current_fuel_percent": Spec(digits=2, low=0.0, high=1.0),
    "fill": Spec(noise=0.006, digits=2, bias=0.01, low=0.0, high=1.2),
    "hydraulic_pressure_mpa": Spec(noise=0.04, digits=2, bias=0.05, low=0.0),
    "motor_current_a": Spec(relative=0.012, digits=1, low=0.0),
    "motor_temp_c": Spec(noise=0.2, digits=1, bias=0.5),
    "nh3_mg_m3": Spec(noise=0.012, relative=0.02, digits=2, bias=0.02, low=0.0),
    "h2s_mg_m3": Spec(noise=0.0008, relative=0.02, digits=3, bias=0.0012, low=0.0),
    "humidity_percent": Spec(noise=0.5, digits=1, bias=1.2, low=2.0, high=100.0),
    "ph": Spec(noise=0.015, digits=2, bias=0.05),
    "level_m": Spec(noise=0.003, digits=3, bias=0.004, low=0.0),
    "volume_m3": Spec(noise=1.5, digits=0, low=0.0),
    "inflow_m3_h": Spec(relative=0.01, digits=1, low=0.0),
    "outflow_m3_h": Spec(relative=0.01, digits=1, low=0.0),
    "velocity_m_s": Spec(noise=0.006, relative=0.02, digits=2),
    "intensity_mm_h": Spec(relative=0.03, digits=1, low=0.0),
    "moisture": Spec(noise=0.002, digits=3, bias=0.008, low=0.0),
    "infiltration_mm_h": Spec(relative=0.04, digits=1, low=0.0),
    "depth_m": Spec(noise=0.0015, digits=3, low=0.0),
    "valve_opening": Spec(noise=0.002, digits=3, low=0.0, high=1.0),
    "outdoor_temp_c": Spec(noise=0.05, digits=1, bias=0.15),
    "power_kw": Spec(relative=0.006, digits=0, low=0.0),
    "primary_power_kw": Spec(relative=0.006, digits=1, low=0.0),
    "secondary_power_kw": Spec(relative=0.006, digits=1, low=0.0),
    "makeup_flow_m3_h": Spec(relative=0.015, digits=2, low=0.0),
    "secondary_makeup_flow_m3_h": Spec(relative=0.015, digits=2, low=0.0),
}
_BY_KIND = {
    ("level", "flow_m3_h"): _SEWER_FLOW,
    ("indoor", "temp_c"): Spec(noise=0.04, digits=1, bias=0.15),
    ("bin", "temp_c"): Spec(noise=0.3, digits=1, bias=0.4),
    ("air", "temp_c"): Spec(noise=0.08, digits=1, bias=0.2),
    ("soil", "temp_c"): Spec(noise=0.04, digits=1, bias=0.1),
}
# Counters that live in a device's memory and begin again with it; meters of heat keep theirs over years
VOLATILE = frozenset({"rain_mm", "cycles", "energy_kwh"})


def spec_of(kind: Kind, metric: Metric) -> Spec:
    if metric.nature is Nature.COUNTER:
        return Spec(digits=1 if metric.name == "rain_mm" else 2, low=0.0)
    found = _BY_KIND.get((kind.name, metric.name)) or _BY_NAME.get(metric.name)
    if found:
        return found
    for ending, spec in (("_temp_c", _WATER_TEMP), ("_pressure_mpa", _PRESSURE), ("flow_m3_h", _FLOW)):
        if metric.name.endswith(ending):
            return spec
    return EXACT


class Instrument(NamedTuple):
    """One metric of one device, made ready: its own constant error, and how fast that wanders."""

    noise: float
    relative: float
    digits: int
    low: float
    high: float
    bias: float
    drift_day: float

    def show(self, value: float, days: float, deviate: float) -> float:
        """`deviate` is the luck of this reading, of standard deviation 1."""
        shown = value + self.bias + self.drift_day * days + deviate * (self.noise + self.relative * value)
        return round(self.low if shown < self.low else min(shown, self.high), self.digits)


# Normal deviates, drawn once: looking one up costs a tenth of drawing it, and every device walks them with a stride of its own
_LUCK_BITS = 13
LUCK_MASK = (1 << _LUCK_BITS) - 1
_luck = dice(0, "luck")
LUCK = tuple(_luck.gauss(0, 1) for _ in range(LUCK_MASK + 1))


def instruments(kind: Kind, random: Random, noise: float) -> tuple[dict[str, Instrument], dict[str, float]]:
    """By metric: those that measure, and the scale of those that count in fractions. Whole numbers and states need neither."""
    gauges: dict[str, Instrument] = {}
    counters: dict[str, float] = {}
    for metric in kind.metrics:
        if metric.type != "float" or kind.event:
            continue
        spec = spec_of(kind, metric)
        if metric.nature is Nature.COUNTER:
            counters[metric.name] = 10.0**spec.digits
            continue
        bias, drift = (noise * spec.bias * random.gauss(0, 1) for _ in range(2))
        gauges[metric.name] = Instrument(
            noise * spec.noise, noise * spec.relative, spec.digits, spec.low, spec.high, bias, drift / 180
        )
    return gauges, counters


def complete(value: float, scale: float) -> float:
    """A counter only shows what is complete: rounded to the nearest it would step back."""
    return floor(value * scale + 1e-6) / scale
