"""Plausibility: is a value possible, plausible, moving too fast or not at all. Pure, with the device's memory passed in.

Every judgement depends on nothing older than the kind's memory span, so that a restart that replays this span muted
judges exactly as the run that never stopped.
"""

from collections.abc import Mapping
from typing import NamedTuple

from processors.limits import Limit, Limits
from schemas.metric import Value
from schemas.reason import Flag


class Trace(NamedTuple):
    """What is remembered of a metric: its last value within the plausible range, and since when it has been that value."""

    ts_ms: int
    value: float
    since_ms: int


class Impossible(NamedTuple):
    metric: str
    value: float


Memory = dict[str, Trace]
NO_FLAGS: Mapping[str, str] = {}


def judge(ts_ms: int, values: dict[str, Value], limits: Limits, memory: Memory) -> Mapping[str, str] | Impossible:
    """Flags by metric. Takes sentinels out of `values`; notes the rest in `memory` unless the reading is older than it."""
    flags: dict[str, str] | None = None
    for limit in limits.rows:
        value: float = values.get(limit.name)  # type: ignore[assignment]  # rows are of numeric metrics, present or not
        if value is None:
            continue
        flag = None
        if not limit.sure_low <= value <= limit.sure_high:
            if value in limit.sentinels:
                flag = Flag.SENTINEL
                del values[limit.name]
            elif not limit.possible_low <= value <= limit.possible_high:
                return Impossible(limit.name, value)
            elif not limit.low <= value <= limit.high:
                flag = Flag.OUT_OF_RANGE
        if flag is None and limit.remembers:
            flag = _moving(ts_ms, value, limit, memory)
        if flag is not None:
            flags = flags or {}
            flags[limit.name] = flag.value
    for check in limits.checks:
        if all(name in values and not (flags and name in flags) for name in check.needs) and not check.holds(
            values, limits.params
        ):
            flags = (flags or {}) | dict.fromkeys(check.needs, check.reason.value)
    return flags or NO_FLAGS


def _moving(ts_ms: int, value: float, limit: Limit, memory: Memory) -> Flag | None:
    """Compares with the value before. A reading older than that is history: neither judged nor remembered."""
    before = memory.get(limit.name)
    if before is None or ts_ms - before.ts_ms > limit.forget_ms:
        memory[limit.name] = Trace(ts_ms, value, ts_ms)
        return None
    elapsed_ms = ts_ms - before.ts_ms
    if elapsed_ms <= 0:
        return None
    same = value == before.value
    memory[limit.name] = Trace(ts_ms, value, before.since_ms if same else ts_ms)
    if same:
        return Flag.STUCK if value and ts_ms - before.since_ms >= limit.stuck_ms else None  # 0: nothing runs, and that is true
    allowed = max(limit.step, limit.step_per_ms * elapsed_ms)
    if abs(value - before.value) > allowed:
        return Flag.RATE_OF_CHANGE
    return None
