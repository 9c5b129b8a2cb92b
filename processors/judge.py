"""Plausibility: is a value possible, plausible, moving too fast or not at all. Pure, with the device's memory passed in.

Every judgement depends on nothing older than the kind's memory span, so that a restart that replays this span muted
judges exactly as the run that never stopped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from processors.limits import Limit, Limits
from schemas.metric import Check, Value
from schemas.plain import Plain
from schemas.reason import Flag


@dataclass(slots=True)
class Trace:
    """What is remembered of a metric: its last value within the plausible range, since when it has been that value.

    And which readings were flagged, so that one that comes again is flagged again.
    """

    ts_ms: int
    value: float
    since_ms: int
    flagged: dict[int, Flag]


class Impossible(NamedTuple):
    metric: str
    value: float


Memory = dict[str, Trace]
_MAX_FLAGGED = 32  # of one metric of one device
NO_FLAGS: Mapping[str, str] = {}


def judge(ts_ms: int, values: dict[str, Value], limits: Limits, memory: Memory) -> Mapping[str, str] | Impossible:
    """Flags by metric. Takes sentinels out of `values`; notes the rest in `memory` unless the reading is older than it.

    Asked again of the same reading it says the same, and leaves the memory as it is.
    """
    flags: dict[str, str] | None = None
    for name, sure_low, sure_high, remembers, limit in limits.rows:
        value: float = values.get(name)  # type: ignore[assignment]  # rows are of numeric metrics, present or not
        if value is None:
            continue
        flag = None
        if not sure_low <= value <= sure_high:
            if value in limit.sentinels:
                flag = Flag.SENTINEL
                del values[name]
            elif not limit.possible_low <= value <= limit.possible_high:
                return Impossible(name, value)
            elif not limit.low <= value <= limit.high:
                flag = Flag.OUT_OF_RANGE
        if flag is None and remembers:
            flag = _moving(ts_ms, value, limit, memory)
        if flag is not None:
            flags = flags or {}
            flags[name] = flag.value
    for check in limits.checks:
        if _speaks(check, values, flags) and not check.holds(values, limits.params):
            flags = (flags or {}) | dict.fromkeys(check.needs, check.reason.value)
    return flags or NO_FLAGS


def is_good(plain: Plain, limits: Limits, memory: Memory) -> bool:
    """Whether `judge` would find nothing in a reading of which every value is plausible for any device of the kind.

    Then `memory` is as after `judge`; if not, the reading is still to be judged.
    """
    _, doubted, checks, params = limits
    for name, sure_low, sure_high, remembers, limit in doubted:
        value = getattr(plain, name)
        if value is None:
            continue
        if not sure_low <= value <= sure_high or (remembers and _moving(plain.ts, value, limit, memory)):
            return False
    for check in checks:
        values = {name: getattr(plain, name) for name in check.needs}
        if None not in values.values() and not check.holds(values, params):
            return False
    return True


def _speaks(check: Check, values: Mapping[str, Value], flags: Mapping[str, str] | None) -> bool:
    """Only of metrics that are there and beyond doubt."""
    for name in check.needs:  # noqa: SIM110 - asked of every reading, and a generator costs three times as much
        if name not in values or (flags and name in flags):
            return False
    return True


def _moving(ts_ms: int, value: float, limit: Limit, memory: Memory) -> Flag | None:
    """Compares with the value before. A reading not newer than that is history: it keeps its flag, and is not remembered."""
    before = memory.get(limit.name)
    if before is None or (elapsed_ms := ts_ms - before.ts_ms) > limit.forget_ms:
        memory[limit.name] = Trace(ts_ms, value, ts_ms, {})
        return None
    if elapsed_ms <= 0:
        return before.flagged.get(ts_ms) if before.flagged else None
    same = value == before.value
    flag = None
    if same:
        if value and ts_ms - before.since_ms >= limit.stuck_ms:  # 0: nothing runs, and that is true
            flag = Flag.STUCK
    elif (step := abs(value - before.value)) > limit.step and step > limit.step_per_ms * elapsed_ms:
        flag = Flag.RATE_OF_CHANGE
    before.ts_ms = ts_ms
    if not same:
        before.value, before.since_ms = value, ts_ms
    if flag:
        if len(before.flagged) >= _MAX_FLAGGED:
            del before.flagged[min(before.flagged)]
        before.flagged[ts_ms] = flag
    return flag
