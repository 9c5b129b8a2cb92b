"""What the dashboards choose of what is stored. The names themselves are those of `schemas.fields`."""

from collections.abc import Sequence

from schemas.aggregate import LEVELS
from schemas.kind import Kind, Stream
from schemas.metric import Aggregation, Metric, Nature

# How long a range may be for each level, in hours: at most some 1,500 points a series
RAW_HOURS = 3
_SECONDS = dict(zip(LEVELS, (60, 900, 3_600, 86_400), strict=True))
_HOURS = dict(zip(LEVELS, (12, 8 * 24, 60 * 24), strict=False))


def measurement(stream: Stream, kind: Kind) -> str:
    return stream.measurement(kind.name)


def main_aggregation(metric: Metric) -> Aggregation | None:
    """What a trend shows of a metric; None for states and labels."""
    if Aggregation.SUM in metric.extra:
        return Aggregation.SUM
    if metric.nature is Nature.COUNTER:
        return Aggregation.INCREASE
    return Aggregation.MEAN if metric.nature is Nature.GAUGE else None


def levels_of(kind: Kind) -> tuple[str, ...]:
    """Those in which each of its devices has a reading: shorter ones would compare other devices with each window."""
    return tuple(level for level in LEVELS if _SECONDS[level] >= kind.interval_s)


def level_choice(given: Sequence[str] = LEVELS) -> str:
    """A Flux expression: the level for a range of `span` nanoseconds, of those given the next longer one."""
    choice = f'"{given[-1]}"'
    for level, hours in reversed(_HOURS.items()):
        if level in given[:-1]:
            choice = f'if span <= {hours * 3_600_000_000_000} then "{level}" else {choice}'
    return choice
