"""The sanitation dispatcher's screen: what to serve next, what came in, what is wrong at the stations."""

from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana import flux, palette, panels
from grafana.boards.filling import due
from grafana.boards.metric import trend
from grafana.boards.orders import work_list
from grafana.boards.tables import readable, worst
from grafana.flux import BY_DEVICE, PICKED, registry
from grafana.frame import frame, row
from grafana.marks import steps
from grafana.options import Options
from grafana.variables import variables
from schemas.fields import READINGS
from schemas.waste import STREAM

_FULL = 0.8
_DAY_H = 24


def dispatch_board(options: Options) -> Dashboard:
    text = options.say(
        "Containers and compactors by when they will be full, tonnes over the weighbridges, the air of the stations.",
        "按预计满溢时间排序的垃圾箱与压缩机、过磅吨数、转运站空气。",
    )
    board = frame("dispatch", options.say("Dispatch", "清运调度"), text, options, variables("waste_*", options.language))
    containers = due("bin", options.say("Containers to serve next", "待清运垃圾箱"), options, rows=30).height(16)
    compactors = due("compactor", options.say("Compactors to serve next", "待清运压缩机"), options).height(16)
    row(board, options.say("Work orders", "工单"), [work_list(options)])
    row(board, options.say("To serve", "待清运"), [*full(options), tonnes(options), containers, compactors])
    row(board, options.say("Weighbridge", "过磅"), [by_site(options), _mass(options)])
    row(board, options.say("Stations", "转运站"), [worst(STREAM, STREAM.by_name["air"], options).span(24)])
    return board


def full(options: Options) -> list[stat.Panel]:
    titles = (
        ("bin", options.say("Containers above 80 %", "超 80% 垃圾箱")),
        ("compactor", options.say("Compactors above 80 %", "超 80% 压缩机")),
    )
    why = options.say("Of those that reported within a day.", "一天内有上报者。")
    return [
        panels.number(title, why, _full(kind), "none").thresholds(steps([(None, palette.GOOD), (1, palette.WARN)])).span(8)
        for kind, title in titles
    ]


def tonnes(options: Options) -> stat.Panel:
    why = options.say(
        "Net mass over the weighbridges chosen in the last 24 hours; suspect events too.",
        "最近 24 小时过磅净重合计，含可疑记录。",
    )
    query = f"""{_weighed()}
  |> sum(column: "net")
  |> map(fn: (r) => ({{_value: r.net}}))"""
    panel = panels.number(options.say("Tonnes in 24 h", "24 小时吨数"), why, query, "suffix: t").color_scheme(panels.plain())
    return panel.decimals(1).span(8)


def by_site(options: Options) -> table.Panel:
    why = options.say("Trucks and net mass of the last 24 hours by weighbridge.", "最近 24 小时各地磅车次与净重。")
    query = f"""{_weighed()}
  |> sort(columns: ["net"], desc: true)
  |> limit(n: 50)
  |> keep(columns: ["device_id", "name", "zone", "site", "trucks", "net"])"""
    panel = panels.rows_of(options.say("By weighbridge", "按地磅"), why, query).span(12).height(8)
    return readable(panel, ("device_id", "name", "zone", "net", "trucks", "site"), options)


def _mass(options: Options) -> timeseries.Panel:
    kind = STREAM.by_name["weighbridge"]
    made = trend(STREAM, kind, kind.by_name["net_kg"], options)
    assert made is not None
    return made


def _full(kind: str) -> str:
    return f"""values = from(bucket: "{READINGS}")
  |> range(start: {flux.lately(_DAY_H)}, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "waste_{kind}" and r._field == "fill")
  |> last()
  |> keep(columns: ["device_id", "_field", "_value"])
entries = {registry(f"waste_{kind}", "zone", "site")}
union(tables: [entries, values])
  |> {BY_DEVICE}
  |> filter(fn: (r) => exists r.zone and exists r.fill)
  |> filter(fn: (r) => {PICKED})
  |> group()
  |> map(fn: (r) => ({{r with _value: if r.fill > {_FULL} then 1 else 0}}))
  |> sum()
  |> keep(columns: ["_value"])"""


def _weighed() -> str:
    """A row for each weighbridge: trucks and tonnes of a day."""
    return f"""events = from(bucket: "{READINGS}")
  |> range(start: {flux.lately(_DAY_H)}, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "waste_weighbridge" and r._field == "net_kg")
net = events |> sum() |> set(key: "_field", value: "net") |> keep(columns: ["device_id", "_field", "_value"])
trucks = events |> count() |> set(key: "_field", value: "trucks") |> keep(columns: ["device_id", "_field", "_value"])
entries = {registry("waste_weighbridge", "name", "zone", "site")}
union(tables: [entries, net |> group(columns: ["device_id", "_field"]), trucks |> group(columns: ["device_id", "_field"])])
  |> {BY_DEVICE}
  |> filter(fn: (r) => exists r.zone and exists r.net)
  |> map(fn: (r) => ({{r with net: r.net / 1000.0}}))
  |> filter(fn: (r) => {PICKED})
  |> group()"""
