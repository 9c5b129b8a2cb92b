"""The functions a condition may call beside CEL's own. Numbers in, a number out."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import acos, log, pi, sqrt


def curve_at(curve: Sequence[Sequence[float]], x: float) -> float | None:
    """Straight between the points, level beyond them; None for what is no curve."""
    points = _points(tuple(map(tuple, curve)))
    if not points:
        return None
    before = points[0]
    if x <= before[0]:
        return before[1]
    for after in points[1:]:
        if x <= after[0]:
            return before[1] + (x - before[0]) / (after[0] - before[0]) * (after[1] - before[1])
        before = after
    return before[1]


@lru_cache(maxsize=4_096)
def _points(curve: tuple[tuple[float, ...], ...]) -> list[tuple[float, float]]:
    return sorted((float(a), float(b)) for a, b in curve)


def lmtd(hot: float, cold: float) -> float:
    """Mean temperature difference of a heat exchanger, from those at its two ends; as good as none where one is not positive."""
    hot, cold = max(hot, 0.1), max(cold, 0.1)
    return hot if abs(hot - cold) < 1e-6 else (hot - cold) / log(hot / cold)  # noqa: PLR2004 - the limit of the same formula


def power(base: float, exponent: float) -> float:
    """Of nothing and less it is none; never an error."""
    try:
        return float(base**exponent) if base > 0 else 0.0
    except OverflowError:
        return float("inf")


def segment(depth: float, diameter: float) -> float:
    """Area of what is filled of a round pipe."""
    filled = min(max(depth, 0.0), diameter)
    radius = diameter / 2
    if filled >= diameter:
        return pi * radius * radius
    rest = radius - filled
    return radius * radius * acos(rest / radius) - rest * sqrt(max(0.0, radius * radius - rest * rest))


TABLE: Mapping[str, Callable[..., float]] = {
    "abs": abs,
    "least_of": min,
    "most_of": max,
    "lmtd": lmtd,
    "power": power,
    "segment": segment,
}
