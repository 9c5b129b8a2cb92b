"""The pipeline itself: what flows, what is in doubt, what is silent, and how its roles and servers are."""

from grafana_foundation_sdk.builders import table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import flux, panels
from grafana.boards.health import FLOW, RUNNING, health
from grafana.boards.tables import readable
from grafana.boards.whole import figures, silent, where
from grafana.frame import frame, row
from grafana.options import Options
from grafana.variables import variables
from schemas.fields import AGGREGATES, READINGS
from schemas.streams import STREAMS


def pipeline_board(options: Options) -> Dashboard:
    text = options.say(
        "Whether data arrive, how fast, what is doubtful, which devices are silent, and how the roles and servers are.",
        "数据是否到达、速率、可疑与失联情况，以及各角色与服务器运行状况。",
    )
    board = frame(
        "pipeline", options.say("Pipeline", "数据管道"), text, options, variables("*", options.language), since="now-6h"
    )
    row(board, options.say("At a glance", "总览"), [*figures("*", options), where("*", options), silent("*", options)])
    row(board, options.say("Flow", "数据流"), [rate(options), flagged(options), *(health(each, options) for each in FLOW)])
    row(board, options.say("Roles and servers", "角色与服务器"), [health(each, options) for each in RUNNING])
    return board


def rate(options: Options) -> timeseries.Panel:
    why = options.say(
        "Readings of each window of the zones chosen, by kind, as readings a minute; late ones are not in it.",
        "所选片区各窗口的读数，按设备类型折算为每分钟；不含迟到读数。",
    )
    query = f"""{flux.SPAN}
level = if span <= {8 * 24 * 3_600_000_000_000} then "15m" else "1h"
minutes = if level == "15m" then 15.0 else 60.0
from(bucket: "{AGGREGATES}")
  |> {flux.RANGE}
  |> filter(fn: (r) => r._field == "readings" and r.window == level)
  |> filter(fn: (r) => exists r.zone and r.zone =~ {flux.pattern("zone")})
  |> group(columns: ["_measurement", "_time"])
  |> sum()
  |> map(fn: (r) => ({{_time: r._time, series: r._measurement, _value: float(v: r._value) / minutes}}))
  |> group(columns: ["series"])
  |> sort(columns: ["_time"])"""
    panel = panels.bars(options.say("Readings a minute, by kind", "每分钟读数（按类型）"), why, [query], "none").interval("15m")
    return panels.coloured(panel, [stream.measurement(kind.name) for stream in STREAMS for kind in stream.kinds])


def flagged(options: Options) -> table.Panel:
    why = options.say("Flagged values of the range by kind, metric and reason.", "所选时段被标记的数值，按类型、指标、原因统计。")
    query = f"""from(bucket: "{READINGS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => r._field == "reasons")
  |> filter(fn: (r) => r._value != "-")
  |> duplicate(column: "_value", as: "reason")
  |> group(columns: ["_measurement", "reason"])
  |> count()
  |> group()
  |> rename(columns: {{_measurement: "kind", _value: "readings"}})
  |> keep(columns: ["kind", "reason", "readings"])
  |> sort(columns: ["readings"], desc: true)
  |> limit(n: 100)"""
    panel = panels.rows_of(options.say("Why suspect", "可疑原因"), why, query).span(12).height(8)
    return readable(panel, ("kind", "reason", "readings"), options)
