"""The wall: four streams on one screen, each by its own indicators, the map, and what is wrong now."""

from collections.abc import Mapping

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models.dashboard import GridPos

from grafana.boards.alerts import active, by_severity, changed, worst_map
from grafana.boards.indicators import figure, with_target
from grafana.frame import frame
from grafana.options import Options
from grafana.variables import variables
from schemas.indicator import Indicator
from schemas.kind import Stream
from schemas.streams import STREAMS

# What says most of a stream from five metres, and over how many hours it is added up, if it is; for a stream that is not here,
# its first indicators
SHOWN: Mapping[str, Mapping[str, int]] = {
    "bike": {"stations_with_bike": 0, "stations_with_dock": 0, "bikes_available": 0, "rentals_per_hour": 0},
    "waste": {"tonnes": 24, "fill_highest": 0, "minutes_to_full": 0, "containers_due_share": 0},
    "heat": {"rooms_warm": 0, "room_temp_lowest_c": 0, "above_curve_k": 0, "makeup_secondary_percent": 0},
    "drainage": {"rain_3h_mm": 0, "manholes_surcharged": 0, "water_deepest_m": 0, "storage_used": 0},
}
_EACH = 4
_SEVERITY_HEIGHT, _FIGURE_HEIGHT, _TABLE_HEIGHT = 3, 4, 8


def city_board(options: Options) -> Dashboard:
    text = options.say("The state of the district on one screen.", "一屏掌握全区运行状态。")
    board = frame("city", options.say("City", "城市总览"), text, options, variables("*", options.language))
    x = 0
    for severity in by_severity(options):
        width = 5 if x < 20 else 4  # noqa: PLR2004  # 24 columns among five
        board.with_panel(severity.grid_pos(GridPos(x=x, y=0, w=width, h=_SEVERITY_HEIGHT)))
        x += width
    top, height = _SEVERITY_HEIGHT, _FIGURE_HEIGHT * len(STREAMS)
    board.with_panel(worst_map(options).grid_pos(GridPos(x=0, y=top, w=8, h=height)))
    for line, stream in enumerate(STREAMS):
        for column, (row, hours) in enumerate(shown(stream)):
            place = GridPos(x=8 + 4 * column, y=top + _FIGURE_HEIGHT * line, w=4, h=_FIGURE_HEIGHT)
            panel = figure(stream, row, options, summed_h=hours)
            board.with_panel(panel.grid_pos(place))
    board.with_panel(active(options, wall=True).grid_pos(GridPos(x=0, y=top + height, w=14, h=_TABLE_HEIGHT)))
    board.with_panel(changed(options).grid_pos(GridPos(x=14, y=top + height, w=10, h=_TABLE_HEIGHT)))
    return board


def shown(stream: Stream) -> list[tuple[Indicator, int]]:
    rows = {row.name: row for row in stream.indicators}
    if stream.name in SHOWN:
        return [(rows[name], hours) for name, hours in SHOWN[stream.name].items()]
    return [(row, 0) for row in with_target(stream.indicators)[:_EACH]]
