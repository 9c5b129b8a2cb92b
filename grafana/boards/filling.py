"""How full containers and compactors are, when they will be full, and how good that prediction was."""

from grafana_foundation_sdk.builders import table, timeseries
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from grafana import flux, palette, panels
from grafana.boards.tables import NEVER_H, readable
from grafana.fields import levels_of
from grafana.flux import BY_DEVICE, PICKED, registry
from grafana.marks import fixed
from grafana.options import Options
from schemas.aggregate import HOUR, QUARTER
from schemas.fields import AGGREGATES
from schemas.waste import STREAM

AHEAD_H = {"bin": 6, "compactor": 1}  # hours that are looked ahead, and looked back for the rise: some part of a usual filling
_DRAWN = 3  # devices on one panel, each with two lines


def to_serve(options: Options) -> list[table.Panel]:
    kinds = (
        ("bin", options.say("Roadside containers: fill and when full", "路边垃圾箱：满溢预测")),
        ("compactor", options.say("Compactors: fill and when full", "压缩机：满载预测")),
    )
    return [due(kind, title, options) for kind, title in kinds]


def due(kind: str, title: str, options: Options, rows: int = 15) -> table.Panel:
    """A straight line through the last hours: what it was, what it is, how long until 1."""
    why = options.say(
        f"Fill now and {AHEAD_H[kind]} h before; hours to full go on in a straight line from the two. "
        "Soonest first; a dash where it does not rise.",
        f"当前与 {AHEAD_H[kind]} 小时前的填充率，按直线外推至满载所需小时数。最早满者在前；未上升则为空。",
    )
    query = f"""{_soonest(kind, rows)}
soonest
  |> keep(columns: ["device_id", "name", "zone", "site", "before", "fill", "hours"])"""
    columns = ("device_id", "name", "zone", "fill", "hours", "before", "site")
    return readable(panels.rows_of(title, why, query).span(12).height(10), columns, options)


def _soonest(kind: str, rows: int) -> str:
    """A row for each device chosen, the one that is full first at the top."""
    return f"""source = from(bucket: "readings")
  |> range(start: {flux.lately(AHEAD_H[kind])}, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "{STREAM.measurement(kind)}" and r._field == "fill")
latest = source |> last() |> set(key: "_field", value: "fill") |> keep(columns: ["device_id", "_field", "_value"])
  |> group(columns: ["device_id", "_field"])
earlier = source |> first() |> set(key: "_field", value: "before") |> keep(columns: ["device_id", "_field", "_value"])
  |> group(columns: ["device_id", "_field"])
entries = {registry(STREAM.measurement(kind), "name", "zone", "site")}
soonest = union(tables: [entries, latest, earlier])
  |> {BY_DEVICE}
  |> filter(fn: (r) => exists r.zone and exists r.fill and exists r.before)
  |> filter(fn: (r) => {PICKED})
  |> group()
  |> map(fn: (r) => ({{r with rise: (r.fill - r.before) / {AHEAD_H[kind]}.0}}))
  |> map(fn: (r) => ({{r with hours: if r.rise > 0.0001 then (1.0 - r.fill) / r.rise else {NEVER_H}}}))
  |> map(fn: (r) => ({{r with hours: if r.fill >= 1.0 then 0.0 else r.hours}}))
  |> sort(columns: ["hours", "device_id"])
  |> limit(n: {rows})"""


def foretold(options: Options) -> list[timeseries.Panel]:
    """Fill over time, and beside it what the same straight line had said of each moment hours before."""
    kinds = (
        ("bin", options.say("Containers: fill, and as predicted", "垃圾箱：填充率与预测")),
        ("compactor", options.say("Compactors: fill, and as predicted", "压缩机：填充率与预测")),
    )
    return [_foretold(kind, title, options) for kind, title in kinds]


def _foretold(kind: str, title: str, options: Options) -> timeseries.Panel:
    why = options.say(
        f"The {_DRAWN} that will be full first: fill, and dashed what was predicted for the moment {AHEAD_H[kind]} h before. "
        "Where the dashed line stays above, it fills more slowly than before; a fall is an emptying, which nothing predicts.",
        f"最早满载的 {_DRAWN} 个：实线为填充率，虚线为 {AHEAD_H[kind]} 小时前对该时刻的预测。"
        "虚线偏高说明填充变慢；骤降为清空，不在预测之内。",
    )
    panel = panels.lines(title, why, [_measured(kind), _predicted(kind, options)], "percentunit").min(0).max(1.2).height(10)
    dashed = DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 8]})
    panel.override_by_query("B", [dashed, DynamicConfigValue("custom.lineWidth", 1)])
    for place in range(_DRAWN):
        panel.override_by_regexp(f"/^{place + 1} /", [fixed(palette.SERIES[place])])
    return panel


def _measured(kind: str) -> str:
    return f"""{_fills(kind)}
fills(hours: 0)
  |> {flux.NUMBERED}"""


def _predicted(kind: str, options: Options) -> str:
    """From two fills so far apart on in a straight line; it never falls, as nobody knows of an emptying."""
    ending, ahead = options.say(" predicted", " 预测"), AHEAD_H[kind]
    return f"""{_fills(kind)}
union(tables: [fills(hours: {ahead}), fills(hours: {2 * ahead})])
  |> pivot(rowKey: ["_time", "device_id"], columnKey: ["earlier"], valueColumn: "_value")
  |> filter(fn: (r) => exists r.h{ahead} and exists r.h{2 * ahead})
  |> map(fn: (r) => ({{r with rise: math.mMax(x: r.h{ahead} - r.h{2 * ahead}, y: 0.0)}}))
  |> map(fn: (r) => ({{r with _value: math.mMin(x: r.h{ahead} + r.rise, y: 1.0)}}))
  |> {flux.NUMBERED}
  |> map(fn: (r) => ({{r with series: r.series + "{ending}"}}))
  |> group(columns: ["series"])"""


def _fills(kind: str) -> str:
    """`fills(hours)`: the last fill of each window of those drawn, so many hours earlier, moved to where now's is."""
    levels = [level for level in levels_of(STREAM.by_name[kind]) if level in {QUARTER, HOUR}]
    return f"""import "date"
import "math"
import "regexp"
import "strings"
{flux.level(levels)}
{_soonest(kind, _DRAWN)}
found = soonest |> findColumn(fn: (key) => true, column: "device_id")
{flux.one_of_found()}
fills = (hours) => from(bucket: "{AGGREGATES}")
  |> range(start: date.sub(d: duration(v: hours * {flux.HOUR_NS}), from: v.timeRangeStart), stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "{STREAM.measurement(kind)}" and r._field == "fill_last" and r.window == level)
  |> filter(fn: (r) => exists r.device_id and r.device_id =~ wanted)
  |> keep(columns: ["_time", "_value", "device_id"])
  |> timeShift(duration: duration(v: hours * {flux.HOUR_NS}), columns: ["_time"])
  |> set(key: "earlier", value: "h" + string(v: hours))
  |> filter(fn: (r) => r._time < v.timeRangeStop)
  |> group()"""
