"""Alerts, as the pipeline raised them: what is open, what was, how fast people answer, and whether the desk is flooded."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import geomap, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models.common import GraphDrawStyle
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, ValueMapping

from grafana import flux, palette, panels
from grafana.alert_text import FIELDS as TEXT_FIELDS
from grafana.alert_text import said
from grafana.boards.tables import ordered
from grafana.frame import frame, row
from grafana.marks import mapping, named, steps
from grafana.options import Options
from grafana.variables import device_link, variables
from grafana.words import Words
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
open |> map(fn: (r) => ({{r with _value: if r.severity == "{severity}" then 1 else 0}})) |> sum() |> keep(columns: ["_value"])"""
        words = SEVERITIES[severity]
        why = options.say(f"Open alerts of severity {words.en}.", f"等级为“{words.zh}”的未恢复告警。")
        limit = steps([(None, palette.GREY), (1, palette.SEVERITY[severity])])
        panel = panels.number(words.of(options.language), why, query, "none").thresholds(limit).no_value("0").mappings([])
        found.append(panel.span(5 if len(found) < len(SEVERITIES) - 1 else 4))
    return found


def active(options: Options, *, wall: bool = False) -> table.Panel:
    why = options.say(
        "Every open alert, the worst first, then the oldest. Acknowledge with `hanan alerts ack`.",
        "全部未恢复告警，按等级、时间排序。确认：hanan alerts ack。",
    )
    columns = ("severity", "what", "subject", "zone", "since", *(() if wall else ("state", "rule")))
    query = f"""{said(options.rules, options.language)}
{flux.alerts_now(also=TEXT_FIELDS)}
open
  |> sort(columns: ["rank", "fired_ms"], desc: true)
  |> limit(n: 200)
  |> map(fn: (r) => ({{r with since: time(v: r.fired_ms * 1000000), what: said(r: r)}}))
  |> keep(columns: {_listed(columns)})"""
    panel = panels.rows_of(options.say("Open alerts", "未恢复告警"), why, query).height(11)
    return _readable(panel, columns, options).no_value(options.say("No alert is open", "无未恢复告警"))


def changed(options: Options) -> table.Panel:
    """For the wall: what happened of late."""
    why = options.say(
        "Alerts that fired, were acknowledged, or cleared in the last hour of the range, the newest first.",
        "所选时段最后一小时内触发、确认或恢复的告警，新的在前。",
    )
    columns = ("_time", "change", "severity", "what", "subject")
    query = f"""{said(options.rules, options.language)}
{flux.alert_changes(flux.lately(1), ("severity", *TEXT_FIELDS))}
  |> filter(fn: (r) => r.change == "fired" or r.change == "acknowledged" or r.change == "resolved")
  |> limit(n: 50)
  |> map(fn: (r) => ({{r with what: said(r: r)}}))
  |> keep(columns: {_listed(columns)})"""
    panel = panels.rows_of(options.say("Changed in the last hour", "最近一小时变化"), why, query)
    return _readable(panel, columns, options).no_value(options.say("Nothing changed in the last hour", "最近一小时无变化"))


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
  |> keep(columns: ["rule", "alarms"])
  |> sort(columns: ["alarms"], desc: true)
  |> limit(n: 10)"""
    panel = panels.rows_of(options.say("Noisiest rules", "触发最多的规则"), why, query).no_value("–")
    return _readable(panel, ("rule", "alarms"), options).span(8).height(8)


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
    panel = panels.rows_of(title, why, query).no_value("–")
    return _readable(panel, ("rule", "median", "longest"), options).span(12).height(8)


def history(options: Options, where: str = "true", title: str = "") -> table.Panel:
    why = options.say("The last 300 changes of alerts in the range.", "所选时段最近 300 次告警状态变化。")
    columns = ("_time", "change", "severity", "what", "subject", "state", "rule")
    query = f"""{said(options.rules, options.language)}
{flux.alert_changes("v.timeRangeStart", ("severity", "state", *TEXT_FIELDS), where)}
  |> limit(n: 300)
  |> map(fn: (r) => ({{r with what: said(r: r)}}))
  |> keep(columns: {_listed(columns)})"""
    panel = panels.rows_of(title or options.say("History", "历史"), why, query)
    return _readable(panel, columns, options).no_value(options.say("Nothing fired in the range", "所选时段无告警"))


def worst_map(options: Options) -> geomap.Panel:
    """For the wall: every site, coloured by its worst open alert."""
    why = options.say(
        "Every site, coloured by its worst open alert, blue without one; what is worse is larger and has its name. "
        "Outlines are the hulls of the zones' devices; the map asks nothing of the internet.",
        "全部场站，按最严重的未恢复告警着色，蓝色为无告警；越严重越大并显示名称。轮廓为各片区设备的外包线，地图无需访问互联网。",
    )
    view = panels.fitted()
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


_COLUMNS = {
    "severity": (Words("Severity", "等级"), 90),
    "what": (Words("What", "内容"), 0),
    "rule": (Words("Rule", "规则"), 190),
    "subject": (Words("Device", "对象"), 110),
    "state": (Words("State", "状态"), 100),
    "change": (Words("Change", "变化"), 90),
    "zone": (Words("Zone", "片区"), 110),
    "since": (Words("Since", "触发时间"), 160),
    "_time": (Words("When", "时间"), 160),
    "alarms": (Words("Alarms", "次数"), 80),
    "median": (Words("Median", "中位数"), 100),
    "longest": (Words("Longest", "最长"), 100),
}
_WORDS = {
    "firing": Words("firing", "告警中"),
    "acknowledged": Words("acknowledged", "已确认"),
    "resolved": Words("cleared", "已恢复"),
    "fired": Words("fired", "触发"),
    "shelved": Words("shelved", "已搁置"),
    "suppressed": Words("suppressed", "已抑制"),
    "returned": Words("back", "重新告警"),
    "severity": Words("severity", "等级变化"),
    "commented": Words("comment", "备注"),
    "normal": Words("normal", "正常"),
}


def _listed(columns: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in columns) + "]"


def _readable(panel: table.Panel, columns: Sequence[str], options: Options) -> table.Panel:
    """In this order, by names that people use, severity in its colour, the device as a way to its page."""
    titles = {name: _COLUMNS[name][0].of(options.language) for name in columns}
    panel.with_transformation(ordered(titles))
    for name, title in titles.items():
        if properties := _properties(name, options):
            panel.override_by_name(title, properties)
    return panel


def _properties(name: str, options: Options) -> list[DynamicConfigValue]:
    language, width = options.language, _COLUMNS[name][1]
    properties = [DynamicConfigValue("custom.width", width)] if width else []
    if name == "severity":
        severities = {each: (word.of(language), palette.SEVERITY[each]) for each, word in SEVERITIES.items()}
        properties += [_mapped(mapping(severities)), DynamicConfigValue("custom.displayMode", "color-text")]
    if name in {"state", "change"}:
        properties.append(_mapped(mapping({each: (word.of(language), palette.WHITE) for each, word in _WORDS.items()})))
    if name == "zone":
        properties.append(_mapped(named(options.titles)))
    if name in {"median", "longest"}:
        properties.append(DynamicConfigValue("unit", "s"))
    if name == "subject":
        properties.append(DynamicConfigValue("links", [device_link(options)]))
    return properties


def _mapped(mappings: Sequence[ValueMapping]) -> DynamicConfigValue:
    return DynamicConfigValue("mappings", [each.to_json() for each in mappings])
