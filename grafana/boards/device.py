"""One device of any kind: readings with their quality, windows, silence, its entry in the registry."""

from itertools import cycle

from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models.common import VisibilityMode
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from grafana import flux, palette, panels
from grafana.boards import quantities
from grafana.boards.alerts import history
from grafana.boards.quantities import ONE
from grafana.boards.tables import ordered, readable
from grafana.fields import level_choice
from grafana.frame import frame, row
from grafana.marks import fixed, is_trouble, mapping, named, quality_mapping, steps
from grafana.options import Options
from grafana.units import unit_of, unit_of_indicator
from grafana.variables import single
from grafana.words import Words, name_of
from schemas.aggregate import DAY, HOUR
from schemas.fields import AGGREGATES, OPS, READINGS, states_of
from schemas.indicator import WINDOWS
from schemas.streams import STREAMS

ONE_SUBJECT = 'r.subject == "${device}"'
_MAX_ROWS = 500
_STATE_COLORS = (palette.GREEN, palette.YELLOW, palette.PURPLE, palette.BLUE, palette.ORANGE)


def device_board(options: Options) -> Dashboard:
    text = options.say(
        "Everything of one device: single readings with suspect ones marked, its windows, how it reports, its registry entry.",
        "单台设备的全部信息：读数（可疑值已标注）、窗口统计、上报情况、注册信息。",
    )
    chosen = [*single("*", options.language, options.first_device), quantities.variable(options)]
    board = frame("device", options.say("Device", "设备"), text, options, chosen, since="now-3h")
    row(board, options.say("Now", "当前"), [_age(options), _suspect(options), _count(options), completeness(options)])
    row(board, options.say("Numbers", "数值"), [quantities.readings(options)])
    row(board, options.say("States and readings", "状态与读数"), [states(options), readings(options)])
    history_of = history(options, ONE_SUBJECT, title=options.say("Its alerts", "该设备告警")).span(16)
    row(board, options.say("Alerts and doubts", "告警与疑点"), [history_of, suspects(options)])
    row(board, options.say("Registry and indicators", "注册信息与指标"), [entry(options), details(options)])
    row(board, options.say("Windows", "窗口统计"), [quantities.windows(options)], closed=True)
    return board


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
    panel = panels.rows_of(options.say("Why suspect", "可疑原因"), why, query).span(8)
    return readable(panel, ("reason", "readings"), options).no_value(options.say("Nothing is suspect", "无可疑值"))


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
    for name, title in _titles(options).items():
        panel.override_by_name(name, [DynamicConfigValue("displayName", title)])
    return panel.mappings([*quality_mapping(options.language), *mapping(_state_words(options))])


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
    panel.override_by_name(
        "quality", [DynamicConfigValue("mappings", marked), DynamicConfigValue("custom.displayMode", "color-text")]
    )
    titles = _titles(options)
    for metric in {metric.name: metric for _, metric in quantities.numbers()}.values():
        named = [DynamicConfigValue("displayName", titles[metric.name])] if metric.name in titles else []
        panel.override_by_name(metric.name, [*named, panels.unit(unit_of(metric))])
    for name in _TECHNICAL:
        panel.override_by_name(
            name, [DynamicConfigValue("displayName", titles[name]), DynamicConfigValue("custom.minWidth", 150)]
        )
    return panel


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
    panel = panels.lines(options.say("For the indicators", "指标贡献"), why, [query], "none").span(16).height(11)
    for place, each in enumerate({each.name: each for stream in STREAMS for each in stream.details}.values()):
        color = palette.SERIES[place % len(palette.SERIES)]
        named = DynamicConfigValue("displayName", name_of(each, options.language))
        panel.override_by_name(each.name, [fixed(color), named, panels.unit(unit_of_indicator(each))])
    return panel


def completeness(options: Options) -> timeseries.Panel:
    why = options.say(
        "Readings of each hour or day against as many as the device's interval makes due.", "每小时或每天实收读数与应收读数之比。"
    )
    query = f"""{flux.SPAN}
level = {level_choice((HOUR, DAY))}
from(bucket: "{AGGREGATES}")
  |> {flux.RANGE}
  |> filter(fn: (r) => {ONE} and r.window == level)
  |> filter(fn: (r) => r._field == "readings" or r._field == "expected")
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => r.expected > 0)
  |> map(fn: (r) => ({{_time: r._time, _value: float(v: r.readings) / float(v: r.expected)}}))"""
    title = options.say("Completeness", "数据完整率")
    panel = panels.lines(title, why, [query], "percentunit").display_name(title).min(0).span(12).height(4)
    return panels.coloured(panel.legend(panels.legend().show_legend(False)).show_points(VisibilityMode.ALWAYS), [title])


def entry(options: Options) -> table.Panel:
    why = options.say("What the registry says of the device.", "注册表中的设备信息。")
    query = f"""from(bucket: "{OPS}")
  |> range(start: 2000-01-01T00:00:00Z)
  |> filter(fn: (r) => {ONE} and r._field != "x" and r._field != "y")
  |> last()
  |> map(fn: (r) => ({{entry: r._field, value: string(v: r._value)}}))
  |> group()
  |> sort(columns: ["entry"])
  |> limit(n: 50)"""
    panel = panels.rows_of(options.say("Registry entry", "注册信息"), why, query).span(8).height(11)
    titles = {"entry": options.say("Entry", "项目"), "value": options.say("Value", "内容")}
    panel.with_transformation(ordered(titles))
    called = named({name: words.of(options.language) for name, words in _ENTRIES.items()})
    return panel.override_by_name(titles["entry"], [DynamicConfigValue("mappings", [each.to_json() for each in called])])


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


_TECHNICAL = {"_time": Words("Time", "时间"), "quality": Words("Quality", "质量"), "reasons": Words("Why suspect", "可疑原因")}
_ENTRIES = {
    "name": Words("Name", "名称"),
    "zone": Words("Zone", "片区"),
    "site": Words("Site", "场站"),
    "gateway": Words("Gateway", "网关"),
    "lat": Words("Latitude", "纬度"),
    "lon": Words("Longitude", "经度"),
    "interval_s": Words("Reports every, s", "上报周期（秒）"),
}


def _titles(options: Options) -> dict[str, str]:
    """Field -> what people call it; of a name that means different things in different kinds, none."""
    called: dict[str, set[str]] = {}
    for stream in STREAMS:
        for kind in stream.kinds:
            for metric in kind.metrics:
                called.setdefault(metric.name, set()).add(name_of(metric, options.language))
    found = {name: min(words) for name, words in called.items() if len(words) == 1}
    return found | {name: words.of(options.language) for name, words in _TECHNICAL.items()}


def _state_words(options: Options) -> dict[str, tuple[str, str]]:
    """State -> how it is written and its colour: trouble, rest and running everywhere alike, others unlike their neighbours."""
    found = {"true": (options.say("yes", "是"), palette.SKY), "false": (options.say("no", "否"), palette.GREY)}
    for stream in STREAMS:
        for kind in stream.kinds:
            for metric in kind.metrics:
                others = cycle(_STATE_COLORS)
                for state in states_of(metric):
                    quiet = palette.SKY if state == "running" else palette.GREY if state in {"stopped", "idle"} else next(others)
                    found.setdefault(state, (state, palette.BAD if is_trouble(state) else quiet))
    return found
