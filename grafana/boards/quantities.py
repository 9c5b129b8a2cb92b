"""A panel for each number that a device sends, with its own axis and unit: a variable finds them, Grafana repeats the panel."""

from collections import defaultdict
from collections.abc import Iterator

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.builders.dashboard import QueryVariable
from grafana_foundation_sdk.models.common import GraphDrawStyle, VisibilityMode
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, VariableOption, VariableRefresh

from grafana import flux, palette, panels
from grafana.marks import fixed
from grafana.options import Options
from grafana.target import SOURCE
from grafana.units import unit_of
from grafana.words import name_of
from schemas.fields import AGGREGATES, READINGS
from schemas.metric import Metric, Nature
from schemas.streams import STREAMS

ONE = 'r.device_id == "${device}"'
VARIABLE = "metric"
_OF_METRIC = f"r._field =~ /^${{{VARIABLE}:regex}}$/"
_MOST, _MOST_MARKED, _LOOK_BACK_H = 24, 100, 7 * 24
_TITLE = f"${{{VARIABLE}:text}}"


def numbers() -> Iterator[tuple[str, Metric]]:
    """Measurement and metric of all that is a number and says how much."""
    for stream in STREAMS:
        for kind in stream.kinds:
            for metric in kind.metrics:
                if metric.nature in {Nature.GAUGE, Nature.COUNTER}:
                    yield stream.measurement(kind.name), metric


def variable(options: Options) -> QueryVariable:
    """What the device chosen sends, by its name in people's words, in the order of its declaration."""
    known = ", ".join(
        f'"{of}/{metric.name}": "{place:03}{name_of(metric, options.language)}"' for place, (of, metric) in enumerate(numbers())
    )
    query = f"""import "dict"
import "strings"
titles = [{known}]
from(bucket: "{READINGS}")
  |> range(start: {flux.lately(_LOOK_BACK_H)}, stop: v.timeRangeStop)
  |> filter(fn: (r) => {ONE})
  |> last()
  |> map(fn: (r) => ({{field: r._field, title: dict.get(dict: titles, key: r._measurement + "/" + r._field, default: "")}}))
  |> group()
  |> filter(fn: (r) => r.title != "")
  |> sort(columns: ["title"])
  |> map(fn: (r) => ({{_value: strings.substring(v: r.title, start: 3, end: 99) + "|" + r.field}}))
  |> limit(n: {_MOST})"""
    return (
        QueryVariable(VARIABLE)
        .label(options.say("Metric", "指标"))
        .datasource(SOURCE)
        .query(query)
        .regex("/(?<text>[^|]+)\\|(?<value>.+)/")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(flux.ALL)
        .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def readings(options: Options) -> timeseries.Panel:
    why = options.say(
        "A number that the device sends, as it was sent; longer ranges show every so many seconds' mean. "
        "Points in purple are suspect readings: kept, and left out of all windows.",
        "设备上报的一项数值，长时段取分段均值。紫色点为可疑读数：已保存，但不计入任何统计。",
    )
    panel = panels.lines(_TITLE, why, [_sent(), _suspect()], "none")
    points = [DynamicConfigValue("custom.drawStyle", GraphDrawStyle.POINTS.value), DynamicConfigValue("custom.pointSize", 7)]
    shown = DynamicConfigValue("custom.showPoints", VisibilityMode.ALWAYS.value)
    marked = DynamicConfigValue("displayName", options.say("suspect", "可疑"))
    _repeated(panel).override_by_query("B", [*points, shown, fixed(palette.SUSPECT), marked])
    return panel


def windows(options: Options) -> timeseries.Panel:
    why = options.say(
        "Mean, increase or sum of the device's windows: minutes, quarters, hours or days, as the range asks.",
        "该指标的窗口均值、增量或合计；窗口长度随时段自动选择（分钟、刻、小时、日）。",
    )
    query = f"""{flux.level()}
from(bucket: "{AGGREGATES}")
  |> {flux.RANGE}
  |> filter(fn: (r) => {ONE} and r.window == level)
  |> filter(fn: (r) => r._field =~ /^${{{VARIABLE}:regex}}_(mean|increase|sum)$/)
  |> filter(fn: (r) => r._measurement !~ /^city_/)
  |> map(fn: (r) => ({{_time: r._time, _value: float(v: r._value), series: r._field}}))
  |> group(columns: ["series"])"""
    return _repeated(panels.lines(_TITLE, why, [query], "none"))


def _repeated(panel: timeseries.Panel) -> timeseries.Panel:
    """A line in one colour, in the unit of its metric; four beside each other."""
    by_unit: dict[str, dict[str, None]] = defaultdict(dict)
    for _, metric in numbers():
        by_unit[unit_of(metric)][metric.name] = None
    panel.color_scheme(panels.plain()).repeat(VARIABLE).height(6).span(24)
    panel.display_name("${__field.labels.series}").legend(panels.legend().show_legend(False))
    for unit, names in by_unit.items():
        if unit != "none":
            panel.override_by_regexp(f"/^({'|'.join(names)})(_mean|_increase|_sum)?$/", [panels.unit(unit)])
    return panel


def _sent() -> str:
    return f"""from(bucket: "{READINGS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => {ONE} and {_OF_METRIC})
  |> filter(fn: (r) => r._field != "quality" and r._field != "reasons")
  |> toFloat()
  |> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false)
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, series: r._field}}))
  |> group(columns: ["series"])"""


def _suspect() -> str:
    """Readings of which this very metric was flagged: `reasons` names them, `metric:flag`."""
    return f"""import "strings"
marked = from(bucket: "{READINGS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => {ONE} and r._field == "reasons")
  |> filter(fn: (r) => r._value =~ /(^|,)${{{VARIABLE}:regex}}:/)
  |> tail(n: {_MOST_MARKED})
  |> findColumn(fn: (key) => true, column: "_time")
from(bucket: "{READINGS}")
  |> {flux.RANGE}
  |> filter(fn: (r) => {ONE} and {_OF_METRIC})
  |> filter(fn: (r) => r._field != "quality" and r._field != "reasons")
  |> filter(fn: (r) => contains(value: r._time, set: marked))
  |> toFloat()
  |> map(fn: (r) => ({{_time: r._time, _value: r._value, series: r._field}}))
  |> group(columns: ["series"])"""
