"""The sketch a p95 is read from: DDSketch, whose bins are a function of the values alone.

Counts of bins add up in any order to the same sketch, so that a window replayed or corrected is the same to the last bin;
KLL and t-digest, which draw lots or depend on the order, are not. The library gives the bins and reads the quantile.
As a part of a window a sketch is `[zeros, bin, count, bin, count, …]`; a bin is even for values above 0, odd for those below.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

from ddsketch.ddsketch import BaseDDSketch
from ddsketch.mapping import LogarithmicMapping
from ddsketch.store import DenseStore

RELATIVE_ACCURACY = 0.01

_mapping = LogarithmicMapping(RELATIVE_ACCURACY)
_ZERO = -(2**32)  # beyond any code
_MAX_CODES = 20_000  # devices say the same few values again and again; what never is alike must not fill the memory

Sketch = list[int]


class _Codes(dict[float, int]):
    """The bin of a value, as the library finds it: even for values above 0, odd for those below, `_ZERO` for none of them."""

    def __missing__(self, value: float) -> int:
        if len(self) >= _MAX_CODES:
            self.clear()
        code = self[value] = _code(value)
        return code


def _code(value: float) -> int:
    if value > _mapping.min_possible:
        return 2 * _mapping.key(value)
    if value < -_mapping.min_possible:
        return 2 * _mapping.key(-value) + 1
    return _ZERO


_code_of = _Codes().__getitem__


def sketch_of(values: Iterable[float]) -> Sketch:
    codes = sorted(map(_code_of, values))
    if len(set(codes)) == len(codes) and _ZERO not in codes:
        sketch = [1] * (2 * len(codes) + 1)
        sketch[0] = 0
        sketch[1::2] = codes
        return sketch
    bins = Counter(codes)  # in the order of the codes, as they come
    zeros = bins.pop(_ZERO, 0)
    return [zeros, *chain.from_iterable(bins.items())]


def merged(sketches: Iterable[Sketch]) -> Sketch:
    """All of them together, in one go: a zone has thousands."""
    zeros, codes, counts = 0, list[int](), list[int]()
    for sketch in sketches:
        zeros += sketch[0]
        codes += sketch[1::2]
        counts += sketch[2::2]
    bins = Counter(codes)  # in one go as if all were single values, as most are
    if sum(counts) > len(counts):
        for code, count in zip(codes, counts, strict=True):
            if count != 1:
                bins[code] += count - 1
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
