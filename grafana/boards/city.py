"""The wall: four streams on one screen, each by its own figures, and the map."""

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, GridPos

from grafana import flux, panels
from grafana.boards.alerts import by_severity, worst_map
from grafana.boards.metric import why
from grafana.boards.whole import figures
from grafana.fields import main_aggregation
from grafana.frame import frame, row
from grafana.marks import limits_of, thresholds
from grafana.options import Options
from grafana.units import unit_of
from grafana.variables import variables
from grafana.words import name_of
from schemas.fields import AGGREGATES, aggregate_field
from schemas.kind import Kind, Stream
from schemas.metric import Aggregation, Metric
from schemas.streams import STREAMS

# What says most of a stream from five metres; a stream that is not here is shown by the first metric of each of its kinds
SHOWN: dict[str, tuple[tuple[str, str], ...]] = {
    "bike": (("station", "num_vehicles_available"), ("station", "num_docks_available"), ("vehicle", "current_fuel_percent")),
    "waste": (("weighbridge", "net_kg"), ("bin", "fill"), ("air", "h2s_mg_m3")),
    "heat": (("indoor", "temp_c"), ("exchange", "secondary_supply_temp_c"), ("plant", "power_kw")),
    "drainage": (("rain", "rain_mm"), ("level", "level_m"), ("underpass", "depth_m")),
}


def city_board(options: Options) -> Dashboard:
    text = options.say("The state of the district on one screen.", "一屏掌握全区运行状态。")
    board = frame("city", options.say("City", "城市总览"), text, options, variables("*", options.language))
    row(board, options.say("All systems", "全部系统"), figures("*", options))
    board.with_panel(worst_map(options).grid_pos(GridPos(x=0, y=5, w=12, h=20)))
    for column, severity in enumerate(by_severity(options)[:4]):
        board.with_panel(severity.grid_pos(GridPos(x=12 + 3 * column, y=5, w=3, h=4)))
    for line, stream in enumerate(STREAMS):
        for column, (kind, metric) in enumerate(shown(stream)):
            place = GridPos(x=12 + 4 * column, y=9 + 4 * line, w=4, h=4)
            board.with_panel(_figure(stream, kind, metric, options).grid_pos(place))
    return board


def shown(stream: Stream) -> list[tuple[Kind, Metric]]:
    if stream.name in SHOWN:
        return [(stream.by_name[kind], stream.by_name[kind].by_name[metric]) for kind, metric in SHOWN[stream.name]]
    numbers = ((kind, metric) for kind in stream.kinds for metric in kind.metrics if main_aggregation(metric))
    return list({kind.name: (kind, metric) for kind, metric in reversed(list(numbers))}.values())[::-1][:3]


def _figure(stream: Stream, kind: Kind, metric: Metric, options: Options) -> stat.Panel:
    how = main_aggregation(metric)
    assert how is not None
    field = aggregate_field(metric, how)
    mean = how is Aggregation.MEAN
    query = f"""from(bucket: "{AGGREGATES}")
  |> range(start: {flux.lately(2 if mean else 24)}, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "{stream.measurement(kind.name)}" and r._field == "{field}" and r.window == "15m")
  |> filter(fn: (r) => exists r.zone and r.zone =~ {flux.pattern("zone")})
  |> {"last()" if mean else "sum()"}
  |> group()
  |> {"mean()" if mean else "sum()"}"""
    when = (
        options.say("the newest quarter of an hour", "最近一刻钟") if mean else options.say("the last 24 hours", "最近 24 小时")
    )
    title = f"{name_of(stream, options.language)} · {name_of(metric, options.language)}"
    text = f"{options.say(f'Of {when}, over the zones chosen.', f'{when}，所选片区。')} {why(stream, kind, metric, options)}"
    link = DashboardLink(name_of(stream, options.language)).type(DashboardLinkType.LINK)
    url = f"/d/hanan-{stream.name}-{options.language}?${{__url_time_range}}&${{zone:queryparam}}"
    panel = panels.number(title, text, query, unit_of(metric)).span(4).height(4).data_links([link.url(url)])
    if limits_of(stream, kind, metric).bad is not None:
        return panel.thresholds(thresholds(stream, kind, metric))
    return panel.color_scheme(panels.plain())
