"""Alerts, as the pipeline raised them: what is open, what was, how fast people answer, and whether the desk is flooded."""

from grafana_foundation_sdk.builders import geomap, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models.common import GraphDrawStyle
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from grafana import flux, palette, panels
from grafana.frame import frame, row
from grafana.marks import mapping, steps
from grafana.options import Options
from grafana.variables import variables
from grafana.words import Language, Words
from schemas.fields import ALERTS

SEVERITIES = {
    "informational": Words("informational", "提示"),
    "low": Words("low", "一般"),
    "medium": Words("medium", "较重"),
    "high": Words("high", "严重"),
    "critical": Words("critical", "紧急"),
}
_EEMUA_MEAN, _EEMUA_FLOOD = 1, 10  # alarms in ten minutes: what one operator can handle, and what is a flood


def alerts_board(options: Options) -> Dashboard:
    text = options.say(
        "Open alerts, their history, how soon they were acknowledged and cleared, and alarms per ten minutes against EEMUA 191.",
        "当前告警、历史、确认与恢复用时，以及每十分钟告警数（对照 EEMUA 191）。",
    )
    board = frame("alerts", options.say("Alerts", "告警"), text, options, variables("*", options.language), since="now-24h")
    row(board, options.say("Open", "当前"), [*by_severity(options), active(options)])
    row(board, options.say("Load", "负荷"), [load(options), noisiest(options)])
    row(
        board, options.say("Answer", "处置"), [answered(options, "acknowledged"), answered(options, "resolved"), history(options)]
    )
    return board


def by_severity(options: Options) -> list[stat.Panel]:
    found: list[stat.Panel] = []
    for severity in reversed(SEVERITIES):
        query = f"""{flux.alerts_now()}
open |> map(fn: (r) => ({{_value: if r.severity == "{severity}" then 1 else 0}})) |> sum()"""
        words = SEVERITIES[severity]
        why = options.say(f"Open alerts of severity {words.en}.", f"等级为“{words.zh}”的未恢复告警。")
        limit = steps([(None, palette.GREY), (1, palette.SEVERITY[severity])])
        panel = panels.number(words.of(options.language), why, query, "none").thresholds(limit).no_value("0")
        found.append(panel.span(5 if len(found) < len(SEVERITIES) - 1 else 4))
    return found


def active(options: Options) -> table.Panel:
    why = options.say(
        "Every open alert, the worst first, then the oldest. Acknowledge with `hanan alerts ack`.",
        "全部未恢复告警，按等级、时间排序。确认：hanan alerts ack。",
    )
    query = f"""{flux.alerts_now()}
open
  |> map(fn: (r) => ({{r with since: time(v: r.fired_ms * 1000000)}}))
  |> sort(columns: ["rank", "fired_ms"], desc: true)
  |> keep(columns: ["severity", "rule", "subject", "state", "stream", "zone", "since"])
  |> limit(n: 200)"""
    return _severities(panels.rows_of(options.say("Open alerts", "未恢复告警"), why, query).height(11), options.language)


def load(options: Options) -> timeseries.Panel:
    why = options.say(
        f"Alerts that fired in each ten minutes. {_EEMUA_MEAN} is what one operator can handle, "
        f"{_EEMUA_FLOOD} is a flood (EEMUA 191).",
        f"每十分钟触发的告警数。一名值班员可处理约一条，{_EEMUA_FLOOD} 条以上为告警洪泛（EEMUA 191）。",
    )
    name = options.say("alarms", "告警")
    query = f"""{flux.alarms()}
  |> aggregateWindow(every: 10m, fn: count, createEmpty: true)
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, series: "{name}"}}))
  |> group(columns: ["series"])
  |> tail(n: 2000)"""
    panel = panels.lines(options.say("Alarms per ten minutes", "每十分钟告警数"), why, [query], "none").span(16)
    panels.coloured(panel, [name])
    limit = steps([(None, palette.GOOD), (_EEMUA_MEAN, palette.WARN), (_EEMUA_FLOOD, palette.BAD)])
    return panels.drawn(panel.thresholds(limit)).draw_style(GraphDrawStyle.BARS).fill_opacity(70).min(0).interval("10m")


def noisiest(options: Options) -> table.Panel:
    why = options.say("Which rules fired most in the range: the first to be mended.", "所选时段触发最多的规则，应优先整改。")
    query = f"""{flux.alarms()}
  |> group(columns: ["rule"])
  |> count()
  |> group()
  |> rename(columns: {{_value: "alarms"}})
  |> sort(columns: ["alarms"], desc: true)
  |> limit(n: 10)"""
    return panels.rows_of(options.say("Noisiest rules", "触发最多的规则"), why, query).span(8).height(8)


def answered(options: Options, change: str) -> table.Panel:
    """By rule: median, largest, how many."""
    acknowledged = change == "acknowledged"
    title = options.say("Time to acknowledge", "确认用时") if acknowledged else options.say("Time to clear", "恢复用时")
    why = options.say(
        f"From firing until it was {change}, by rule: median and longest of the range.", "从触发起的用时，按规则：中位数与最长。"
    )
    query = f"""changed = from(bucket: "{ALERTS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => r._measurement == "alert")
  |> filter(fn: (r) => r._field == "change" or r._field == "fired_ms")
  |> pivot(rowKey: ["_time", "rule", "subject"], columnKey: ["_field"], valueColumn: "_value")
  |> group(columns: ["rule"])
  |> filter(fn: (r) => r.change == "{change}" and r.fired_ms > 0)
  |> map(fn: (r) => ({{rule: r.rule, _value: float(v: int(v: r._time) / 1000000 - r.fired_ms) / 1000.0}}))
  |> group(columns: ["rule"])
half = changed |> quantile(q: 0.5, method: "exact_mean") |> set(key: "_field", value: "median")
most = changed |> max() |> set(key: "_field", value: "longest")
union(tables: [half, most])
  |> group()
  |> pivot(rowKey: ["rule"], columnKey: ["_field"], valueColumn: "_value")
  |> sort(columns: ["median"], desc: true)
  |> limit(n: 20)"""
    panel = panels.rows_of(title, why, query).span(12).height(8)
    return panel.override_by_regexp("/^(median|longest)$/", [DynamicConfigValue("unit", "s")])


def history(options: Options) -> table.Panel:
    why = options.say("The last 300 changes of alerts in the range.", "所选时段最近 300 次告警状态变化。")
    query = f"""from(bucket: "{ALERTS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => r._measurement == "alert")
  |> filter(fn: (r) => r._field == "change" or r._field == "severity" or r._field == "state")
  |> pivot(rowKey: ["_time", "rule", "subject"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> sort(columns: ["_time"], desc: true)
  |> keep(columns: ["_time", "severity", "rule", "subject", "change", "state"])
  |> limit(n: 300)"""
    return _severities(panels.rows_of(options.say("History", "历史"), why, query), options.language)


def worst_map(options: Options) -> geomap.Panel:
    """For the wall: every device, coloured by its worst open alert."""
    why = options.say(
        "Every device, coloured by its worst open alert; grey-blue without one. Outlines are the hulls of the zones' devices; "
        "the map asks nothing of the internet.",
        "全部设备，按最严重的未恢复告警着色。轮廓为各片区设备的外包线，地图无需访问互联网。",
    )
    view = geomap.MapViewConfig().id("fit").all_layers(True)
    title = options.say("Worst alert by place", "告警分布")
    panel = panels.map_of(title, why, flux.worst_alerts("*"), "state", options.tiles, options.outline, view)
    ranks = {
        str(rank): (words.of(options.language), palette.SEVERITY[name]) for rank, (name, words) in enumerate(SEVERITIES.items())
    }
    none = {"-1": (options.say("none", "无"), palette.BLUE)}
    found: list[tuple[float | None, str]] = [
        (None, palette.BLUE),
        *((rank, palette.SEVERITY[n]) for rank, n in enumerate(SEVERITIES)),
    ]
    return panel.mappings(mapping(none | ranks)).thresholds(steps(found))


def _severities(panel: table.Panel, language: Language) -> table.Panel:
    words = {name: (word.of(language), palette.SEVERITY[name]) for name, word in SEVERITIES.items()}
    shown = [each.to_json() for each in mapping(words)]
    return panel.override_by_name(
        "severity", [DynamicConfigValue("mappings", shown), DynamicConfigValue("custom.displayMode", "color-text")]
    )
