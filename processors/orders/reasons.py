"""What a device's last hours are a reason for: by its fill, by where its fill is going, and by how the air smells."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from schemas.alert import Severity
from schemas.instants import HOUR_MS, MINUTE_MS
from schemas.workorder import Reason, Sample, Why

MEMORY_MS: Final = 6 * HOUR_MS  # how far back a reason looks
GRACE_MS: Final = 2 * HOUR_MS  # after `done`: a container that reports each hour has reported the truth by then

_LEAST_MS = 30 * MINUTE_MS  # what a line is drawn through
_EMPTIED = 0.05  # a fall by so much is no noise: before it is another filling
_BACK = 0.1  # a reason is over when the fill is so much below where it began
_STEP_MS = 5 * MINUTE_MS  # of a deadline that was worked out
_ODOUR_H, _ODOUR_OVER_H = 1.0, 0.25  # P: of the last six hours; a single truck that tips is no odour


class Limits(NamedTuple):
    """Of a kind of container. `*_ms`: how long there is, from when the reason began; `soon_ms`: how far ahead is looked.

    The prediction is the straight line through the filling of the last six hours.
    """

    due: float
    full: float
    soon_ms: int
    due_ms: int
    full_ms: int
    severity: Mapping[Why, Severity]


LIMITS: Final[Mapping[str, Limits]] = {
    # S: FIWARE binFullnessThreshold 0.8. P: once a day in any case; what is full is not to stand so for half a day
    "bin": Limits(
        0.8,
        1.0,
        6 * HOUR_MS,
        24 * HOUR_MS,
        4 * HOUR_MS,
        {Why.FILLING: Severity.LOW, Why.DUE: Severity.LOW, Why.FULL: Severity.MEDIUM, Why.NOT_EMPTIED: Severity.MEDIUM},
    ),
    # P: a hauler needs up to 50 minutes to come, and two hours to be planned; a station whose compactors are full stands still
    "compactor": Limits(
        0.8,
        0.95,
        2 * HOUR_MS,
        12 * HOUR_MS,
        HOUR_MS,
        {Why.FILLING: Severity.MEDIUM, Why.DUE: Severity.LOW, Why.FULL: Severity.HIGH, Why.NOT_EMPTIED: Severity.HIGH},
    ),
}
_ODOUR_MS = 4 * HOUR_MS  # P: until what smells has left the hall


def reasons_of(kind: str, history: Sequence[Sample], held: Mapping[Why, int]) -> list[Reason]:
    """What holds at the last sample of `history`, which is in order and no longer than MEMORY_MS.

    held  what held before, and since when: it ends later than it began, and its deadline does not move away
    """
    limits = LIMITS.get(kind)
    return _fill(limits, history, held) if limits else _odour(history, held)


def _fill(limits: Limits, history: Sequence[Sample], held: Mapping[Why, int]) -> list[Reason]:
    now = history[-1]
    fill = now.fields.get("fill", limits.due if now.fields.get("due") else 0.0)  # some have but a light
    full_ms = full_at(history)
    why, left_ms = None, 0
    if fill >= _level(limits.full, Why.FULL, held):
        why, left_ms = Why.FULL, limits.full_ms
    elif fill >= _level(limits.due, Why.DUE, held):
        why, left_ms = Why.DUE, limits.due_ms
    elif full_ms is not None and full_ms - now.end <= limits.soon_ms * (2 if Why.FILLING in held else 1):
        why = Why.FILLING
    if why is None:
        return []
    since = held.get(why, now.end)
    due_ms = since + left_ms if left_ms else full_ms
    if full_ms is not None and why is Why.DUE:
        due_ms = min(since + left_ms, full_ms)
    assert due_ms is not None
    return [Reason(why, now.device_id, since, due_ms, limits.severity[why], round(fill, 3))]


def _level(level: float, why: Why, held: Collection[Why]) -> float:
    return level - _BACK if why in held else level


def full_at(history: Sequence[Sample]) -> int | None:
    """When it will be full if it goes on as since it was last emptied; None when it does not fill, or nobody can know yet."""
    filling = [(one.end, one.fields["fill"]) for one in history if "fill" in one.fields]
    first = 0
    for number in range(1, len(filling)):
        if filling[number][1] < filling[number - 1][1] - _EMPTIED:
            first = number
    if len(filling) - first < 2:  # noqa: PLR2004 - a line
        return None
    (began, low), (now, high) = filling[first], filling[-1]
    if now - began < _LEAST_MS or high <= low:
        return None
    full_ms = now + (1.0 - high) * (now - began) / (high - low)
    return max(now, int(full_ms // _STEP_MS) * _STEP_MS)


def _odour(history: Sequence[Sample], held: Mapping[Why, int]) -> list[Reason]:
    now = history[-1]
    hours = max(sum(one.fields.get(name, 0.0) for one in history) for name in ("hours_above_nh3", "hours_above_h2s"))
    if hours < (_ODOUR_OVER_H if Why.ODOUR in held else _ODOUR_H):
        return []
    since = held.get(Why.ODOUR, now.end)
    return [Reason(Why.ODOUR, now.device_id, since, since + _ODOUR_MS, Severity.MEDIUM, round(hours, 2))]
