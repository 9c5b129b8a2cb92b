"""One device of any kind: readings with their quality, windows, silence, its entry in the registry."""

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models.common import GraphDrawStyle, VisibilityMode
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from grafana import flux, palette, panels
from grafana.boards.alerts import history
from grafana.boards.tables import readable
from grafana.fields import level_choice
from grafana.frame import frame, row
from grafana.marks import fixed, quality_mapping, steps
from grafana.options import Options
from grafana.variables import single
from schemas.fields import AGGREGATES, OPS, READINGS
from schemas.indicator import WINDOWS
from schemas.streams import STREAMS

ONE = 'r.device_id == "${device}"'
ONE_SUBJECT = 'r.subject == "${device}"'
DETAILS = tuple(dict.fromkeys(row.name for stream in STREAMS for row in stream.details))
# Each number's colour, by its place in its kind
METRICS = tuple(
    dict.fromkeys(metric.name for stream in STREAMS for kind in stream.kinds for metric in kind.metrics if metric.unit)
)
_MAX_ROWS = 500
_MOST_MARKED = 100


def device_board(options: Options) -> Dashboard:
    text = options.say(
        "Everything of one device: single readings with suspect ones marked, its windows, how it reports, its registry entry.",
        "单台设备的全部信息：读数（可疑值已标注）、窗口统计、上报情况、注册信息。",
    )
    one = single("*", options.language, options.first_device)
    board = frame("device", options.say("Device", "设备"), text, options, one, since="now-3h")
    row(board, options.say("Now", "当前"), [_age(options), _suspect(options), _count(options), entry(options)])
    row(board, options.say("Readings", "读数"), [numbers(options), suspects(options), states(options), readings(options)])
    row(board, options.say("Alerts", "告警"), [history(options, ONE_SUBJECT, title=options.say("Its alerts", "该设备告警"))])
    row(board, options.say("Windows", "窗口统计"), [windows(options), completeness(options), details(options)])
    return board


def numbers(options: Options) -> timeseries.Panel:
    """All numbers of the kind, whatever they are: each line by its metric's name, suspect readings as points."""
    why = options.say(
        "Each number that the device sends, as it was sent, up to 12 lines; longer ranges show every so many seconds' mean. "
        "Points in purple are suspect readings: kept, and left out of all windows.",
        "设备上报的各项数值（最多 12 条线），长时段取分段均值。紫色点为可疑读数：已保存，但不计入任何统计。",
    )
    panel = panels.lines(options.say("Numbers", "数值"), why, [_numbers(""), _numbers(" suspect")], "none").span(16).height(12)
    panels.coloured(panel, METRICS)
    points = [DynamicConfigValue("custom.drawStyle", GraphDrawStyle.POINTS.value), DynamicConfigValue("custom.pointSize", 7)]
    shown = DynamicConfigValue("custom.showPoints", VisibilityMode.ALWAYS.value)
    return panel.override_by_query("B", [*points, shown, fixed(palette.SUSPECT)])


def suspects(options: Options) -> table.Panel:
    why = options.say("Which value of the device was flagged how often, and why.", "各数值被标记的次数及原因。")
    query = f"""from(bucket: "{READINGS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => {ONE} and r._field == "reasons")
  |> filter(fn: (r) => r._value != "-")
  |> duplicate(column: "_value", as: "reason")
  |> group(columns: ["reason"])
  |> count()
  |> group()
  |> rename(columns: {{_value: "readings"}})
  |> keep(columns: ["reason", "readings"])
  |> sort(columns: ["readings"], desc: true)
  |> limit(n: 50)"""
    panel = panels.rows_of(options.say("Why suspect", "可疑原因"), why, query).span(8).height(12)
    return readable(panel, ("reason", "readings"), options)


def states(options: Options) -> statetimeline.Panel:
    """Words and yes-or-no; whether a field is one shows in its type."""
    why = options.say("States over time, and the quality of each reading.", "各状态随时间变化，以及每次读数的质量。")
    query = f"""import "types"
from(bucket: "{READINGS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => {ONE} and r._field != "reasons")
  |> filter(fn: (r) => types.isType(v: r._value, type: "string") or types.isType(v: r._value, type: "bool"))
  |> tail(n: {panels.MAX_POINTS})
  |> map(fn: (r) => ({{_time: r._time, _value: string(v: r._value), series: r._field}}))
  |> group(columns: ["series"])"""
    panel = panels.timeline(options.say("States", "状态"), why, query).span(24).height(7).display_name("${__field.labels.series}")
    return panel.mappings(quality_mapping(options.language))


def readings(options: Options) -> table.Panel:
    why = options.say(
        f"The last {_MAX_ROWS} readings of the range, one row each.", f"所选时段最后 {_MAX_ROWS} 条读数，每条一行。"
    )
    query = f"""from(bucket: "{READINGS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => {ONE})
  |> tail(n: {_MAX_ROWS})
  |> drop(columns: ["_start", "_stop", "_measurement"])
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> sort(columns: ["_time"], desc: true)
  |> limit(n: {_MAX_ROWS})
  |> drop(columns: ["device_id"])"""
    panel = panels.rows_of(options.say("Readings", "读数明细"), why, query)
    marked = [each.to_json() for each in quality_mapping(options.language)]
    return panel.override_by_name(
        "quality", [DynamicConfigValue("mappings", marked), DynamicConfigValue("custom.displayMode", "color-text")]
    )


def windows(options: Options) -> timeseries.Panel:
    why = options.say(
        "Means, increases and sums of the device's windows: minutes, quarters, hours or days, as the range asks.",
        "设备各窗口的均值、增量、合计；窗口长度随时段自动选择（分钟、刻、小时、日）。",
    )
    query = f"""{flux.LEVEL}
from(bucket: "{AGGREGATES}")
  |> {flux.RANGE}
  |> filter(fn: (r) => {ONE} and r.window == level)
  |> filter(fn: (r) => r._field =~ /_(mean|increase|sum)$/)
  |> map(fn: (r) => ({{_time: r._time, _value: float(v: r._value), series: r._field}}))
  |> group(columns: ["series"])"""
    panel = panels.lines(options.say("Windows", "窗口值"), why, [query], "none").span(16)
    return panels.coloured(panel, METRICS, "_(mean|increase|sum)")


def details(options: Options) -> timeseries.Panel:
    """What the device adds to the indicators of its stream."""
    why = options.say(
        "What the device adds to its system's indicators, if anything: hours above a limit, distance to a curve, heat taken.",
        "该设备对系统指标的贡献（如有）：超标时长、与供热曲线偏差、用热量等。",
    )
    query = f"""{flux.SPAN}
level = {level_choice(WINDOWS)}
from(bucket: "{AGGREGATES}")
  |> {flux.RANGE}
  |> filter(fn: (r) => r._measurement =~ /^city_/ and {ONE} and r.window == level)
  |> map(fn: (r) => ({{_time: r._time, _value: float(v: r._value), series: r._field}}))
  |> group(columns: ["series"])"""
    panel = panels.lines(options.say("For the indicators", "指标贡献"), why, [query], "none").span(24)
    return panels.coloured(panel, DETAILS)


def completeness(options: Options) -> timeseries.Panel:
    why = options.say(
        "Readings of each window against as many as the device's interval makes due.", "各窗口实收读数与应收读数之比。"
    )
    query = f"""{flux.LEVEL}
from(bucket: "{AGGREGATES}")
  |> {flux.RANGE}
  |> filter(fn: (r) => {ONE} and r.window == level)
  |> filter(fn: (r) => r._field == "readings" or r._field == "expected")
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => r.expected > 0)
  |> map(fn: (r) => ({{_time: r._time, _value: float(v: r.readings) / float(v: r.expected)}}))"""
    title = options.say("Completeness", "数据完整率")
    return panels.coloured(panels.lines(title, why, [query], "percentunit").display_name(title).min(0).span(8), [title])


def entry(options: Options) -> table.Panel:
    why = options.say("What the registry says of the device.", "注册表中的设备信息。")
    query = f"""from(bucket: "{OPS}")
  |> range(start: 2000-01-01T00:00:00Z)
  |> filter(fn: (r) => {ONE} and r._field != "x" and r._field != "y")
  |> last()
  |> keep(columns: ["device_id", "_field", "_value"])
  |> {flux.BY_DEVICE}
  |> group()"""
    return panels.rows_of(options.say("Registry entry", "注册信息"), why, query).span(12).height(4)


def _age(options: Options) -> stat.Panel:
    query = f"""from(bucket: "{READINGS}")
  |> range(start: {flux.lately(24)}, stop: v.timeRangeStop)
  |> filter(fn: (r) => {ONE} and r._field == "quality")
  |> last()
  |> map(fn: (r) => ({{_value: float(v: int(v: v.timeRangeStop) - int(v: r._time)) / 1000000000.0}}))"""
    why = options.say("Time from its last reading to the end of the range.", "距最近一次上报的时间。")
    limit = steps([(None, palette.GOOD), (600, palette.WARN), (3_600, palette.BAD)])
    return panels.number(options.say("Silent for", "失联时长"), why, query, "s").thresholds(limit)


def _suspect(options: Options) -> stat.Panel:
    query = f"""from(bucket: "{READINGS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => {ONE} and r._field == "quality")
  |> {flux.SUSPECT_SHARE}"""
    why = options.say("Suspect readings among those of the range.", "所选时段内可疑读数占比。")
    limit = steps([(None, palette.GOOD), (0.02, palette.WARN), (0.1, palette.BAD)])
    return panels.number(options.say("Suspect share", "可疑占比"), why, query, "percentunit").thresholds(limit)


def _count(options: Options) -> stat.Panel:
    query = f"""from(bucket: "{READINGS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => {ONE} and r._field == "quality")
  |> count()
  |> keep(columns: ["_value"])"""
    why = options.say("Readings stored in the range.", "所选时段内入库的读数。")
    return panels.number(options.say("Readings", "读数"), why, query, "none").color_scheme(panels.plain())


def _numbers(suffix: str) -> str:
    if not suffix:
        return f"""import "types"
from(bucket: "{READINGS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => {ONE} and r._field != "quality" and r._field != "reasons")
  |> filter(fn: (r) => types.isType(v: r._value, type: "float") or types.isType(v: r._value, type: "int"))
  |> toFloat()
  |> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false)
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, series: r._field}}))
  |> group(columns: ["series"])"""
    return f"""import "types"
marked = from(bucket: "{READINGS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => {ONE} and r._field == "quality")
  |> filter(fn: (r) => r._value == "suspect")
  |> tail(n: {_MOST_MARKED})
  |> findColumn(fn: (key) => true, column: "_time")
from(bucket: "{READINGS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => {ONE} and r._field != "quality" and r._field != "reasons")
  |> filter(fn: (r) => types.isType(v: r._value, type: "float") or types.isType(v: r._value, type: "int"))
  |> filter(fn: (r) => contains(value: r._time, set: marked))
  |> toFloat()
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, series: r._field + "{suffix}"}}))
  |> group(columns: ["series"])"""
