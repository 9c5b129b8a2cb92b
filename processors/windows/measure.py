"""The smallest window of a device, from its rows: a function of the set of readings, whatever order they came in."""

from collections.abc import Mapping, Sequence
from math import fsum
from operator import sub

from processors.windows import parts
from processors.windows.plan import Column, Plan
from processors.windows.sketch import sketch_of
from schemas.aggregate import Part
from schemas.metric import Nature

Before = Mapping[int, tuple[float, float]]  # place in the row -> time and value of the last good one before the window
NOTHING: Before = {}


def measure(
    plan: Plan, moments: Sequence[float], rows: Sequence[float], before: Before, span: tuple[int, int], silence: int
) -> dict[str, Part]:
    """Parts by metric. `rows` are those of the window in order of time, one after the other; `moments` are their times."""
    width, start, count = plan.width, span[0], len(moments)
    if count == 1:  # as most windows have where devices report once a minute
        return _single(plan, moments, rows, before, span, silence)
    found: dict[str, Part] = {}
    first, last = int(moments[0]), int(moments[-1])
    at = last - start
    unbroken = last - first <= silence or max(map(sub, moments[1:], moments)) <= silence
    for name, place, gauge, lasting, column in plan.steps:
        values = rows[place::width]
        try:
            total = fsum(values)
        except (OverflowError, ValueError):
            total = parts.total(values)
        if total != total:  # noqa: PLR0124  # a NaN: something is missing, or suspect
            times, values = _good(moments, values)
            if values:
                found[name] = _part(column, times, values, before.get(place), span, silence)
        elif gauge:
            part: Part = [count, values[-1], at, min(values), max(values), total]
            if column.sketched:
                part.append(sketch_of(values))
            found[name] = part
        elif lasting and unbroken and values.count(values[0]) == count:
            found[name] = parts.steady_state(count, values[0], (first, last), column, span, silence, before.get(place))
        else:
            found[name] = _part(column, moments, values, before.get(place), span, silence)
    return found


def _single(
    plan: Plan, moments: Sequence[float], row: Sequence[float], before: Before, span: tuple[int, int], silence: int
) -> dict[str, Part]:
    found: dict[str, Part] = {}
    ts = int(moments[0])
    at = ts - span[0]
    for name, place, gauge, lasting, column in plan.steps:
        value = row[place]
        if value != value:  # noqa: PLR0124
            continue
        if gauge:
            found[name] = [1, value, at]
        elif lasting:
            found[name] = parts.steady_state(1, value, (ts, ts), column, span, silence, before.get(place))
        else:
            found[name] = _part(column, moments, (value,), before.get(place), span, silence)
    return found


def _good(times: Sequence[float], values: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """Without the places where the metric is missing or suspect."""
    good = [(ts, value) for ts, value in zip(times, values, strict=True) if value == value]  # noqa: PLR0124
    return [ts for ts, _ in good], [value for _, value in good]


def _part(
    column: Column,
    times: Sequence[float],
    values: Sequence[float],
    before: tuple[float, float] | None,
    span: tuple[int, int],
    silence: int,
) -> Part:
    nature, at = column.nature, int(times[-1]) - span[0]
    if nature is Nature.GAUGE:
        return parts.measure_gauge(values, at, column)
    if nature is Nature.STATE and not column.tallied:
        return parts.measure_state(times, values, column, span, silence, before)
    if nature is Nature.COUNTER:
        if before is not None and times[0] - before[0] > silence:
            before = None
        return parts.measure_counter(values, at, column, before[1] if before else None)
    if column.tallied:
        return parts.measure_tally(values, at, column)
    return [len(values), column.value(values[-1]), at]
