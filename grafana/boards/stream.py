"""A stream's dashboard, from its declaration alone; `extras` add what only that stream has."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.boards import indicators
from grafana.boards.metric import compared, trend
from grafana.boards.tables import worst
from grafana.boards.whole import figures, silent, where
from grafana.fields import main_aggregation
from grafana.frame import frame, row
from grafana.options import Options
from grafana.variables import variables
from grafana.words import name_of
from schemas.kind import Kind, Stream
from schemas.metric import Metric

Extra = tuple[str, Sequence[Builder[Panel]]]
_MOST_FIGURES = 12


def stream_board(stream: Stream, options: Options, extras: Sequence[Extra] = ()) -> Dashboard:
    title = name_of(stream, options.language)
    text = options.say(
        f"{stream.en}: its indicators against their targets, zone beside zone, and which devices need somebody.",
        f"{stream.zh}：指标与目标、各片区对比、设备状态及需要处置的设备。",
    )
    everything = f"{stream.name}_*"
    board = frame(stream.name, title, text, options, variables(everything, options.language))
    rows = indicators.with_target(stream.indicators)
    if rows:
        row(board, options.say("Indicators", "指标"), [indicators.figure(stream, each, options) for each in rows[:_MOST_FIGURES]])
        row(board, options.say("Zone beside zone", "片区"), [indicators.compared(stream, options).span(24)])
    row(board, options.say("Where", "分布"), [where(everything, options), silent(everything, options)])
    for heading, extra in extras:
        row(board, heading, extra)
    if rows:
        trends = [indicators.trend(stream, each, options) for each in rows]
        row(board, options.say("Indicators over time", "指标趋势"), trends, closed=True)
    for number, kind in enumerate(stream.kinds):
        metrics = [panel for metric in kind.metrics if (panel := trend(stream, kind, metric, options))]
        row(board, name_of(kind, options.language), [*_compared(stream, kind, options), worst(stream, kind, options)])
        row(board, f"{name_of(kind, options.language)} · {options.say('all metrics', '全部指标')}", metrics, closed=number > 0)
    row(board, options.say("Devices", "设备"), figures(everything, options))
    return board


def key_metric(kind: Kind) -> Metric | None:
    """The first that has a trend in numbers."""
    return next((metric for metric in kind.metrics if main_aggregation(metric)), None)


def _compared(stream: Stream, kind: Kind, options: Options) -> list[Builder[Panel]]:
    metric = key_metric(kind)
    if metric is None:
        return []
    found: list[Builder[Panel]] = [compared(stream, kind, metric, options)]
    if (beside := trend(stream, kind, metric, options)) is not None:
        found.append(beside)
    return found
