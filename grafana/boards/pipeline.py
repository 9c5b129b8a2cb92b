"""The pipeline itself: what flows, what is in doubt, what is silent; and, where its health is written, the roles' own figures.

Health comes as two measurements in `ops`, `pipeline_stream` and `pipeline_role`: see deploy/health_points.py.
"""

from typing import NamedTuple

from grafana_foundation_sdk.builders import table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import flux, panels
from grafana.boards.whole import figures, where
from grafana.frame import frame, row
from grafana.marks import steps
from grafana.options import Options
from grafana.palette import BAD, GOOD
from grafana.variables import variables
from grafana.words import Words
from schemas.fields import AGGREGATES, OPS, READINGS
from schemas.streams import STREAMS

ROLES = ("collect", "validate", "store", "aggregate", "alert")


class Health(NamedTuple):
    """One panel of the roles' own figures."""

    title: Words
    why: Words
    measurement: str
    tag: str
    field: str
    unit: str


HEALTH = (
    Health(
        Words("Lag", "积压"),
        Words(
            "Records written to Kafka and not yet read by the role behind, by stream.",
            "已写入 Kafka 尚未被后续角色读取的记录数。",
        ),
        "pipeline_stream", "stream", "lag", "none",
    ),
    Health(
        Words("Receipt to storage, p99", "端到端延迟 p99"),
        Words(
            "From the collector's receipt to InfluxDB's 204, the last minute's p99.",
            "从采集到入库确认的延迟，最近一分钟 p99。",
        ),
        "pipeline_stream", "stream", "p99_ms", "ms",
    ),
    Health(
        Words("Dead letters", "死信"),
        Words(
            "Messages that could not be understood, since the roles' start; `hanan dead list` tells why.",
            "无法解析的消息累计数，原因见 hanan dead list。",
        ),
        "pipeline_stream", "stream", "dead", "none",
    ),
    Health(
        Words("Processes", "进程数"),
        Words("Processes of each role that answer.", "各角色在线进程数。"),
        "pipeline_role", "role", "processes", "none",
    ),
    Health(
        Words("CPU", "处理器"),
        Words("CPU of each role, its processes together; 100 is one core.", "各角色 CPU 占用合计，100 为一个核。"),
        "pipeline_role", "role", "cpu_percent", "percent",
    ),
    Health(
        Words("Memory", "内存"),
        Words("Resident memory of each role, all its processes together.", "各角色常驻内存合计。"),
        "pipeline_role", "role", "resident_mb", "decmbytes",
    ),
)  # fmt: skip


def pipeline_board(options: Options) -> Dashboard:
    text = options.say(
        "Whether data arrive, how fast, what is doubtful, which devices are silent, and how the roles are.",
        "数据是否到达、速率、可疑与失联情况，以及各角色运行状况。",
    )
    board = frame(
        "pipeline", options.say("Pipeline", "数据管道"), text, options, variables("*", options.language), since="now-6h"
    )
    row(board, options.say("At a glance", "总览"), [*figures("*", options), where("*", options), silent(options)])
    row(board, options.say("Flow", "数据流"), [rate(options), flagged(options)])
    row(board, options.say("Roles", "角色"), [_health(each, options) for each in HEALTH])
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
    return panels.rows_of(options.say("Why suspect", "可疑原因"), why, query).span(12).height(8)


def silent(options: Options) -> table.Panel:
    why = options.say(
        "Devices without a reading for three of their intervals, longest silent first.", "超过三个上报周期无读数的设备。"
    )
    query = (
        flux.condition("*")
        + """
condition
  |> filter(fn: (r) => r.silent)
  |> keep(columns: ["device_id", "name", "zone", "site", "seen", "interval_s"])
  |> sort(columns: ["seen"])
  |> limit(n: 50)"""
    )
    return panels.rows_of(options.say("Silent devices", "失联设备"), why, query).span(12).height(14)


def _health(each: Health, options: Options) -> timeseries.Panel:
    title, why, measurement, tag, field, unit = each
    query = f"""from(bucket: "{OPS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "{field}")
  |> aggregateWindow(every: v.windowPeriod, fn: last, createEmpty: false)
  |> map(fn: (r) => ({{_time: r._time, _value: float(v: r._value), series: r.{tag}}}))
  |> group(columns: ["series"])"""
    names = [stream.name for stream in STREAMS] if tag == "stream" else ROLES
    panel = panels.lines(title.of(options.language), why.of(options.language), [query], unit).span(8).min(0)
    panels.coloured(panel, names)
    return panel.thresholds(steps([(None, GOOD), (10_000, BAD)])) if field == "p99_ms" else panel
