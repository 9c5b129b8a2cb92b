"""Sponge city 海绵城市: rain, what the sewers and basins make of it, the ground that should take it, and water on the road."""

from collections.abc import Sequence

from schemas.aggregate import QUARTER
from schemas.indicator import Amount, Detail, Event, Indicator, Pool, Span, Target, depth, highest, ratio, total
from schemas.kind import Kind, Parameter, Stream
from schemas.metric import LOGGER_SENTINELS, PUMP, Aggregation, Metric, Param, Range, counter, gauge, state
from schemas.view import View

_P95 = (Aggregation.P95,)


def _flow(name: str, en: str, zh: str) -> Metric:
    """Backwater turns a sewer's flow about: it is flagged, and must not be refused."""
    return gauge(
        name,
        "m3/h",
        en,
        zh,
        possible=Range(-100_000, 200_000),
        plausible=Range(0, 50_000),
        extra=_P95,
        source="P: zero or more; V: 9,153 m3/h seen at a treatment plant's inlet",
    )


RAIN = Kind(
    name="rain",
    en="Rain gauge",
    zh="雨量站",
    interval_s=60,
    metrics=(
        counter("rain_mm", "mm", "Accumulated rain", "累计雨量", source="P: a gauge counts from its start or last emptying"),
        gauge(
            "intensity_mm_h",
            "mm/h",
            "Rain intensity",
            "雨强",
            possible=Range(0, 3_000),
            plausible=Range(0, 1_200),
            extra=_P95,
            source="P: at most 20 mm in a minute",
        ),
    ),
)

LEVEL = Kind(
    name="level",
    en="Level gauge in a manhole, pipe or channel",
    zh="管网液位计",
    params=(
        Parameter("depth_m", "m", "From the bed to the cover", "井深"),
        Parameter("pipe_diameter_m", "m", "Diameter of the pipe", "管径"),
        Parameter("catchment_m2", "m2", "Area that drains past it; of outfalls alone, each area once", "汇水面积（仅排口）"),
        Parameter(
            "dry_flow_m3_h", "m3/h", "Flow in dry weather: a number, or pairs of hour and flow", "旱季流量（数值或按小时曲线）"
        ),
    ),
    interval_s=60,
    metrics=(
        gauge(
            "level_m",
            "m",
            "Water level",
            "液位",
            possible=Range(-1, Param("depth_m", offset=5)),
            plausible=Range(-0.05, Param("depth_m", offset=2)),
            sentinels=LOGGER_SENTINELS,
            extra=_P95,
            source="P: surcharge up to 2 m above the cover (param depth_m) is real",
        ),
        _flow("flow_m3_h", "Flow", "流量"),
        gauge(
            "velocity_m_s",
            "m/s",
            "Velocity",
            "流速",
            possible=Range(-20, 20),
            plausible=Range(-2, 6),
            source="P: sewers are laid for at most 5 m/s; backwater turns it about",
        ),
    ),
)

TANK = Kind(
    name="tank",
    en="Storage basin",
    zh="调蓄池",
    params=(
        Parameter("depth_m", "m", "Depth to the weir", "池深"),
        Parameter("volume_m3", "m3", "Volume to the weir", "有效容积"),
        Parameter("pump_start_m", "m", "Level at which the first pump starts", "启泵液位"),
        Parameter("pump_stop_m", "m", "Level at which the last pump stops", "停泵液位"),
    ),
    interval_s=60,
    metrics=(
        gauge(
            "level_m",
            "m",
            "Water level",
            "液位",
            possible=Range(-1, Param("depth_m", offset=5)),
            plausible=Range(-0.05, Param("depth_m", offset=0.5)),
            sentinels=LOGGER_SENTINELS,
            max_per_minute=1,
            source="P: the basin's depth (param depth_m), and half a metre over the weir",
        ),
        gauge(
            "volume_m3",
            "m3",
            "Stored volume",
            "蓄水量",
            possible=Range(-1_000, Param("volume_m3", scale=2)),
            plausible=Range(-1, Param("volume_m3", scale=1.1)),
            source="P: the basin's volume (param volume_m3), and a tenth over the weir",
        ),
        _flow("inflow_m3_h", "Inflow", "进水流量"),
        _flow("outflow_m3_h", "Outflow", "出水流量"),
        state("pump_1", "Pump 1", "1号泵状态", *PUMP, source="P"),
        state("pump_2", "Pump 2", "2号泵状态", *PUMP, source="P"),
    ),
)

SOIL = Kind(
    name="soil",
    en="Permeable ground",
    zh="透水地面",
    interval_s=300,
    metrics=(
        gauge(
            "moisture",
            "1",
            "Water content by volume",
            "土壤含水率",
            possible=Range(-0.2, 1.2),
            plausible=Range(0, 0.7),
            source="P: pores of mineral soils hold 0.3 to 0.6, of peat more",
        ),
        gauge(
            "infiltration_mm_h",
            "mm/h",
            "Infiltration rate",
            "入渗速率",
            possible=Range(-100, 50_000),
            plausible=Range(0, 5_000),
            source="P: new permeable pavement takes some thousand mm/h",
        ),
        gauge(
            "temp_c",
            "Cel",
            "Ground temperature",
            "土壤温度",
            possible=Range(-60, 100),
            plausible=Range(-40, 60),
            max_per_minute=2,
            source="P: near the surface in Harbin",
        ),
    ),
)

UNDERPASS = Kind(
    name="underpass",
    en="Water on the road in an underpass",
    zh="下穿立交积水点",
    params=(
        Parameter("warn_m", "m", "Depth at which to warn", "预警水深"),
        Parameter("close_m", "m", "Depth at which to close the road", "封路水深"),
    ),
    interval_s=60,
    metrics=(
        gauge(
            "depth_m",
            "m",
            "Water depth",
            "积水深度",
            possible=Range(-1, 20),
            plausible=Range(-0.05, 6),
            source="P: up to the ceiling; 0.15 and 0.27 m are for rules",
        ),
    ),
)

# The state of the city
ALMOST_FULL = 0.8
CLASSES_M = (0.15, 0.27, 0.50)
_CLASSES = "P: 15 cm is a kerb, 27 cm the exhaust of a car, 50 cm its door"


def _above_dry(outfall: View) -> float:
    """Cubic metres beyond what flows in dry weather, of outfalls whose area is known."""
    dry = outfall.curve("dry_flow_m3_h", outfall.day_hours)
    return max(0.0, outfall.mean("flow_m3_h") - dry) * outfall.spoken_hours


def _pump_hours(tank: View) -> float:
    return sum(tank.in_state(pump, "running") for pump in ("pump_1", "pump_2") if tank.has(pump))


def _held_back(pools: Sequence[Pool], _hours: float) -> float | None:
    """Of the rain on the outfalls' areas, what did not run off."""
    rain, runoff, area = pools
    if not (rain.n and runoff.n and area.n and rain.means > 0):
        return None
    fallen_m3 = rain.means / 1_000 * area.total / area.quarters
    return 1 - runoff.total / fallen_m3


_RAIN = Amount("rain_mm", "rain", ("rain_mm",), lambda r: r.increase("rain_mm"), QUARTER)
_OUTFALL = ("catchment_m2", "dry_flow_m3_h")
_RUNOFF = Amount("runoff_m3", "level", ("flow_m3_h",), _above_dry, QUARTER, _OUTFALL)
_AREA = Amount("catchment_m2", "level", ("flow_m3_h",), lambda o: o.param("catchment_m2"), QUARTER, _OUTFALL)
_ABOVE_80 = Amount(
    "manholes_above_80",
    "level",
    ("level_m",),
    lambda m: m.max("level_m") >= ALMOST_FULL * m.param("depth_m"),
    params=("depth_m",),
)
_SURCHARGED = Amount(
    "manholes_surcharged",
    "level",
    ("level_m",),
    lambda m: m.max("level_m") > m.param("pipe_diameter_m"),
    params=("pipe_diameter_m",),
)
_STORED = Amount("stored_m3", "tank", ("volume_m3",), lambda t: t.last("volume_m3"), params=("volume_m3",))
_STORAGE = Amount("storage_m3", "tank", ("volume_m3",), lambda t: t.param("volume_m3"), params=("volume_m3",))
_PUMPS = Amount("pump_hours", "tank", ("pump_1", "pump_2"), _pump_hours, either=True)
_WATER = Amount("water_m", "underpass", ("depth_m",), lambda u: u.max("depth_m"))
_HELD = "P: GB/T 51345-2018 asks for the share of the year's rain that is kept back; of Harbin's zone some 0.75 to 0.85"
_GAUGES = "mean over gauges of the increase of rain_mm"
_BEYOND = "sum over outfalls with catchment_m2 of max(0, mean flow_m3_h - dry_flow_m3_h) * hours"
_KEPT = "1 - runoff_m3 / (rain / 1000 * sum of catchment_m2)"
_HELD_TARGET = Target(0.8, 0.7, _HELD)
RAINFALL = Event(
    _RAIN, least=0.1, gap_hours=6, source="P: rain belongs to one event until six hours without a tenth of a mm in 15 min"
)


def _rain(name: str, en: str, zh: str, span: Span, hours: float = 0, target: Target | None = None) -> Indicator:
    return Indicator(
        name=name,
        unit="mm",
        en=en,
        zh=zh,
        formula=_GAUGES,
        amounts=(_RAIN,),
        value=depth,
        span=span,
        hours=hours,
        target=target,
        source="P: arithmetic mean of the gauges" if target is None else target.source,
    )


def _runoff(name: str, en: str, zh: str, span: Span) -> Indicator:
    return Indicator(name=name, unit="m3", en=en, zh=zh, formula=_BEYOND, amounts=(_RUNOFF,), value=total, span=span)


def _held(name: str, en: str, zh: str, span: Span) -> Indicator:
    return Indicator(
        name=name,
        unit="1",
        en=en,
        zh=zh,
        formula=_KEPT,
        amounts=(_RAIN, _RUNOFF, _AREA),
        value=_held_back,
        span=span,
        target=_HELD_TARGET,
        source=_HELD,
    )


def _class_of(low: float, high: float, zh: str) -> Indicator:
    name, bounds = f"underpasses_{low * 100:.0f}_cm", f"{low * 100:.0f} to {high * 100:.0f} cm"
    bounds = bounds if high < float("inf") else f"{low * 100:.0f} cm and more"
    return Indicator(
        name=name,
        unit="1",
        en=f"Underpasses under {bounds} of water",
        zh=zh,
        formula=f"underpasses whose greatest depth_m is {bounds}",
        amounts=(Amount(name, "underpass", ("depth_m",), lambda u: low <= u.max("depth_m") < high),),
        value=total,
        target=Target(0, 1, _CLASSES),
        source=_CLASSES,
    )


INDICATORS = (
    _rain("rain_mm", "Rain", "降雨量", Span.WINDOW),
    _rain("rain_event_mm", "Rain of this event", "本场降雨量", Span.EVENT),
    _rain("rain_1h_mm", "Rain of 1 h", "1小时降雨量", Span.ROLLING, 1),
    _rain("rain_3h_mm", "Rain of 3 h", "3小时降雨量", Span.ROLLING, 3, Target(50, 100, "P: orange warning 50 mm, red 100 mm")),
    _rain("rain_6h_mm", "Rain of 6 h", "6小时降雨量", Span.ROLLING, 6, Target(25, 50, "P: yellow warning 50 mm")),
    _rain("rain_12h_mm", "Rain of 12 h", "12小时降雨量", Span.ROLLING, 12, Target(25, 50, "P: blue warning 50 mm")),
    _rain("rain_24h_mm", "Rain of 24 h", "24小时降雨量", Span.ROLLING, 24),
    _rain("rain_year_mm", "Rain of this year", "本年降雨量", Span.YEAR),
    _runoff("runoff_m3", "Runoff", "径流量", Span.WINDOW),
    _runoff("runoff_event_m3", "Runoff of this event", "本场径流量", Span.EVENT),
    _held("held_back_event", "Rain held back in this event", "本场径流控制率", Span.EVENT),
    _held("held_back_year", "Rain held back this year", "年径流总量控制率", Span.YEAR),
    Indicator(
        name="manholes_above_80",
        unit="1",
        en="Manholes above 80 %",
        zh="液位超80%井数",
        formula="gauges whose greatest level_m is >= 0.8 * param depth_m",
        amounts=(_ABOVE_80,),
        value=total,
        target=Target(0, 3, "P"),
    ),
    Indicator(
        name="manholes_surcharged",
        unit="1",
        en="Manholes surcharged",
        zh="承压溢流井数",
        formula="gauges whose greatest level_m is above param pipe_diameter_m: the pipe runs full",
        amounts=(_SURCHARGED,),
        value=total,
        target=Target(0, 5, "P"),
        source="P: a pipe under pressure, from its crown on",
    ),
    Indicator(
        name="storage_used",
        unit="1",
        en="Storage in use",
        zh="调蓄库容使用率",
        formula="sum over basins of the last volume_m3 / sum of param volume_m3",
        amounts=(_STORED, _STORAGE),
        value=ratio,
        target=Target(0.5, 0.9, "P"),
    ),
    Indicator(
        name="pump_hours",
        unit="h",
        en="Pump hours",
        zh="水泵运行小时",
        formula="hours that pump_1 and pump_2 were running, of all basins",
        amounts=(_PUMPS,),
        value=total,
    ),
    Indicator(
        name="water_deepest_m",
        unit="m",
        en="Deepest water on the road",
        zh="最大积水深度",
        formula="greatest depth_m",
        amounts=(_WATER,),
        value=highest,
        target=Target(CLASSES_M[0], CLASSES_M[1], _CLASSES),
        source=_CLASSES,
    ),
    _class_of(CLASSES_M[0], CLASSES_M[1], "积水15–27厘米下穿数"),
    _class_of(CLASSES_M[1], CLASSES_M[2], "积水27–50厘米下穿数"),
    _class_of(CLASSES_M[2], float("inf"), "积水50厘米以上下穿数"),
)

DETAILS = (
    Detail(name="pump_hours", unit="h", en="Pump hours", zh="水泵运行小时", amount=_PUMPS),
    Detail(name="runoff_m3", unit="m3", en="Runoff", zh="径流量", amount=_RUNOFF),
)

STREAM = Stream(
    name="drainage",
    en="Sponge city",
    zh="海绵城市",
    kinds=(RAIN, LEVEL, TANK, SOIL, UNDERPASS),
    indicators=INDICATORS,
    details=DETAILS,
    event=RAINFALL,
)
