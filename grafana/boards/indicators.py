"""Indicators, from their rows: a figure against its target, zones beside each other, a trend."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import DashboardLink, ThresholdsConfig
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, DynamicConfigValue

from grafana import flux, palette, panels
from grafana.boards.tables import ordered
from grafana.fields import level_choice
from grafana.marks import fixed, named, steps
from grafana.options import Options
from grafana.units import decimals_of, unit_of_indicator
from grafana.variables import TITLES
from grafana.words import Words, name_of
from schemas.aggregate import DAY, HOUR, QUARTER
from schemas.fields import AGGREGATES
from schemas.indicator import DISTRICT, Indicator, Span, Target, measurement
from schemas.kind import Stream

# How far back the newest window is looked for, in hours; one of a day is a day old when the next one closes
_LOOK_BACK_H = {QUARTER: 3, HOUR: 6, DAY: 50}
_NAMES = {QUARTER: Words("quarter of an hour", "15 分钟"), HOUR: Words("hour", "1 小时"), DAY: Words("day", "1 天")}
_MOST_COLUMNS = 8
_DAYS_SHOWN = "30d"  # of what there is one number a day, whatever the range


def figure(stream: Stream, row: Indicator, options: Options, *, summed_h: int = 0) -> stat.Panel:
    """The newest window's value of the district, or of each zone chosen; `summed_h` adds up so many hours."""
    window = HOUR if summed_h else row.windows[0]
    hours = summed_h or _LOOK_BACK_H[window]
    query = f"""{_zones()}
from(bucket: "{AGGREGATES}")
  |> range(start: {flux.lately(hours)}, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "{measurement(stream.name)}" and r._field == "{row.name}" and r.window == "{window}")
  |> filter(fn: (r) => exists r.zone and r.zone =~ zones)
  |> {"sum" if summed_h else "last"}()
  |> map(fn: (r) => ({{_value: float(v: r._value), series: r.zone}}))
  |> group(columns: ["series"])
  |> limit(n: 1)"""
    when = options.say(f"the last {summed_h} h", f"最近 {summed_h} 小时") if summed_h else _NAMES[window].of(options.language)
    lead = options.say(f"Of {when}." if summed_h else f"Of the newest {when}.", f"统计时段：{when}。")
    link = DashboardLink(name_of(stream, options.language)).type(DashboardLinkType.LINK)
    url = f"/d/hanan-{stream.name}-{options.language}?${{__url_time_range}}&${{zone:queryparam}}"
    panel = panels.number(name_of(row, options.language), f"{lead} {why(row, options)}", query, unit_of_indicator(row))
    panel.data_links([link.url(url)]).decimals(decimals_of(unit_of_indicator(row)))
    return panel.color_scheme(panels.plain()) if row.target is None else panel.thresholds(against(row.target))


def trend(stream: Stream, row: Indicator, options: Options) -> timeseries.Panel:
    """The district as a thick line, the zones chosen as thin ones, the target dashed."""
    query = f"""{flux.SPAN}
level = {level_choice(row.windows)}
from(bucket: "{AGGREGATES}")
  |> {flux.RANGE}
  |> filter(fn: (r) => r._measurement == "{measurement(stream.name)}" and r._field == "{row.name}" and r.window == level)
  |> filter(fn: (r) => exists r.zone and (r.zone == "{DISTRICT}" or r.zone =~ {flux.pattern("zone")}))
  |> map(fn: (r) => ({{_time: r._time, _value: float(v: r._value), series: r.zone}}))
  |> group(columns: ["series"])"""
    unit = unit_of_indicator(row)
    panel = panels.lines(name_of(row, options.language), why(row, options), [query], unit, zones=options.titles)
    if row.windows[0] == DAY:
        panel.time_from(_DAYS_SHOWN)
    thick = DynamicConfigValue("custom.lineWidth", 4)
    panel.override_by_name(DISTRICT, [fixed(palette.WHITE), thick, _named(district(options))])
    return panel if row.target is None else panels.drawn(panel.thresholds(against(row.target)))


def compared(stream: Stream, options: Options) -> table.Panel:
    """Zones as rows, the indicators that have a target as columns, each in the colour of its judgement."""
    rows = [row for row in stream.indicators if row.target is not None and row.windows[0] != DAY][:_MOST_COLUMNS]
    wanted = " or ".join(f'(r._field == "{row.name}" and r.window == "{row.windows[0]}")' for row in rows)
    query = f"""from(bucket: "{AGGREGATES}")
  |> range(start: {flux.lately(_LOOK_BACK_H[HOUR])}, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "{measurement(stream.name)}" and exists r.zone)
  |> filter(fn: (r) => {wanted})
  |> last()
  |> map(fn: (r) => ({{zone: r.zone, _field: r._field, _value: float(v: r._value)}}))
  |> group()
  |> pivot(rowKey: ["zone"], columnKey: ["_field"], valueColumn: "_value")
  |> sort(columns: ["zone"])
  |> limit(n: 50)"""
    text = options.say(
        "The newest value of each indicator that has a target, by zone and for the district, in the colour of its judgement.",
        "各片区有目标值的指标的最新值，按达标情况着色；含全区。",
    )
    panel = panels.rows_of(options.say("Zones compared", "片区对比"), text, query)
    titles = {"zone": TITLES["zone"].of(options.language), **{row.name: name_of(row, options.language) for row in rows}}
    panel.with_transformation(ordered(titles))
    names = {**options.titles, DISTRICT: district(options)}
    panel.override_by_name(titles["zone"], [DynamicConfigValue("mappings", [each.to_json() for each in named(names)])])
    for row in rows:
        assert row.target is not None
        judged = DynamicConfigValue("thresholds", against(row.target).build().to_json())
        panel.override_by_name(
            name_of(row, options.language),
            [panels.unit(unit_of_indicator(row)), judged, DynamicConfigValue("custom.displayMode", "color-text")],
        )
    return panel


def against(target: Target) -> ThresholdsConfig:
    """Good, in between, poor. Grafana's steps begin at their value, and exactly at the target all is well."""
    nudge = abs(target.good - target.poor) * 1e-6
    if target.good >= target.poor:
        return steps([(None, palette.BAD), (target.poor + nudge, palette.WARN), (target.good, palette.GOOD)])
    return steps([(None, palette.GOOD), (target.good + nudge, palette.WARN), (target.poor, palette.BAD)])


def why(row: Indicator, options: Options) -> str:
    parts = [options.say(f"{row.en}: {row.formula}.", f"{row.zh}：{row.formula}。")]
    if row.target is not None:
        good, poor = row.target.good, row.target.poor
        up, down = (">=", "<=") if good >= poor else ("<=", ">=")
        judged = row.target.source
        parts.append(
            options.say(
                f"Good {up} {good:g}, poor {down} {poor:g} ({judged}).", f"目标 {up} {good:g}，{down} {poor:g} 为差（{judged}）。"
            )
        )
    if row.span is Span.EVENT:
        parts.append(options.say("Of the event that is on, or was last.", "针对当前或最近一场。"))
    return " ".join([*parts, options.say(f"Source: {row.source}.", f"依据：{row.source}。")])


def district(options: Options) -> str:
    return options.say("district", "全区")


def with_target(rows: Sequence[Indicator]) -> list[Indicator]:
    """Those that can be judged first, each group in the order of its declaration."""
    return sorted(rows, key=lambda row: row.target is None)


def _named(name: str) -> DynamicConfigValue:
    return DynamicConfigValue("displayName", name)


def _zones() -> str:
    """The district where all zones are chosen: shares of zones do not add up to one of the district."""
    return f"""import "regexp"
chosen = "${{zone:regex}}"
zones = regexp.compile(v: if chosen == "{flux.ALL}" then "^{DISTRICT}$" else "^" + chosen + "$")"""
