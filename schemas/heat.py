"""Heat sources 热源: boiler houses, heat-exchange stations with a primary and a secondary side, and the rooms they are for."""

from collections.abc import Mapping
from typing import Any

from schemas.kind import Kind, Parameter, Stream
from schemas.metric import PUMP, Aggregation, Check, Metric, Range, counter, gauge, state
from schemas.reason import Flag

_STEP_K = 15  # V: a recorded circuit moves by 10.3 K in a minute when its pump starts
_INVERTED_K = 5.0


def _water_temp(name: str, en: str, zh: str, plausible: Range, why: str) -> Metric:
    return gauge(
        name,
        "Cel",
        en,
        zh,
        possible=Range(-60, 200),
        plausible=plausible,
        max_per_minute=_STEP_K,
        source=f"P: {why}; V: 10.3 K in a minute seen",
    )


def _pressure(name: str, en: str, zh: str) -> Metric:
    return gauge(
        name,
        "MPa",
        en,
        zh,
        possible=Range(-0.5, 10),
        plausible=Range(-0.1, 2.5),
        source="P: nominal pressure 2.5 MPa; a little below 0 is a drained pipe",
    )


def _flow(name: str, en: str, zh: str, high: float, **rest: Any) -> Metric:
    """Against the arrow is flagged: a check valve that leaks, or a meter the wrong way round."""
    return gauge(
        name,
        "m3/h",
        en,
        zh,
        possible=Range(-100_000, 100_000),
        plausible=Range(0, high),
        source="P: zero or more, and the largest mains",
        **rest,
    )


def _power(name: str, en: str, zh: str, high: float) -> Metric:
    return gauge(
        name,
        "kW",
        en,
        zh,
        possible=Range(-1_000_000, 5_000_000),
        plausible=Range(-10, high),
        source="P: rated output; a heat meter at rest may show a little below 0",
    )


def _outdoor() -> Metric:
    return gauge(
        "outdoor_temp_c",
        "Cel",
        "Outdoor temperature",
        "室外温度",
        possible=Range(-70, 70),
        plausible=Range(-45, 45),
        max_per_minute=3,
        source="P: Harbin's records are -42.6 and 39.2; max_per_minute too",
    )


def _not_inverted(supply: str, back: str, flow: str) -> Check:
    """Without flow both pipes drift to the temperature about them, and either may be the warmer."""

    def holds(values: Mapping[str, Any], _params: Mapping[str, Any]) -> bool:
        return bool(values[flow] <= 0 or values[supply] >= values[back] - _INVERTED_K)

    return Check(
        Flag.INCONSISTENT,
        (supply, back, flow),
        holds,
        f"While water flows, {supply} is not more than {_INVERTED_K:g} K below {back}: sensors or pipes are swapped.",
    )


_DESIGN_FLOW = Parameter("design_flow_m3_h", "m3/h", "Design flow", "设计流量")

PLANT = Kind(
    name="plant",
    en="Boiler house",
    zh="锅炉房",
    params=(
        Parameter("rated_kw", "kW", "Rated output", "额定供热功率"),
        _DESIGN_FLOW,
        Parameter("heating_curve", "Cel", "Supply temperature by outdoor temperature", "供水温度曲线"),
    ),
    interval_s=60,
    metrics=(
        _water_temp("supply_temp_c", "Supply temperature", "供水温度", Range(-5, 150), "design 120 to 130 (CJJ 34)"),
        _water_temp("return_temp_c", "Return temperature", "回水温度", Range(-5, 120), "design 60 to 70 (CJJ 34)"),
        _pressure("supply_pressure_mpa", "Supply pressure", "供水压力"),
        _pressure("return_pressure_mpa", "Return pressure", "回水压力"),
        _flow("flow_m3_h", "Circulation flow", "循环流量", 20_000, stuck_after_min=30),
        _power("power_kw", "Thermal power", "热功率", 1_000_000),
        counter("energy_mwh", "MW.h", "Heat delivered", "累计供热量", source="P"),
        _flow("makeup_flow_m3_h", "Make-up water flow", "补水流量", 500),
        _outdoor(),
    ),
    checks=(_not_inverted("supply_temp_c", "return_temp_c", "flow_m3_h"),),
)


def _side(side: str, en: str, zh: str, plausible: Range, why: str) -> tuple[Metric, ...]:
    return (
        _water_temp(f"{side}_supply_temp_c", f"{en} supply temperature", f"{zh}供水温度", plausible, why),
        _water_temp(f"{side}_return_temp_c", f"{en} return temperature", f"{zh}回水温度", plausible, why),
        _pressure(f"{side}_supply_pressure_mpa", f"{en} supply pressure", f"{zh}供水压力"),
        _pressure(f"{side}_return_pressure_mpa", f"{en} return pressure", f"{zh}回水压力"),
        _flow(f"{side}_flow_m3_h", f"{en} flow", f"{zh}流量", 3_000),
        _power(f"{side}_power_kw", f"{en} thermal power", f"{zh}热功率", 100_000),
        counter(f"{side}_energy_kwh", "kW.h", f"{en} heat", f"{zh}累计热量", source="P"),
    )


EXCHANGE = Kind(
    name="exchange",
    en="Heat-exchange station",
    zh="换热站",
    params=(
        Parameter("heated_area_m2", "m2", "Heated area", "供热面积"),
        _DESIGN_FLOW,
        Parameter("heating_curve", "Cel", "Secondary supply temperature by outdoor temperature", "二次侧供水温度曲线"),
    ),
    interval_s=60,
    metrics=(
        *_side("primary", "Primary", "一次侧", Range(-5, 150), "primary design 130/70 (CJJ 34)"),
        *_side("secondary", "Secondary", "二次侧", Range(-5, 95), "secondary design 75/50 with radiators"),
        _flow("secondary_makeup_flow_m3_h", "Secondary make-up water flow", "二次侧补水流量", 100),
        gauge(
            "valve_opening",
            "1",
            "Control valve opening",
            "调节阀开度",
            possible=Range(-0.2, 1.5),
            plausible=Range(-0.02, 1.02),
            source="P: 0 to 1 and the positioner's error",
        ),
        state("circulation_pump", "Circulation pump", "循环泵状态", *PUMP, source="S: real station register maps; P: words"),
        state("makeup_pump", "Make-up pump", "补水泵状态", *PUMP, source="S: real station register maps; P: words"),
        _outdoor(),
    ),
    checks=(
        _not_inverted("primary_supply_temp_c", "primary_return_temp_c", "primary_flow_m3_h"),
        _not_inverted("secondary_supply_temp_c", "secondary_return_temp_c", "secondary_flow_m3_h"),
    ),
)

INDOOR = Kind(
    name="indoor",
    en="Room",
    zh="室内测温点",
    params=(Parameter("target_c", "Cel", "The least it must be", "达标室温"),),
    interval_s=600,
    metrics=(
        gauge(
            "temp_c",
            "Cel",
            "Room temperature",
            "室内温度",
            possible=Range(-60, 100),
            plausible=Range(-30, 45),
            max_per_minute=3,
            extra=(Aggregation.P95,),
            source="P: a room may freeze, and that must be seen; S: the duty of 20 Cel is for rules",
        ),
        gauge(
            "humidity_percent",
            "%",
            "Relative humidity",
            "相对湿度",
            possible=Range(-5, 120),
            plausible=Range(0, 100),
            source="P: physical",
        ),
    ),
)

STREAM = Stream(name="heat", en="Heat sources", zh="热源", kinds=(PLANT, EXCHANGE, INDOOR))
