"""The trend of one metric, from its row."""

from grafana_foundation_sdk.builders import timeseries

from grafana import flux, palette, panels
from grafana.fields import levels_of, main_aggregation, measurement
from grafana.marks import fixed, is_trouble, limits_of, number, thresholds
from grafana.options import Options
from grafana.units import unit_of
from grafana.words import name_of
from schemas.fields import aggregate_field, state_field, states_of
from schemas.kind import Kind, Stream
from schemas.metric import Aggregation, Metric, Nature

_STATE_COLORS = (palette.GREY, palette.SKY, palette.GREEN, palette.YELLOW, palette.PURPLE, palette.BLUE, palette.ORANGE)


def trend(stream: Stream, kind: Kind, metric: Metric, options: Options) -> timeseries.Panel | None:
    """By zone, and by device where one is chosen; None for a label, which has no trend."""
    if metric.nature is Nature.LABEL:
        return None
    if metric.nature is Nature.STATE:
        return None if kind.event else _shares(stream, kind, metric, options)
    how = main_aggregation(metric)
    assert how is not None
    field = aggregate_field(metric, how)
    of = measurement(stream, kind)
    raw, levels = metric.name if how is Aggregation.MEAN else "", levels_of(kind)
    queries = [flux.zone_lines(of, field, levels), flux.device_lines(of, raw, field, levels)]
    title = f"{name_of(metric, options.language)}"
    draw = panels.lines if how is Aggregation.MEAN else panels.bars
    panel = draw(title, why(stream, kind, metric, options), queries, unit_of(metric), zones=options.titles)
    panels.coloured(panel, [str(place) for place in range(1, flux.MAX_LINES + 1)], " .*")
    if limits_of(stream, kind, metric).bad is not None:
        panels.drawn(panel.thresholds(thresholds(stream, kind, metric)))
    return panel


def compared(stream: Stream, kind: Kind, metric: Metric, options: Options) -> timeseries.Panel:
    """The range shown beside the same hours a day and a week earlier."""
    how = main_aggregation(metric)
    assert how is not None
    of, field = measurement(stream, kind), aggregate_field(metric, how)
    pool = "mean" if how is Aggregation.MEAN else "sum"
    names = (options.say("now", "当前"), options.say("a day before", "前一天"), options.say("a week before", "上周"))
    queries = [flux.before(of, field, days, pool, name, levels_of(kind)) for days, name in zip((0, 1, 7), names, strict=True)]
    title = f"{name_of(metric, options.language)}: {options.say('against yesterday and last week', '与昨日、上周对比')}"
    also = options.say(
        "The zones chosen as one line, beside the same hours one day and seven days earlier.",
        "所选片区合为一条线，与前一天、上周同一时段对比。",
    )
    panel = panels.lines(title, f"{also} {why(stream, kind, metric, options)}", queries, unit_of(metric))
    for name, color in zip(names, (palette.SKY, palette.ORANGE, palette.GREY), strict=True):
        panel.override_by_name(name, [fixed(color)])
    return panel


def why(stream: Stream, kind: Kind, metric: Metric, options: Options) -> str:
    """What it is, which values are plausible, what the lines mean, where that comes from."""
    parts = [f"{name_of(kind, options.language)}: {name_of(metric, options.language)} (`{metric.name}`, {metric.unit or '–'})."]
    how = main_aggregation(metric)
    if how is Aggregation.MEAN:
        parts.append(options.say("Mean of each window; suspect values are left out.", "各窗口均值，不含可疑值。"))
    elif how is not None:
        parts.append(options.say("Amount in each window; suspect values are left out.", "各窗口内的增量或合计，不含可疑值。"))
    low, high = number(metric.plausible.low), number(metric.plausible.high)
    if low is not None or high is not None:
        bounds = f"{_shown(low)} … {_shown(high)}"
        parts.append(options.say(f"Plausible: {bounds}.", f"合理范围：{bounds}。"))
    limits = limits_of(stream, kind, metric)
    if limits.bad is not None and limits.warn is not None:
        parts.append(
            options.say(
                f"Lines: {limits.warn:g} warns, {limits.bad:g} is bad ({limits.source}).",
                f"阈值线：{limits.warn:g} 预警，{limits.bad:g} 严重（{limits.source}）。",
            )
        )
    return " ".join(parts)


def _shares(stream: Stream, kind: Kind, metric: Metric, options: Options) -> timeseries.Panel:
    states = states_of(metric)
    yes_no = {"false": options.say("no", "否"), "true": options.say("yes", "是")}
    titles = {state_field(kind, metric, state): yes_no.get(state, state) for state in states}
    free = iter(_STATE_COLORS * 2)
    colors = {
        yes_no.get(state, state): palette.BAD
        if is_trouble(state)
        else palette.SKY
        if state in {"running", "true"}
        else next(free)
        for state in states
    }
    text = options.say("Share of the time in each state, over the zones chosen.", "所选片区内各状态的时间占比。")
    query = flux.state_shares(measurement(stream, kind), titles, levels_of(kind))
    return panels.Stacked.panel(name_of(metric, options.language), f"{why(stream, kind, metric, options)} {text}", query, colors)


def _shown(bound: float | None) -> str:
    return "–" if bound is None else f"{bound:g}"
