"""The sanitation work list: which place is to be served next, why, by when, and who is on the way."""

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, DynamicConfigValue

from grafana import flux, palette, panels
from grafana.boards.alerts import SEVERITIES
from grafana.boards.tables import ordered
from grafana.marks import mapping, named
from grafana.options import Options
from grafana.words import Words
from schemas.fields import ALERTS
from schemas.workorder import State, Why

_LOOK_BACK_DAYS = 30
_WHY = {
    Why.FILLING: Words("will be full soon", "将满"),
    Why.DUE: Words("to be emptied", "应清运"),
    Why.FULL: Words("full", "已满"),
    Why.NOT_EMPTIED: Words("not emptied", "未清空"),
    Why.ODOUR: Words("odour", "异味"),
}
_STATE = {
    State.OPEN: Words("open", "待派"),
    State.TAKEN: Words("taken", "已接单"),
    State.DONE: Words("done", "已完成"),
    State.OVER: Words("over", "已消除"),
}
_COLUMNS = {
    "due": (Words("By", "期限"), 160),
    "severity": (Words("Urgency", "紧急程度"), 100),
    "name": (Words("Place", "地点"), 0),
    "why": (Words("Why", "原因"), 260),
    "devices": (Words("Devices", "设备"), 200),
    "zone": (Words("Zone", "片区"), 120),
    "state": (Words("State", "状态"), 90),
    "by": (Words("Crew", "班组"), 120),
    "place": (Words("Order for", "工单"), 110),
}


def work_list(options: Options) -> table.Panel:
    """One row for each place with an order that is open or taken, the nearest deadline first."""
    why = options.say(
        "Work orders that are open or taken at the end of the range, by deadline. "
        "`hanan dispatch take` says who goes, `hanan dispatch done` that it is served.",
        "所选时段末未完成的工单，按期限排序。接单：hanan dispatch take；完成：hanan dispatch done。",
    )
    fields = ("state", "severity", "name", "zone", "reasons", "devices", "by", "due_ms", "is_active")
    wanted = " or ".join(f'r._field == "{name}"' for name in fields)
    said = "".join(
        f'\n  |> map(fn: (r) => ({{r with why: strings.replaceAll(v: r.why, t: "<{each}>", u: "{words.of(options.language)}")}}))'
        for each, words in _WHY.items()
    )
    query = f"""import "strings"
from(bucket: "{ALERTS}")
  |> range(start: {flux.lately(_LOOK_BACK_DAYS * 24)}, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "workorder")
  |> filter(fn: (r) => {wanted})
  |> last()
  |> keep(columns: ["place", "_field", "_value"])
  |> pivot(rowKey: ["place"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> filter(fn: (r) => r.is_active and r.zone =~ {flux.pattern("zone")} and r.place =~ {flux.pattern("site")})
  |> sort(columns: ["due_ms"])
  |> limit(n: 200)
  |> map(fn: (r) => ({{r with due: time(v: r.due_ms * 1000000)}}))
  |> map(fn: (r) => ({{r with why: "<" + strings.replaceAll(v: r.reasons, t: ", ", u: ">, <") + ">"}})){said}
  |> keep(columns: [{", ".join(f'"{name}"' for name in _COLUMNS)}])"""
    panel = panels.rows_of(options.say("Work orders", "工单"), why, query).height(11)
    panel.no_value(options.say("Nothing is to be served", "无待处理工单"))
    titles = {name: words.of(options.language) for name, (words, _) in _COLUMNS.items()}
    panel.with_transformation(ordered(titles))
    for name, (words, width) in _COLUMNS.items():
        properties = [DynamicConfigValue("custom.width", width)] if width else []
        panel.override_by_name(words.of(options.language), [*properties, *_properties(name, options)])
    return panel


def _properties(name: str, options: Options) -> list[DynamicConfigValue]:
    language = options.language
    if name == "severity":
        severities = {each: (word.of(language), palette.SEVERITY[each]) for each, word in SEVERITIES.items()}
        shown = [each.to_json() for each in mapping(severities)]
        return [DynamicConfigValue("mappings", shown), DynamicConfigValue("custom.displayMode", "color-text")]
    if name in {"state", "zone"}:
        words = options.titles if name == "zone" else {state.value: word.of(language) for state, word in _STATE.items()}
        return [DynamicConfigValue("mappings", [each.to_json() for each in named(words)])]
    if name == "place":
        url = f"/d/hanan-waste-{language}?var-site=${{__value.text}}&${{__url_time_range}}"
        link = DashboardLink(options.say("Its devices", "查看设备")).type(DashboardLinkType.LINK).url(url)
        return [DynamicConfigValue("links", [link.build().to_json() | {"targetBlank": False}])]
    return []
