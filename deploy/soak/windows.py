"""The windows in InfluxDB against those that the readings make: of each device and zone, figure by figure.

They are computed here from the readings of the linear run, by what `hanan recompute` is made of and the aggregate role is not:
all readings of a device at once, without a clock, a log, or a start in the middle.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from math import isclose
from typing import Any

from deploy.native.endpoints import Endpoints
from deploy.recompute import closed_ms
from deploy.soak.points import Place, PointReader
from processors.io.kafka_admin import Admin
from processors.windows.again import Again, units
from processors.windows.calendar import Calendar, Span
from processors.windows.points import WindowLines
from processors.windows.roster import Post
from schemas.aggregate import HOUR, MINUTE, QUARTER, encode
from schemas.device import Registry
from schemas.instants import MINUTE_MS, SECOND_MS
from schemas.kind import Kind, Stream
from schemas.reading import Reading
from schemas.streams import STREAMS

_LEVELS = (MINUTE, QUARTER, HOUR)
_SETTLED_MS = 2 * MINUTE_MS  # what was over so long ago has been written
_NEARLY_MS = 2 * MINUTE_MS
_SKETCHED, _SKETCH_ERROR = "_p95", 0.01
_NS = 1_000_000

Readings = Mapping[tuple[str, str], Mapping[int, Reading]]
"""By measurement and device, and then by the point's time."""


@dataclass
class Windows:
    """`skipped`: kinds of device with a reading so late that their windows are computed again, some time later."""

    compared: int = 0
    skipped: int = 0
    wrong: list[str] = field(default_factory=list)


def compare_windows(places: Endpoints, registry: Registry, time_zone: str, readings: Readings, from_ms: int) -> Windows:
    """All windows of minutes, quarters and hours since then that have been over for some minutes."""
    found, calendar = Windows(), Calendar(time_zone)
    with closing(Admin(places.kafka_bootstrap)) as admin, closing(PointReader(places)) as points:
        for stream in STREAMS:
            span = Span(calendar.span(HOUR, from_ms).start, closed_ms(admin, stream) + stream.lateness_ms - _SETTLED_MS)
            for kind in stream.kinds if span.start < span.end else ():
                if _any_late(stream, kind, readings):
                    found.skipped += 1
                    continue
                wanted = _wanted(stream, kind, registry, calendar, readings, span)
                for level in _LEVELS:
                    stored = points.read_windows(stream.measurement(kind.name), level, *span)
                    stored = {at: point for at, point in stored.items() if calendar.span(level, at.ns // _NS).end <= span.end}
                    found.compared += len(wanted[level])
                    found.wrong += _differences(f"{stream.measurement(kind.name)} {level}", wanted[level], stored)
    return found


def _any_late(stream: Stream, kind: Kind, readings: Readings) -> bool:
    return any(
        reading.received_at_ms - reading.ts_ms > stream.lateness_ms - _NEARLY_MS
        for (measurement, _), found in readings.items()
        if measurement == stream.measurement(kind.name)
        for reading in found.values()
    )


def _wanted(
    stream: Stream, kind: Kind, registry: Registry, calendar: Calendar, readings: Readings, span: Span
) -> dict[str, dict[Place, dict[str, Any]]]:
    """By level."""
    lines = WindowLines(stream)
    found: dict[str, dict[Place, dict[str, Any]]] = {level: {} for level in _LEVELS}
    posts = {
        device.device_id: Post(stream.name, kind.name, device.zone, device.interval_s * SECOND_MS)
        for device in registry
        if (device.stream, device.kind) == (stream.name, kind.name)
    }
    for unit in units(kind, posts, calendar, span):
        again = Again(kind, unit.posts, calendar, unit.span, span.end)
        of_devices = [
            made
            for device_id in unit.posts
            for made in again.device(device_id, readings.get((stream.measurement(kind.name), device_id), {}).values())
        ]
        for level, window in [*of_devices, *again.zone()]:
            if level in found:
                place = Place(window["device_id"], "" if window["device_id"] else window["zone"], window["start"] * _NS)
                (line,) = lines(encode(level, [window]))
                found[level][place] = _fields(line)
    return found


def _fields(line: str) -> dict[str, Any]:
    """Of line protocol as we write it: no text in a window has a space or a comma."""
    return {name: _value(text) for name, _, text in (pair.partition("=") for pair in line.split(" ")[1].split(","))}


def _value(text: str) -> Any:
    if text.startswith('"'):
        return text[1:-1]
    return int(text[:-1]) if text.endswith("i") else float(text)


def _differences(
    where: str, wanted: Mapping[Place, Mapping[str, Any]], stored: Mapping[Place, Mapping[str, Any]]
) -> Iterator[str]:
    for place in sorted(wanted.keys() | stored.keys()):
        want, got = wanted.get(place), stored.get(place)
        if want is None or got is None:
            yield f"window {where} {place}: {'nobody made it' if want is None else 'missing'}"
            continue
        names = [name for name in sorted(want.keys() | got.keys()) if not _same(name, want.get(name), got.get(name))]
        if names:
            shown = ", ".join(f"{name} {got.get(name)!r} instead of {want.get(name)!r}" for name in names)
            yield f"window {where} {place}: {shown}"


def _same(name: str, want: Any, got: Any) -> bool:
    """Sums of floats depend on the order of their parts, in the last digits; what is sketched is so to one per cent."""
    if type(want) is not type(got):
        return False
    if isinstance(want, float):
        return isclose(want, got, rel_tol=_SKETCH_ERROR if name.endswith(_SKETCHED) else 1e-9, abs_tol=1e-9)
    return bool(want == got)
