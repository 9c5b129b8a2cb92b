"""Named dice. Each thing that has luck has its own, so that taking one away leaves the others' as they were."""

from math import exp
from random import Random


def dice(seed: int, *names: object) -> Random:
    """Python seeds a generator from a text by SHA-512, the same on every machine and in every process."""
    return Random("/".join(str(name) for name in (seed, *names)))


def poisson(random: Random, mean: float) -> int:
    """How many of something that comes `mean` times on average; Knuth's method, which is quick for small means."""
    if mean <= 0:
        return 0
    if mean > 30:  # noqa: PLR2004 - here the normal distribution is as good, and quicker
        return max(0, round(random.gauss(mean, mean**0.5)))
    left, count, floor = random.random(), 0, exp(-mean)
    while left > floor:
        left *= random.random()
        count += 1
    return count
