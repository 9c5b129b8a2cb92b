"""A window: what one device, or one zone, had to say in a minute, a quarter, an hour or a day.

It is written when its time is over and again whenever that changes, under the same identity and whole each time.
A record carries many windows of one level, all of devices of the same partition of `reading.<stream>`, whose number the
record's own partition has too; so the versions of one device's window keep their order.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypedDict

from schemas import codec
from schemas.instants import MINUTE_MS

MINUTE: Final = "1m"
QUARTER: Final = "15m"
HOUR: Final = "1h"
DAY: Final = "1d"
LEVELS: Final = (MINUTE, QUARTER, HOUR, DAY)

# After so many intervals without a reading a state is unknown, and a counter's next step belongs to no single window.
SILENT_INTERVALS: Final = 3
MAX_SILENCE_MS: Final = 6 * 60 * MINUTE_MS  # each restart must read this much again

Part = list[Any]


class Window(TypedDict):
    """Times are epoch ms, `end` is not in the window any more; `…at` in a part counts from `start`.

    readings  distinct identities, and how many of them had any value flagged (`suspect`)
    expected  as many as the interval makes due between start and end; of a zone, for all its registered devices
    devices   1, or how many of a zone's devices have a window here
    metrics   by name; a metric without any good value is absent:
              gauge     [count, last, at], with count > 1 also min, max, sum, and where p95 is asked for its sketch
              counter   [count, increase, last, at, first, whether the step from the value before the window is in it]
              state     [count, {state: ms}, last, at, first at, state before, its reading at (nulls where that is too long ago)]
              state of an event  [count, {state: how often}, last, at]
              label     [count, last, at]
              In a zone's window gauges have all their places, last and at being null; counters and states end after their
              second place, and there are no labels.
    """

    kind: str
    device_id: str  # "" in a zone's window
    zone: str
    start: int
    end: int
    readings: int
    suspect: int
    expected: int
    devices: int
    interval_ms: int  # 0 in a zone's window
    metrics: dict[str, Part]


Identity = tuple[str, str, str, str, int]


def identity(level: str, window: Window) -> Identity:
    return window["kind"], window["device_id"], window["zone"] if not window["device_id"] else "", level, window["start"]


def expected_readings(start: int, end: int, interval_ms: int) -> int:
    """How many multiples of the interval lie in the window. Over adjacent windows these add up exactly."""
    return (end - 1) // interval_ms - (start - 1) // interval_ms


def silence_ms(interval_ms: int) -> int:
    """How long a reading speaks for its device when nothing follows it."""
    return min(SILENT_INTERVALS * interval_ms, MAX_SILENCE_MS)


def encode(level: str, windows: Sequence[Window]) -> bytes:
    return codec.dumps({"window": level, "windows": windows})


def decode(data: bytes) -> tuple[str, list[Window]]:
    """Level and windows that `encode` wrote; KeyError, TypeError or ValueError for anything else."""
    body = codec.loads(data)
    return body["window"], body["windows"]


def encode_part(level: str, number: int, of: int, clock_ms: int, windows: Iterable[Window]) -> bytes:
    """Windows of zones as partition `number` of `of` sees them when its clock stands at `clock_ms`."""
    return codec.dumps({"window": level, "part": number, "of": of, "clock": clock_ms, "windows": list(windows)})


class ZonePart(TypedDict):
    """What `encode_part` wrote."""

    window: str
    part: int
    of: int
    clock: int
    windows: list[Window]


def decode_part(data: bytes) -> ZonePart:
    part: ZonePart = codec.loads(data)
    return part


class Late(TypedDict):
    """Windows that miss readings which came when they were closed; `starts` are those of minutes."""

    stream: str
    kind: str
    device_id: str
    starts: list[int]


def encode_late(stream: str, kind: str, device_id: str, starts: Sequence[int]) -> bytes:
    return codec.dumps({"stream": stream, "kind": kind, "device_id": device_id, "starts": starts})


def decode_late(data: bytes) -> Late:
    late: Late = codec.loads(data)
    return late
