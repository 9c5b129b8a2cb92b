"""Sponge city 海绵城市: rain, what the sewers and basins make of it, the ground that should take it, and water on the road."""

from schemas.kind import Kind, Parameter, Stream
from schemas.metric import LOGGER_SENTINELS, PUMP, Aggregation, Metric, Param, Range, counter, gauge, state

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

STREAM = Stream(
    name="drainage",
    en="Sponge city",
    zh="海绵城市",
    kinds=(RAIN, LEVEL, TANK, SOIL, UNDERPASS),
)
