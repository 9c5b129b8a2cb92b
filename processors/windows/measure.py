"""The smallest window of a device, from its rows: a function of the set of readings, whatever order they came in."""

from collections.abc import Mapping, Sequence

from processors.windows import parts
from processors.windows.plan import Column, Plan
from schemas.aggregate import Part
from schemas.metric import Nature

Before = Mapping[int, tuple[float, float]]  # place in the row -> time and value of the last good one before the window
NOTHING: Before = {}


def measure(plan: Plan, rows: Sequence[float], before: Before, span: tuple[int, int], silence: int) -> dict[str, Part]:
    """Parts by metric. `rows` are those of the window in order of time, one after the other."""
    width = plan.width
    found: dict[str, Part] = {}
    if len(rows) == width:  # a single reading, as most windows have where devices report once a minute
        times = (abs(rows[0]),)
        at = int(times[0]) - span[0]
        for name, place, gauge, whole in plan.singles:
            value = rows[place]
            if value != value:  # noqa: PLR0124  # a NaN: missing, or suspect
                continue
            if gauge:
                found[name] = [1, int(value) if whole else value, at]
            else:
                found[name] = _part(plan.by_name[name], times, (value,), before.get(place), span, silence)
        return found
    moments = list(map(abs, rows[::width]))
    count, at = len(moments), int(moments[-1]) - span[0]
    for column in plan.columns:
        values = rows[column.place :: width]
        total = parts.total(values)
        if total != total:  # noqa: PLR0124
            good_times, values = _good(moments, values)
            if values:
                found[column.name] = _part(column, good_times, values, before.get(column.place), span, silence)
        elif column.simple:
            found[column.name] = [count, values[-1], at, min(values), max(values), total]
        else:
            found[column.name] = _part(column, moments, values, before.get(column.place), span, silence)
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
    if before is not None and times[0] - before[0] > silence:
        before = None
    if nature is Nature.COUNTER:
        return parts.measure_counter(values, at, column, before[1] if before else None)
    if column.tallied:
        return parts.measure_tally(values, at, column)
    if nature is Nature.STATE:
        return parts.measure_state(times, values, column, span, silence, before)
    return [len(values), column.value(values[-1]), at]
