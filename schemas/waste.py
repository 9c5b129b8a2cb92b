"""Waste transfer stations 垃圾压缩转运站: compactors, weighbridges, the air and the leachate, and the roadside containers."""

from collections.abc import Mapping
from typing import Any

from schemas.aggregate import MINUTE, QUARTER
from schemas.indicator import LONG, SHORT, Amount, Detail, Indicator, Target, highest, lowest, ratio, share, total
from schemas.instants import MINUTE_MS
from schemas.kind import Kind, Parameter, Stream
from schemas.metric import LOGGER_SENTINELS, PUMP, Aggregation, Check, Metric, Param, Range, counter, gauge, label, state
from schemas.reason import Flag
from schemas.view import Absent, View

_P95 = (Aggregation.P95,)


def _fill(en: str, zh: str) -> Metric:
    return gauge(
        "fill",
        "1",
        en,
        zh,
        possible=Range(-0.5, 3),
        plausible=Range(0, 1.2),
        source="S: FIWARE WasteContainer fillingLevel 0 to 1; P: heaped to 1.2",
    )


COMPACTOR = Kind(
    name="compactor",
    en="Compactor",
    zh="压缩机",
    interval_s=60,
    metrics=(
        _fill("Fill", "填充率"),
        gauge(
            "hydraulic_pressure_mpa",
            "MPa",
            "Hydraulic pressure",
            "液压压力",
            possible=Range(-1, 100),
            plausible=Range(-0.1, 31.5),
            extra=_P95,
            source="P: 31.5 MPa is the usual nominal pressure of such hydraulics",
        ),
        gauge(
            "motor_current_a",
            "A",
            "Motor current",
            "电机电流",
            possible=Range(-10, 2_000),
            plausible=Range(-0.5, 250),
            extra=_P95,
            source="P: motors to 75 kW at 380 V, with their starting current",
        ),
        gauge(
            "motor_temp_c",
            "Cel",
            "Motor temperature",
            "电机温度",
            possible=Range(-60, 300),
            plausible=Range(-45, 155),
            max_per_minute=20,
            source="P: winding of class F, 155 Cel; Harbin's winters",
        ),
        counter("cycles", "1", "Compaction cycles", "压缩次数", type="int", possible=Range(0, 10**12), source="P"),
        state("state", "State", "运行状态", "idle", "compacting", "full", "fault", source="P: issue 3"),
        state("is_door_open", "Door open", "料门打开", source="P"),
        counter("energy_kwh", "kW.h", "Motor energy", "电机电能", source="P"),
    ),
)

# A scale's own error: twice 10 kg of resolution, or 1 %
_SCALE_KG = 20.0
_SCALE_PART = 0.01


def _net_agrees(values: Mapping[str, Any], _params: Mapping[str, Any]) -> bool:
    gross, tare, net = values["gross_kg"], values["tare_kg"], values["net_kg"]
    return bool(abs(gross - tare - net) <= max(_SCALE_KG, _SCALE_PART * gross))


WEIGHBRIDGE = Kind(
    name="weighbridge",
    en="Weighbridge",
    zh="地磅",
    event=True,
    interval_s=3_600,
    metrics=(
        gauge(
            "gross_kg",
            "kg",
            "Gross mass",
            "毛重",
            possible=Range(0, 200_000),
            plausible=Range(500, 60_000),
            source="P: GB 1589 allows 49 t; scales of 60 t",
        ),
        gauge(
            "tare_kg",
            "kg",
            "Tare mass",
            "皮重",
            possible=Range(0, 200_000),
            plausible=Range(300, 25_000),
            source="P: from the electric three-wheeler to the largest hook-lift truck",
        ),
        gauge(
            "net_kg",
            "kg",
            "Net mass",
            "净重",
            required=True,
            possible=Range(-1_000, 200_000),
            plausible=Range(0, 40_000),
            extra=(Aggregation.SUM,),
            source="S: FIWARE WasteObserved, net = gross - tare; P: bounds",
        ),
        label("route_no", "1", "Route", "线路编号", type="int", possible=Range(0, 999_999), source="P: the operator's numbers"),
        state("source", "Source", "来源", "households", "streets", "market", "green", "other", source="P"),
    ),
    checks=(
        Check(
            Flag.INCONSISTENT,
            ("gross_kg", "tare_kg", "net_kg"),
            _net_agrees,
            "Gross less tare is net, within 20 kg or 1 % of gross.",
        ),
    ),
)

AIR = Kind(
    name="air",
    en="Air of a transfer station",
    zh="转运站空气",
    interval_s=60,
    metrics=(
        gauge(
            "nh3_mg_m3",
            "mg/m3",
            "Ammonia",
            "氨气浓度",
            possible=Range(-5, 5_000),
            plausible=Range(-0.1, 500),
            extra=_P95,
            source="P: field range; S: GB 14554-93 boundary 1.5, GB/T 50493 alarms 20 and 40 are for rules",
        ),
        gauge(
            "h2s_mg_m3",
            "mg/m3",
            "Hydrogen sulphide",
            "硫化氢浓度",
            possible=Range(-5, 5_000),
            plausible=Range(-0.05, 1_000),
            extra=_P95,
            source="P: field range; S: GB 14554-93 boundary 0.06, GB/T 50493 alarms 10 and 20 are for rules",
        ),
        gauge(
            "temp_c",
            "Cel",
            "Temperature",
            "温度",
            possible=Range(-60, 100),
            plausible=Range(-45, 60),
            max_per_minute=5,
            source="P: outdoor range of Harbin, and a hall in the sun",
        ),
        gauge(
            "humidity_percent",
            "%",
            "Relative humidity",
            "相对湿度",
            possible=Range(-5, 120),
            plausible=Range(0, 100),
            source="P: physical; sensors overshoot 100 by a little when wet",
        ),
    ),
)

LEACHATE = Kind(
    name="leachate",
    en="Leachate sump",
    zh="渗滤液池",
    params=(
        Parameter("depth_m", "m", "Depth of the sump", "池深"),
        Parameter("pump_start_m", "m", "Level at which the pump starts", "启泵液位"),
        Parameter("pump_stop_m", "m", "Level at which the pump stops", "停泵液位"),
    ),
    interval_s=300,
    metrics=(
        gauge(
            "level_m",
            "m",
            "Level",
            "液位",
            possible=Range(-1, Param("depth_m", offset=5)),
            plausible=Range(-0.05, Param("depth_m", offset=0.5)),
            max_per_minute=0.5,
            sentinels=LOGGER_SENTINELS,
            source="P: the sump's depth (param depth_m), and half a metre of overflow",
        ),
        gauge(
            "ph",
            "[pH]",
            "pH",
            "pH值",
            possible=Range(-1, 15),
            plausible=Range(3, 11),
            source="P: fresh leachate is sour, 4 to 6.5, old is 7 to 8.5",
        ),
        state("pump", "Pump", "排污泵状态", *PUMP, source="P"),
    ),
)

BIN = Kind(
    name="bin",
    en="Roadside container",
    zh="路边垃圾箱",
    params=(Parameter("volume_m3", "m3", "Volume", "容积"),),
    interval_s=3_600,
    metrics=(
        _fill("Fill", "填充率"),
        state(
            "fill_light",
            "Fill, in three steps",
            "满溢指示灯",
            "green",
            "yellow",
            "red",
            source="V: what BigBelly containers report instead of a fraction",
        ),
        gauge(
            "temp_c",
            "Cel",
            "Temperature inside",
            "箱内温度",
            possible=Range(-60, 500),
            plausible=Range(-45, 90),
            sentinels=LOGGER_SENTINELS,
            source="P: a bin in the sun; above 90 it burns or the sensor is broken",
        ),
        state(
            "status",
            "Status",
            "状态",
            "ok",
            "lidOpen",
            "dropped",
            "moved",
            "vandalized",
            "burning",
            "unknown",
            source="S: FIWARE WasteContainer",
        ),
    ),
)

# The state of the city
NH3_LIMIT_MG_M3, H2S_LIMIT_MG_M3 = 1.5, 0.06
_BOUNDARY = "S: GB 14554-93 table 1, class 2 of new works: NH3 1.5, H2S 0.06 mg/m3 at the site's boundary"
_FULL, _DUE = 1.0, 0.8


def _minutes_to_full(compactor: View) -> float:
    """As it rose since the window before; one that does not rise does not count."""
    before, now = compactor.past(), compactor.last("fill")
    rise = now - before.last("fill")
    if rise <= 0:
        raise Absent("fill")
    minutes = (compactor.start - before.start) / MINUTE_MS
    return float(max(0.0, (_FULL - now) / rise * minutes))


def _due(container: View) -> float:
    """By its fill, or by its light where it has but that."""
    if container.has("fill"):
        return float(container.last("fill") >= _DUE)
    return float(container.last("fill_light") == "red")


_TONNES = Amount("tonnes", "weighbridge", ("net_kg",), lambda w: w.sum("net_kg") / 1_000)
_TRUCKS = Amount("trucks", "weighbridge", ("net_kg",), lambda w: w.count("net_kg"))
_ENERGY = Amount("energy_kwh", "compactor", ("energy_kwh",), lambda c: c.increase("energy_kwh"))
_CYCLES = Amount("cycles", "compactor", ("cycles",), lambda c: c.increase("cycles"))
_FILL = Amount("fill", "compactor", ("fill",), lambda c: c.last("fill"))
_TO_FULL = Amount("minutes_to_full", "compactor", ("fill",), _minutes_to_full, QUARTER, past=True)
_NH3 = Amount(
    "hours_above_nh3",
    "air",
    ("nh3_mg_m3",),
    lambda a: (a.mean("nh3_mg_m3") > NH3_LIMIT_MG_M3) * a.spoken_hours,
    MINUTE,
)
_H2S = Amount(
    "hours_above_h2s",
    "air",
    ("h2s_mg_m3",),
    lambda a: (a.mean("h2s_mg_m3") > H2S_LIMIT_MG_M3) * a.spoken_hours,
    MINUTE,
)
_CONTAINERS_DUE = Amount("containers_due", "bin", ("fill", "fill_light"), _due, either=True)
_BIN_FILL = Amount("bin_fill", "bin", ("fill",), lambda b: b.last("fill"))
_CLEAN = Target(0, 1, "P: none is wished, an hour is too much")
_TO_FULL_TARGET = Target(120, 45, "P: time for a truck to be sent, and too late for one")

INDICATORS = (
    Indicator(
        name="tonnes",
        unit="t",
        en="Waste weighed in",
        zh="进站垃圾量",
        formula="sum of net_kg / 1000, of trucks whose gross less tare agrees",
        amounts=(_TONNES,),
        value=total,
        source="S: FIWARE WasteObserved, net = gross - tare",
    ),
    Indicator(
        name="trucks",
        unit="1",
        en="Trucks weighed",
        zh="过磅车次",
        formula="number of net_kg, of trucks whose gross less tare agrees",
        amounts=(_TRUCKS,),
        value=total,
    ),
    Indicator(
        name="weighings_doubtful",
        unit="1",
        en="Weighings that do not agree",
        zh="过磅数据不符占比",
        formula="weighings flagged, by inconsistent above all / all weighings",
        amounts=(
            Amount("weighings_doubtful", "weighbridge", (), lambda w: w.suspect),
            Amount("weighings", "weighbridge", (), lambda w: w.readings),
        ),
        value=ratio,
        target=Target(0, 0.02, "P"),
        source="S: FIWARE WasteObserved, net = gross - tare; P: within 20 kg or 1 %",
    ),
    Indicator(
        name="fill_highest",
        unit="1",
        en="Fullest compactor",
        zh="最高填充率",
        formula="greatest last fill of the compactors",
        amounts=(_FILL,),
        value=highest,
        target=Target(0.8, 0.95, "P"),
    ),
    Indicator(
        name="minutes_to_full",
        unit="min",
        en="Until the first compactor is full",
        zh="最快满箱时间",
        formula="least (1 - last fill) / rise of fill a minute since the quarter before, of compactors that fill",
        amounts=(_TO_FULL,),
        value=lowest,
        windows=SHORT,
        target=_TO_FULL_TARGET,
        source="P: a straight line through two quarters",
    ),
    Indicator(
        name="cycles",
        unit="1",
        en="Compaction cycles",
        zh="压缩次数",
        formula="sum of the increases of cycles",
        amounts=(_CYCLES,),
        value=total,
    ),
    Indicator(
        name="energy_per_tonne",
        unit="kW.h/t",
        en="Compactors' energy a tonne",
        zh="吨垃圾压缩能耗",
        formula="sum of the increases of energy_kwh / (sum of net_kg / 1000)",
        amounts=(_ENERGY, _TONNES),
        value=ratio,
        windows=LONG,
        target=Target(3, 6, "P"),
    ),
    Indicator(
        name="hours_above_nh3",
        unit="h",
        en="Hours above the NH3 limit, all sensors",
        zh="氨气超标时长合计",
        formula="hours of sensors in minutes whose mean nh3_mg_m3 is above 1.5; a reading speaks for its interval",
        amounts=(_NH3,),
        value=total,
        target=_CLEAN,
        source=_BOUNDARY,
    ),
    Indicator(
        name="hours_above_h2s",
        unit="h",
        en="Hours above the H2S limit, all sensors",
        zh="硫化氢超标时长合计",
        formula="hours of sensors in minutes whose mean h2s_mg_m3 is above 0.06; a reading speaks for its interval",
        amounts=(_H2S,),
        value=total,
        target=_CLEAN,
        source=_BOUNDARY,
    ),
    Indicator(
        name="containers_due",
        unit="1",
        en="Containers to be emptied",
        zh="待清运垃圾箱",
        formula="containers whose last fill is >= 0.8, or without it whose last fill_light is red",
        amounts=(_CONTAINERS_DUE,),
        value=total,
        windows=LONG,
        source="S: FIWARE WasteContainer binFullnessThreshold; P: 0.8",
    ),
    Indicator(
        name="containers_due_share",
        unit="1",
        en="Share of containers to be emptied",
        zh="待清运垃圾箱占比",
        formula="containers_due / containers that reported",
        amounts=(_CONTAINERS_DUE,),
        value=share,
        windows=LONG,
        target=Target(0.05, 0.15, "P"),
    ),
)

DETAILS = (
    Detail(name="tonnes", unit="t", en="Waste weighed in", zh="进站垃圾量", amount=_TONNES),
    Detail(name="trucks", unit="1", en="Trucks weighed", zh="过磅车次", amount=_TRUCKS),
    Detail(name="cycles", unit="1", en="Compaction cycles", zh="压缩次数", amount=_CYCLES),
    Detail(name="energy_kwh", unit="kW.h", en="Motor energy", zh="电机电能", amount=_ENERGY),
    Detail(name="fill", unit="1", en="Fill", zh="填充率", amount=_FILL, windows=(QUARTER,)),
    Detail(
        name="minutes_to_full",
        unit="min",
        en="Until it is full",
        zh="预计满箱时间",
        amount=_TO_FULL,
        target=_TO_FULL_TARGET,
    ),
    Detail(name="hours_above_nh3", unit="h", en="Hours above the NH3 limit", zh="氨气超标时长", amount=_NH3, source=_BOUNDARY),
    Detail(name="hours_above_h2s", unit="h", en="Hours above the H2S limit", zh="硫化氢超标时长", amount=_H2S, source=_BOUNDARY),
    Detail(name="fill", unit="1", en="Fill", zh="填充率", amount=_BIN_FILL, windows=(QUARTER,)),
    Detail(name="due", unit="1", en="To be emptied", zh="待清运", amount=_CONTAINERS_DUE, windows=(QUARTER,)),
)

STREAM = Stream(
    name="waste",
    en="Waste transfer stations",
    zh="垃圾压缩转运站",
    kinds=(COMPACTOR, WEIGHBRIDGE, AIR, LEACHATE, BIN),
    indicators=INDICATORS,
    details=DETAILS,
    served=("compactor", "air", "bin"),
)
