"""How the devices of a stream, or of all, are: how many report, how many do not, where."""

from typing import NamedTuple

from grafana_foundation_sdk.builders import geomap, stat, table

from grafana import flux, palette, panels
from grafana.boards.tables import readable
from grafana.marks import condition_mapping, steps
from grafana.options import Options
from grafana.words import Words


class Condition(NamedTuple):
    """How a device is, as `flux.condition` numbers it."""

    number: int
    title: Words
    why: Words
    color: str


CONDITIONS = (
    Condition(
        0,
        Words("Reporting", "在线"),
        Words(
            "The newest reading is good, and not older than three intervals of its device.",
            "最近读数正常，且未超过三个上报周期。",
        ),
        palette.GOOD,
    ),
    Condition(
        1, Words("Suspect", "可疑"), Words("The newest reading has a flagged value.", "最近一次读数含可疑值。"), palette.SUSPECT
    ),
    Condition(
        2,
        Words("Silent", "失联"),
        Words("No reading for three of its intervals, or none within a day.", "超过三个上报周期或一天内无上报。"),
        palette.BAD,
    ),
)
_AS_ONE = '\n  |> group()\n  |> keep(columns: ["_value"])'


def figures(of: str, options: Options) -> list[stat.Panel]:
    """Six numbers across the top."""
    counted = flux.condition(of) + "\n"
    return [
        panels.number(
            options.say("Registered devices", "在册设备"),
            options.say("Devices of the registry that the variables leave.", "注册表中符合所选条件的设备数。"),
            counted + 'condition |> count(column: "device_id") |> rename(columns: {device_id: "_value"})' + _AS_ONE,
            "none",
        ).color_scheme(panels.plain()),
        *(_counted(counted, state, options) for state in CONDITIONS),
        panels.number(
            options.say("Readings a minute", "每分钟读数"),
            options.say(
                "Readings stored in the last 10 minutes of the range, by the minute.",
                "所选时段最后 10 分钟内每分钟入库的读数。",
            ),
            _rate(of),
            "none",
        )
        .color_scheme(panels.plain())
        .decimals(1),
        panels.number(
            options.say("Suspect share", "可疑占比"),
            options.say("Suspect readings among all of the last hour of the range.", "所选时段最后一小时内可疑读数占比。"),
            _suspect_share(of),
            "percentunit",
        ).thresholds(steps([(None, palette.GOOD), (0.02, palette.WARN), (0.1, palette.BAD)])),
    ]


def where(of: str, options: Options) -> geomap.Panel:
    """The map of devices by their condition."""
    title = options.say("Where", "分布")
    text = options.say(
        "Every device chosen, coloured by its condition: reports, suspect, silent; the latter two have their name. "
        "Outlines are the hulls of the zones' devices; the map asks nothing of the internet.",
        "所选设备的位置，按状态着色：在线、可疑、失联；非在线者显示编号。轮廓为各片区设备的外包线，地图无需访问互联网。",
    )
    columns = '["device_id", "name", "label", "zone", "site", "lat", "lon", "state"]'
    query = f"""{flux.condition(of)}
condition
  |> map(fn: (r) => ({{r with label: if r.state > 0 then r.device_id else ""}}))
  |> keep(columns: {columns})
  |> sort(columns: ["state"])
  |> limit(n: 5000)"""
    view = panels.fitted()
    panel = panels.map_of(title, text, query, "state", options.tiles, options.outline, view)
    return panel.mappings(condition_mapping(options.language)).thresholds(
        steps([(None, palette.GOOD), (1, palette.SUSPECT), (2, palette.BAD)])
    )


def silent(of: str, options: Options) -> table.Panel:
    why = options.say(
        "Devices without a reading for three of their intervals, longest silent first.", "超过三个上报周期无读数的设备。"
    )
    query = (
        flux.condition(of)
        + """
condition
  |> filter(fn: (r) => r.silent)
  |> keep(columns: ["device_id", "name", "zone", "site", "seen", "interval_s"])
  |> sort(columns: ["seen"])
  |> limit(n: 50)"""
    )
    panel = panels.rows_of(options.say("Silent devices", "失联设备"), why, query).span(12).height(14)
    readable(panel, ("device_id", "name", "zone", "seen", "interval_s", "site"), options)
    return panel.no_value(options.say("Nobody is silent", "无失联设备"))


def _counted(counted: str, state: Condition, options: Options) -> stat.Panel:
    query = (
        f"{counted}condition |> map(fn: (r) => ({{r with _value: if r.state == {state.number} then 1 else 0}})) |> sum(){_AS_ONE}"
    )
    limit = steps([(None, palette.GOOD), (1, state.color)])
    return panels.number(state.title.of(options.language), state.why.of(options.language), query, "none").thresholds(limit)


def _rate(of: str) -> str:
    return f"""from(bucket: "readings")
  |> range(start: {flux.lately_minutes(10)}, stop: v.timeRangeStop)
  |> filter(fn: (r) => {flux.of(of)})
  |> filter(fn: (r) => r._field == "quality")
  |> count()
  |> group()
  |> sum()
  |> map(fn: (r) => ({{_value: float(v: r._value) / 10.0}}))"""


def _suspect_share(of: str) -> str:
    return f"""from(bucket: "readings")
  |> range(start: {flux.lately_minutes(60)}, stop: v.timeRangeStop)
  |> filter(fn: (r) => {flux.of(of)})
  |> filter(fn: (r) => r._field == "quality")
  |> {flux.SUSPECT_SHARE}"""
