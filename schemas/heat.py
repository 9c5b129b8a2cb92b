"""Heat sources 热源: boiler houses, heat-exchange stations with a primary and a secondary side, and the rooms they are for."""

from collections.abc import Mapping
from typing import Any

from schemas.indicator import DAILY, Amount, Detail, Indicator, Target, lowest, mean, percent, share, total
from schemas.kind import Kind, Parameter, Stream
from schemas.metric import PUMP, Aggregation, Check, Metric, Range, counter, gauge, state
from schemas.reason import Flag
from schemas.view import View

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

# The state of the city
DUTY_C, COLD_C = 20.0, 16.0
_DUTY = "S: heating ordinance of Heilongjiang, 2021: bedroom and living room at 20 Cel and above all day"
_REFUND = "S: the same ordinance: below 20 half of the day's charge is paid back, below 16 all; it is measured on site"


def _refund(room: View) -> float:
    """The share of the day's charge."""
    temp = room.mean("temp_c")
    return 0.0 if temp >= DUTY_C else 0.5 if temp >= COLD_C else 1.0


def _above_curve(station: View) -> float:
    return station.mean("secondary_supply_temp_c") - station.curve("heating_curve", station.mean("outdoor_temp_c"))


def _plant_above_curve(plant: View) -> float:
    return plant.mean("supply_temp_c") - plant.curve("heating_curve", plant.mean("outdoor_temp_c"))


def _spread(side: str) -> Amount:
    supply, back = f"{side}_supply_temp_c", f"{side}_return_temp_c"
    return Amount(f"{side}_spread_k", "exchange", (supply, back), lambda x: x.mean(supply) - x.mean(back))


def _makeup(kind: str, makeup: str, flow: str) -> tuple[Amount, Amount]:
    """Only of devices that tell both."""
    both = (makeup, flow)
    return (
        Amount(f"{kind}_makeup", kind, both, lambda v: v.mean(makeup)),
        Amount(f"{kind}_circulation", kind, both, lambda v: v.mean(flow)),
    )


_ON_CURVE = ("secondary_supply_temp_c", "outdoor_temp_c")
_ABOVE = Amount("above_curve_k", "exchange", _ON_CURVE, _above_curve, params=("heating_curve",))
_PLANT_ON_CURVE = ("supply_temp_c", "outdoor_temp_c")
_PLANT_ABOVE = Amount("plant_above_curve_k", "plant", _PLANT_ON_CURVE, _plant_above_curve, params=("heating_curve",))
_ROOM = Amount("room_temp_c", "indoor", ("temp_c",), lambda r: r.mean("temp_c"))
_TAKEN = Amount("heat_taken_gj", "exchange", ("primary_energy_kwh",), lambda x: x.increase("primary_energy_kwh") * 0.0036)
_SIDES = {"primary": _spread("primary"), "secondary": _spread("secondary")}
_WARM_ENOUGH = Target(-2, -5, "P: the curve's own tolerance")
_PRIMARY_SPREAD = Target(40, 25, "P: design 130/70 at the coldest, less when it is mild")
_SECONDARY_SPREAD = Target(10, 5, "P: design 75/50 at the coldest, less when it is mild")

INDICATORS = (
    Indicator(
        name="rooms_warm",
        unit="1",
        en="Rooms at 20 °C and above",
        zh="室温达标率",
        formula="rooms whose mean temp_c is >= 20 / rooms that reported",
        amounts=(Amount("rooms_warm", "indoor", ("temp_c",), lambda r: r.mean("temp_c") >= DUTY_C),),
        value=share,
        target=Target(0.98, 0.95, "P: of the duty, which is all of them"),
        source=_DUTY,
    ),
    Indicator(
        name="rooms_never_cold",
        unit="1",
        en="Rooms at 20 °C and above all the time",
        zh="全时室温达标率",
        formula="rooms whose least temp_c is >= 20 / rooms that reported",
        amounts=(Amount("rooms_never_cold", "indoor", ("temp_c",), lambda r: r.min("temp_c") >= DUTY_C),),
        value=share,
        source=_DUTY,
    ),
    Indicator(
        name="room_days_half",
        unit="1",
        en="Room-days with half the charge back",
        zh="退费50%房间天数",
        formula="rooms whose mean temp_c of the day is below 20 and not below 16",
        amounts=(Amount("room_days_half", "indoor", ("temp_c",), lambda r: _refund(r) == 0.5),),  # noqa: PLR2004
        value=total,
        windows=DAILY,
        target=Target(0, 1, _REFUND),
        source=_REFUND,
    ),
    Indicator(
        name="room_days_full",
        unit="1",
        en="Room-days with all of the charge back",
        zh="退费100%房间天数",
        formula="rooms whose mean temp_c of the day is below 16",
        amounts=(Amount("room_days_full", "indoor", ("temp_c",), lambda r: _refund(r) == 1),),
        value=total,
        windows=DAILY,
        target=Target(0, 1, _REFUND),
        source=_REFUND,
    ),
    Indicator(
        name="room_temp_c",
        unit="Cel",
        en="Room temperature",
        zh="平均室温",
        formula="mean over rooms of the mean of temp_c",
        amounts=(_ROOM,),
        value=mean,
        target=Target(20, 18, _DUTY),
        source=_DUTY,
    ),
    Indicator(
        name="room_temp_lowest_c",
        unit="Cel",
        en="Coldest room",
        zh="最低室温",
        formula="least over rooms of the mean of temp_c",
        amounts=(_ROOM,),
        value=lowest,
        target=Target(20, 16, _DUTY),
        source=_DUTY,
    ),
    Indicator(
        name="above_curve_k",
        unit="K",
        en="Secondary supply above its heating curve",
        zh="二次供温与曲线偏差",
        formula="mean over stations of mean secondary_supply_temp_c - heating_curve at the mean outdoor_temp_c",
        amounts=(_ABOVE,),
        value=mean,
        target=_WARM_ENOUGH,
        source="P: the operator's curve, param heating_curve",
    ),
    Indicator(
        name="plant_above_curve_k",
        unit="K",
        en="Plants' supply above its heating curve",
        zh="热源供温与曲线偏差",
        formula="mean over plants of mean supply_temp_c - heating_curve at the mean outdoor_temp_c",
        amounts=(_PLANT_ABOVE,),
        value=mean,
        target=_WARM_ENOUGH,
        source="P: the operator's curve, param heating_curve",
    ),
    Indicator(
        name="primary_spread_k",
        unit="K",
        en="Primary temperature spread",
        zh="一次侧供回水温差",
        formula="mean over stations of mean primary_supply_temp_c - mean primary_return_temp_c",
        amounts=(_SIDES["primary"],),
        value=mean,
        target=_PRIMARY_SPREAD,
        source="P: design temperatures as CJJ 34 has them",
    ),
    Indicator(
        name="secondary_spread_k",
        unit="K",
        en="Secondary temperature spread",
        zh="二次侧供回水温差",
        formula="mean over stations of mean secondary_supply_temp_c - mean secondary_return_temp_c",
        amounts=(_SIDES["secondary"],),
        value=mean,
        target=_SECONDARY_SPREAD,
        source="P: design temperatures of radiators",
    ),
    Indicator(
        name="makeup_primary_percent",
        unit="%",
        en="Make-up of the primary circulation",
        zh="一次网补水率",
        formula="100 * sum over plants of mean makeup_flow_m3_h / sum of mean flow_m3_h",
        amounts=_makeup("plant", "makeup_flow_m3_h", "flow_m3_h"),
        value=percent,
        target=Target(0.5, 1, "P: CJJ 34, at most 0.5 % of the primary circulation"),
        source="P: CJJ 34",
    ),
    Indicator(
        name="makeup_secondary_percent",
        unit="%",
        en="Make-up of the secondary circulation",
        zh="二次网补水率",
        formula="100 * sum over stations of mean secondary_makeup_flow_m3_h / sum of mean secondary_flow_m3_h",
        amounts=_makeup("exchange", "secondary_makeup_flow_m3_h", "secondary_flow_m3_h"),
        value=percent,
        target=Target(1, 2, "P: CJJ 34, at most 1 % of the secondary circulation"),
        source="P: CJJ 34",
    ),
    Indicator(
        name="heat_delivered_gj",
        unit="GJ",
        en="Heat delivered by the plants",
        zh="热源供热量",
        formula="3.6 * sum over plants of the increase of energy_mwh",
        amounts=(Amount("heat_delivered_gj", "plant", ("energy_mwh",), lambda p: p.increase("energy_mwh") * 3.6),),
        value=total,
    ),
    Indicator(
        name="heat_taken_gj",
        unit="GJ",
        en="Heat taken by the stations",
        zh="换热站用热量",
        formula="0.0036 * sum over stations of the increase of primary_energy_kwh",
        amounts=(_TAKEN,),
        value=total,
    ),
)

DETAILS = (
    Detail(
        name="refund",
        unit="1",
        en="Share of the day's charge to be paid back",
        zh="当日应退费比例",
        amount=Amount("refund", "indoor", ("temp_c",), _refund),
        windows=DAILY,
        target=Target(0, 0.5, _REFUND),
        source=_REFUND,
    ),
    Detail(name="above_curve_k", unit="K", en="Above its heating curve", zh="供温与曲线偏差", amount=_ABOVE, target=_WARM_ENOUGH),
    Detail(name="heat_taken_gj", unit="GJ", en="Heat taken", zh="用热量", amount=_TAKEN),
    *(
        Detail(name=amount.name, unit="K", en=f"{side.title()} spread", zh=f"{zh}供回水温差", amount=amount)
        for (side, amount), zh in zip(_SIDES.items(), ("一次侧", "二次侧"), strict=True)
    ),
)

STREAM = Stream(
    name="heat",
    en="Heat sources",
    zh="热源",
    kinds=(PLANT, EXCHANGE, INDOOR),
    indicators=INDICATORS,
    details=DETAILS,
)
