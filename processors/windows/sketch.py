"""The sketch a p95 is read from: DDSketch, whose bins are a function of the values alone.

Counts of bins add up in any order to the same sketch, so that a window replayed or corrected is the same to the last bin;
KLL and t-digest, which draw lots or depend on the order, are not. The library gives the bins and reads the quantile.
As a part of a window a sketch is `[zeros, bin, count, bin, count, …]`; a bin is even for values above 0, odd for those below.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

from ddsketch.ddsketch import BaseDDSketch
from ddsketch.mapping import LogarithmicMapping
from ddsketch.store import DenseStore

RELATIVE_ACCURACY = 0.01

_mapping = LogarithmicMapping(RELATIVE_ACCURACY)
_key = _mapping.key
_tiny = _mapping.min_possible

Sketch = list[int]


def sketch_of(values: Iterable[float]) -> Sketch:
    zeros, bins = 0, dict[int, int]()
    for value in values:
        if value > _tiny:
            code = 2 * _key(value)
        elif value < -_tiny:
            code = 2 * _key(-value) + 1
        else:
            zeros += 1
            continue
        bins[code] = bins.get(code, 0) + 1
    return [zeros, *chain.from_iterable(sorted(bins.items()))]


def merged(sketches: Iterable[Sketch]) -> Sketch:
    """All of them together, in one go: a zone has thousands."""
    zeros, bins = 0, dict[int, int]()
    for sketch in sketches:
        zeros += sketch[0]
        for code, count in _pairs(sketch):
            bins[code] = bins.get(code, 0) + count
    return [zeros, *chain.from_iterable(sorted(bins.items()))]


def without(one: Sketch, other: Sketch) -> Sketch:
    """The first without the other, which was merged into it before."""
    bins = dict(_pairs(one))
    for code, count in _pairs(other):
        bins[code] = bins.get(code, 0) - count
    left = sorted(item for item in bins.items() if item[1])
    return [one[0] - other[0], *chain.from_iterable(left)]


def quantile(sketch: Sketch, q: float) -> float:
    """Within one percent of the value at that rank."""
    above, below = DenseStore(), DenseStore()
    for code, count in _pairs(sketch):
        (below if code & 1 else above).add(code >> 1, count)
    value = BaseDDSketch(_mapping, above, below, sketch[0]).get_quantile_value(q)
    return float(value or 0.0)


def _pairs(sketch: Sequence[int]) -> Iterable[tuple[int, int]]:
    return zip(sketch[1::2], sketch[2::2], strict=True)
