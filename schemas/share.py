"""What one partition's devices add to the indicators of their zones: records of `city-part.<stream>`, key the level."""

from collections.abc import Sequence
from typing import TypedDict

from schemas import codec

Sum = list[float]  # n, total, low, high of one amount


class Share(TypedDict):
    """Of one zone and span. `readings`: of the windows it was made of, which only grows. `sums` by the amount's name."""

    zone: str
    start: int
    end: int
    readings: int
    sums: dict[str, Sum]


class Shares(TypedDict):
    """What partition `part` of `of` has to say of windows of that level when its clock stands at `clock`."""

    level: str
    part: int
    of: int
    clock: int
    shares: list[Share]


def encode(shares: Shares) -> bytes:
    return codec.dumps(shares)


def decode(data: bytes) -> Shares:
    """What `encode` wrote; KeyError, TypeError or ValueError for anything else."""
    body: Shares = codec.loads(data)
    body["level"], body["part"], body["of"], body["clock"], body["shares"]  # missing: KeyError
    return body


def encode_day(sums: dict[str, Sequence[float]]) -> bytes:
    """Pools by amount, whole: a record of `city-day.<stream>`, key `<zone>/<start of the day>`."""
    return codec.dumps(sums)


def decode_day(data: bytes) -> dict[str, list[float]]:
    found: dict[str, list[float]] = codec.loads(data)
    return found
