"""A stream's dashboard, from its declaration alone; `extras` add what only that stream has."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from grafana.boards.metric import compared, trend
from grafana.boards.tables import worst
from grafana.boards.whole import figures, where
from grafana.fields import main_aggregation
from grafana.frame import frame, row
from grafana.options import Options
from grafana.variables import variables
from grafana.words import name_of
from schemas.kind import Kind, Stream
from schemas.metric import Metric

Extra = tuple[str, Sequence[Builder[Panel]]]


def stream_board(stream: Stream, options: Options, extras: Sequence[Extra] = ()) -> Dashboard:
    title = name_of(stream, options.language)
    text = options.say(
        f"{stream.en}: what its devices say, zone beside zone, and which of them need somebody.",
        f"{stream.zh}：各片区对比、设备状态及需要处置的设备。",
    )
    everything = f"{stream.name}_*"
    board = frame(stream.name, title, text, options, variables(everything, options.language))
    row(
        board,
        options.say("At a glance", "总览"),
        [*figures(everything, options), where(everything, options), first(stream, options)],
    )
    for heading, extra in extras:
        row(board, heading, extra)
    for number, kind in enumerate(stream.kinds):
        trends = [panel for metric in kind.metrics if (panel := trend(stream, kind, metric, options))]
        row(board, name_of(kind, options.language), [*_compared(stream, kind, options), worst(stream, kind, options)])
        row(board, f"{name_of(kind, options.language)} · {options.say('all metrics', '全部指标')}", trends, closed=number > 0)
    return board


def first(stream: Stream, options: Options) -> Builder[Panel]:
    """The worst of the stream's first kind, beside the map."""
    return worst(stream, stream.kinds[0], options, rows=18).height(14).span(12)


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
