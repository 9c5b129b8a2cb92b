"""Amounts put together: of devices, of partitions and zones at one time, and of quarters one after the other.

Whatever the order in which they came, they are added in one: floats are added exactly and rounded once.
"""

from collections.abc import Iterable, Sequence
from math import fsum

from schemas.indicator import Pool
from schemas.share import Sum


def sum_of(values: Sequence[float]) -> Sum:
    return [len(values), fsum(values), min(values), max(values)]


def side_by_side(sums: Sequence[Sum]) -> Pool:
    """Of the same quarter or window."""
    if not sums:
        return Pool()
    n, total = sum(each[0] for each in sums), fsum(each[1] for each in sums)
    return Pool(int(n), total, min(each[2] for each in sums), max(each[3] for each in sums), total / n, 1)


def in_time(pools: Iterable[Pool]) -> Pool:
    """Of quarters, or of days made of them."""
    some = [pool for pool in pools if pool.n]
    if not some:
        return Pool()
    return Pool(
        sum(pool.n for pool in some),
        fsum(pool.total for pool in some),
        min(pool.low for pool in some),
        max(pool.high for pool in some),
        fsum(pool.means for pool in some),
        sum(pool.quarters for pool in some),
    )
