"""UCUM codes, as metric rows have them, in Grafana's own words."""

from collections.abc import Mapping

from schemas.indicator import Detail, Indicator, ratio, share
from schemas.metric import Metric

_GRAFANA: Mapping[str, str] = {
    "Cel": "celsius",
    "kW": "kwatt",
    "kW.h": "kwatth",
    "MW.h": "suffix: MWh",
    "MPa": "suffix: MPa",
    "V": "volt",
    "A": "amp",
    "kg": "suffix: kg",  # masskg would make 3,800 kg "3.8 Mg"
    "mg/m3": "conmgm3",
    "%": "percent",
    "m": "suffix: m",  # lengthm would make 0.05 m "5 cm" beside "1.2 m" on one axis
    "mm": "suffix: mm",
    "mm/h": "suffix: mm/h",
    "m/s": "velocityms",
    "m3": "suffix: m³",
    "m3/h": "suffix: m³/h",
    "[pH]": "pH",
    "K": "suffix: K",  # Grafana's kelvin would be read as a temperature; these are differences
    "GJ": "suffix: GJ",
    "t": "suffix: t",
    "kW.h/t": "suffix: kWh/t",
    "1/h": "suffix: /h",
    "h": "suffix: h",
    "min": "suffix: min",
    "deg": "degree",
}
_LARGEST_FRACTION = 3


def unit_of(metric: Metric) -> str:
    """`1` is a fraction where it cannot be large, else a count."""
    if metric.unit in {"", "1"}:
        high = metric.plausible.high
        is_fraction = metric.type == "float" and isinstance(high, int | float) and high <= _LARGEST_FRACTION
        return "percentunit" if is_fraction else "none"
    return _GRAFANA.get(metric.unit, f"suffix: {metric.unit}")


def decimals_of(unit: str) -> int:
    """As many as can be read from five metres and still say something."""
    return {"none": 0, "suffix: min": 0, "suffix: m": 2}.get(unit, 1)


def unit_of_indicator(row: Indicator | Detail) -> str:
    """`1` is a count, or a fraction where it is formed as one or judged by one."""
    if row.unit != "1":
        return _GRAFANA.get(row.unit, f"suffix: {row.unit}")
    formed = isinstance(row, Indicator) and row.value in {share, ratio}
    judged = row.target is not None and not (float(row.target.good).is_integer() and float(row.target.poor).is_integer())
    return "percentunit" if formed or judged else "none"
