"""The rows of a kind, made ready for one device: every bound a number."""

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

from schemas.device import Device
from schemas.kind import RATE_MEMORY_MS, Kind
from schemas.metric import Check, Metric, Param

_INF = float("inf")


class Limit(NamedTuple):
    name: str
    low: float  # plausible
    high: float
    possible_low: float
    possible_high: float
    sentinels: frozenset[float]
    step_per_ms: float  # largest rate of change
    step: float  # allowed at once, however short the time between
    stuck_ms: float
    forget_ms: float  # a value older than this says nothing about the next


class Row(NamedTuple):
    """What nearly every value needs of its limit, to be unpacked in one go."""

    name: str
    sure_low: float  # between these a value is plausible and no sentinel: the short way
    sure_high: float
    remembers: bool  # whether the value before matters
    limit: Limit


class Limits(NamedTuple):
    """`doubted` are the rows left to ask of values that lie within what is plausible for any device."""

    rows: tuple[Row, ...]
    doubted: tuple[Row, ...]
    checks: tuple[Check, ...]
    params: Mapping[str, Any]


def limits_of(kind: Kind, device: Device) -> Limits:
    rows, doubted = _rows(kind, tuple([device.params.get(name) for name in _bounding(kind)]))
    return Limits(rows, doubted, kind.checks, device.params)


@cache
def _bounding(kind: Kind) -> tuple[str, ...]:
    """The parameters that bounds depend on."""
    bounds = [bound for m in kind.metrics for bound in (m.possible.low, m.possible.high, m.plausible.low, m.plausible.high)]
    return tuple(dict.fromkeys(bound.name for bound in bounds if isinstance(bound, Param)))


@lru_cache(maxsize=10_000)  # most devices of a kind are alike, and making the rows costs thirty readings
def _rows(kind: Kind, given: tuple[Any, ...]) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """All rows, and the doubted ones, of devices with these values of what bounds depend on."""
    params = {name: value for name, value in zip(_bounding(kind), given, strict=True) if value is not None}
    rows = [(metric, _row(metric, params)) for metric in kind.metrics if metric.is_number]
    doubted = tuple(row for metric, row in rows if row.remembers or _differs(metric, row))
    return tuple(row for _, row in rows), doubted


def _differs(metric: Metric, row: Row) -> bool:
    low, high = metric.plausible_everywhere
    return (row.sure_low, row.sure_high) != (-_INF if low is None else low, _INF if high is None else high)


def _row(metric: Metric, params: Mapping[str, Any]) -> Row:
    possible_low, possible_high = metric.possible.of(params)
    plausible_low, plausible_high = metric.plausible.of(params)
    low, high = max(plausible_low, possible_low), min(plausible_high, possible_high)
    doubtful = any(low <= sentinel <= high for sentinel in metric.sentinels)
    per_minute = metric.max_per_minute if metric.judges_steps and metric.max_per_minute is not None else _INF
    stuck_ms = metric.stuck_after_min * 60_000 if metric.stuck_after_min else _INF
    limit = Limit(
        metric.name,
        low=low,
        high=high,
        possible_low=possible_low,
        possible_high=possible_high,
        sentinels=frozenset(metric.sentinels),
        step_per_ms=per_minute / 60_000,
        step=per_minute,
        stuck_ms=stuck_ms,
        forget_ms=max(RATE_MEMORY_MS, stuck_ms if stuck_ms < _INF else 0),
    )
    sure = (_INF, -_INF) if doubtful else (low, high)
    return Row(metric.name, *sure, remembers=metric.judges_steps or stuck_ms < _INF, limit=limit)
