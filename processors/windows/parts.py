"""What a window holds of one metric: measured from rows, continued by the next window's part, pooled over a zone's devices.

`measure` answers for the smallest window, `extend` joins a later window's part to an earlier one's in time, and `pool` adds or
takes back a device's part among others. The forms of parts are those of `schemas.aggregate.Window`.
"""

from collections.abc import Sequence
from itertools import chain, pairwise
from math import fsum
from operator import le
from sys import float_info

from processors.windows.plan import Column
from processors.windows.sketch import merged, sketch_of, without
from schemas.aggregate import Part

_LARGEST = float_info.max
_DIP = 0.9  # S: Home Assistant, sensor of class total_increasing: a fall of less than a tenth is no restart
_MIN, _MAX, _SUM, _SKETCH = 3, 4, 5, 6


def total(values: Sequence[float]) -> float:
    """The sum, rounded once; finite also where a broken device sends numbers beyond all sense."""
    try:
        return fsum(values)
    except (OverflowError, ValueError):
        return finite(sum(values))


def finite(number: float) -> float:
    return max(-_LARGEST, min(_LARGEST, number))


# Gauges


def measure_gauge(values: Sequence[float], at: int, column: Column) -> Part:
    count = len(values)
    if count == 1:
        return [1, column.value(values[0]), at]
    if column.whole:
        values = [int(value) for value in values]
    part: Part = [count, values[-1], at, min(values), max(values), sum(values) if column.whole else total(values)]
    if column.sketched:
        part.append(sketch_of(values))
    return part


def full_gauge(part: Part, column: Column) -> Part:
    """With all its places, as a list of its own."""
    if len(part) > _MIN:
        return part[:]
    value = part[1]
    full = [*part, value, value, value]
    if column.sketched:
        full.append(sketch_of((value,)))
    return full


def short_gauge(part: Part) -> Part:
    return part[:_MIN] if part[0] == 1 else part


def extend_gauge(acc: Part | None, part: Part, column: Column, shift: int) -> Part:
    if acc is None:
        acc = full_gauge(part, column)
        acc[2] += shift
        return acc
    acc[1], acc[2] = part[1], part[2] + shift
    _take_in(acc, part, column)
    return acc


def pool_gauges(acc: Part | None, many: Sequence[Part], column: Column) -> Part:
    """All of them and what was there before, in one go: this is done for each window of each device."""
    singles = [part[1] for part in many if len(part) == _MIN]
    full = [part for part in many if len(part) > _MIN] if len(singles) < len(many) else []
    if acc is not None:
        full.append(acc)
    count, lows, highs, sums, sketches = len(singles), singles, singles, singles, []
    if full:
        counts, _, _, some_lows, some_highs, some_sums, *sketches = zip(*full, strict=True)
        count += sum(counts)
        lows, highs, sums = [*singles, *some_lows], [*singles, *some_highs], [*singles, *some_sums]
    pooled: Part = [count, None, None, min(lows), max(highs), sum(sums) if column.whole else total(sums)]
    if column.sketched:
        pooled.append(merged([sketch_of(singles), *chain.from_iterable(sketches)]))
    return pooled


def unpool_gauge(acc: Part, part: Part, column: Column) -> Part:
    """Whatever is taken back is replaced by more of the same, since a window only grows: extremes need not shrink."""
    acc, full = acc[:], full_gauge(part, column)
    acc[0] -= full[0]
    acc[_SUM] -= full[_SUM]
    if column.sketched:
        acc[_SKETCH] = without(acc[_SKETCH], full[_SKETCH])
    return acc


def _take_in(acc: Part, part: Part, column: Column) -> None:
    count = part[0]
    low, high, sum_ = part[_MIN : _SUM + 1] if count > 1 else (part[1],) * 3
    acc[0] += count
    acc[_MIN] = min(acc[_MIN], low)
    acc[_MAX] = max(acc[_MAX], high)
    acc[_SUM] = finite(acc[_SUM] + sum_)
    if column.sketched:
        acc[_SKETCH] = merged((acc[_SKETCH], part[_SKETCH] if count > 1 else sketch_of((part[1],))))


# Counters


def step(before: float, after: float, wraps_at: float | None) -> float:
    """How much was counted from one value to the next.

    A fall is a wrap-around if the counter has one and has not more than half of it to go; else a restart from 0, unless it
    is so small that the device rather corrected itself.
    """
    if after >= before:
        return after - before
    if wraps_at is not None and (round_way := after - before + wraps_at) <= wraps_at / 2:
        return round_way
    if after > _DIP * before:
        return after - after
    return max(after, after - after)


def measure_counter(values: Sequence[float], at: int, column: Column, before: float | None) -> Part:
    """`before` is the last value before the window, if it is recent enough."""
    if column.whole:
        values = [int(value) for value in values]
        before = None if before is None else int(before)
    first, last = values[0], values[-1]
    if len(values) == 1 or all(map(le, values, values[1:])):
        increase = last - first
    else:
        increase = sum([step(one, other, column.wraps_at) for one, other in pairwise(values)])
    if before is not None:
        increase += step(before, first, column.wraps_at)
    return [len(values), finite(increase), last, at, first, before is not None]


def extend_counter(acc: Part | None, part: Part, column: Column, shift: int) -> Part:
    """The step over a gap that is in neither part is in the window that holds both of its ends."""
    if acc is None:
        acc = part[:]
        acc[3] += shift
        return acc
    gap = 0 if part[5] else step(acc[2], part[4], column.wraps_at)
    acc[0] += part[0]
    acc[1] = finite(acc[1] + part[1] + gap)
    acc[2], acc[3] = part[2], part[3] + shift
    return acc


def pool_counts(acc: Part | None, many: Sequence[Part], sign: int = 1) -> Part:
    """Counters: how many values and how much in all."""
    count, increase = sum([part[0] for part in many]), sum([part[1] for part in many])
    before, more = acc or (0, 0)
    return [before + sign * count, finite(more + sign * increase)]


# States
#
# A reading a speaks until the next one, b. If b comes within `silence`, all the time between is a's, across whatever edges of
# windows. If it does not, a speaks for `silence` and not beyond the end of its window, since nobody can know there yet.

_COVERED = 7  # place in a part being extended: the end of the window that its last reading is in


def measure_state(
    times: Sequence[float],
    codes: Sequence[float],
    column: Column,
    span: tuple[int, int],
    silence: int,
    before: tuple[float, float] | None,
) -> Part:
    """`before` is the last reading before the window; it counts if it is recent enough."""
    start, end = span
    words, first, last = column.words, int(times[0]), int(times[-1])
    spent: dict[str, int] = {}
    if before is not None and first - before[0] > silence:
        before = None
    if before is not None and first > start:
        spent[words[int(before[1])]] = first - start
    for since, until, code in zip(times, [*times[1:], end], codes, strict=True):
        _credit(spent, words[int(code)], int(since), int(min(until, since + silence)))
    part: Part = [len(times), spent, words[int(codes[-1])], last - start, first - start]
    return part + ([words[int(before[1])], int(before[0]) - start] if before else [None, None])


def steady_state(
    count: int,
    code: float,
    of: tuple[int, int],
    column: Column,
    span: tuple[int, int],
    silence: int,
    before: tuple[float, float] | None,
) -> Part:
    """`measure_state` of one state in all readings, none more than `silence` after the one before: as it nearly always is."""
    (first, last), (start, end) = of, span
    word = column.words[int(code)]
    lasted = min(end, last + silence) - first
    if before is None or first - before[0] > silence:
        return [count, {word: lasted} if lasted > 0 else {}, word, last - start, first - start, None, None]
    was = column.words[int(before[1])]
    spent = {was: first - start} if first > start else {}
    if lasted > 0:
        spent[word] = spent.get(word, 0) + lasted
    return [count, spent, word, last - start, first - start, was, int(before[0]) - start]


def extend_state(acc: Part | None, part: Part, span: tuple[int, int], silence: int) -> Part:
    """`span` is that of the part's window, on the scale of the whole."""
    count, spent, last, at, first_at, before, before_at = part
    shift, end = span
    if acc is None:
        acc = [count, dict(spent), last, at + shift, first_at + shift, before, None, end]
        if before is not None:
            acc[6] = before_at + shift
            _credit(acc[1], before, max(0, acc[6]), shift)
        return acc
    _credit(acc[1], acc[2], acc[_COVERED], min(shift if before is not None else first_at + shift, acc[3] + silence))
    acc[0] += count
    for word, ms in spent.items():
        acc[1][word] = acc[1].get(word, 0) + ms
    acc[2], acc[3], acc[_COVERED] = last, at + shift, end
    return acc


def end_state(acc: Part, end: int, silence: int) -> Part:
    """The part of the whole window, which ends at `end`."""
    _credit(acc[1], acc[2], acc[_COVERED], min(end, acc[3] + silence))
    return acc[:_COVERED]


def _credit(spent: dict[str, int], word: str, since: int, until: int) -> None:
    if until > since:
        spent[word] = spent.get(word, 0) + until - since


def measure_tally(codes: Sequence[float], at: int, column: Column) -> Part:
    often: dict[str, int] = {}
    for code in codes:
        word = column.words[int(code)]
        often[word] = often.get(word, 0) + 1
    return [len(codes), often, column.words[int(codes[-1])], at]


def extend_tally(acc: Part | None, part: Part, shift: int) -> Part:
    return [*pool_words(acc, (part,)), part[2], part[3] + shift]


def pool_words(acc: Part | None, many: Sequence[Part], sign: int = 1) -> Part:
    """States and tallies: how many values, and how long or how often each word."""
    count = sum([part[0] for part in many])
    amounts: dict[str, int] = dict(acc[1]) if acc else {}
    for part in many:
        for word, amount in part[1].items():
            amounts[word] = amounts.get(word, 0) + sign * amount
    return [(acc[0] if acc else 0) + sign * count, {word: amount for word, amount in amounts.items() if amount}]
