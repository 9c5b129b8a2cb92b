"""What the windows of a log must be, worked out the plain way: all readings at hand, straight from the definitions."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from processors.windows.calendar import Calendar
from schemas import codec
from schemas.aggregate import LEVELS, MINUTE, silence_ms
from schemas.device import Device
from schemas.kind import Stream
from schemas.metric import Aggregation, Metric, Nature
from schemas.ports import Record
from schemas.reading import Reading

CELL = 1_000  # all times in the trial logs are whole seconds

Key = tuple[str, str, str, str, int]
Figures = dict[str, Any]
Span = tuple[int, int]


def expected(
    stream: Stream, calendar: Calendar, fleet: Iterable[Device], logs: Sequence[Sequence[Record]]
) -> tuple[dict[Key, Figures], set[tuple[str, int]]]:
    """Windows by identity, and which minutes of which devices miss late readings. One log for each partition."""
    by_id = {device.device_id: device for device in fleet}
    windows: dict[Key, Figures] = {}
    missed: set[tuple[str, int]] = set()
    for records in logs:
        taken, late = _taken(stream, calendar, records)
        missed |= late
        for device_id, readings in taken.items():
            windows |= _windows_of(stream, calendar, by_id[device_id], readings)
    for key, figures in list(windows.items()):
        _add_to_zone(stream, by_id, key, figures, windows)
    for figures in windows.values():
        for name in [name for name in figures if name.endswith("_sample")]:
            sample = sorted(figures.pop(name))
            figures[name.replace("_sample", "_p95")] = sample[int(0.95 * (len(sample) - 1))]
    return windows, missed


def _taken(
    stream: Stream, calendar: Calendar, records: Sequence[Record]
) -> tuple[dict[str, list[Reading]], set[tuple[str, int]]]:
    """The readings that count, each once, by device and in order; and the minutes of those that came too late."""
    taken: dict[str, dict[Any, Reading]] = {}
    late: set[tuple[str, int]] = set()
    clock = 0
    for record in records:
        if record.timestamp_ms // 1_000 > clock // 1_000:
            clock = record.timestamp_ms
        if record.key is None:
            continue
        reading = codec.decode_reading(stream.name, record.value or b"")
        start, end = calendar.span(MINUTE, reading.ts_ms)
        if reading.received_at_ms - reading.ts_ms <= stream.lateness_ms and end + stream.lateness_ms > clock:
            taken.setdefault(reading.device_id, {}).setdefault((start, reading.identity), reading)
        else:
            late.add((reading.device_id, start))
    return {device_id: sorted(found.values(), key=lambda each: each.ts_ms) for device_id, found in taken.items()}, late


def _windows_of(stream: Stream, calendar: Calendar, device: Device, readings: list[Reading]) -> dict[Key, Figures]:
    kind, interval = stream.by_name[device.kind], device.interval_s * 1_000
    found: dict[Key, Figures] = {}
    for level in LEVELS:
        for start, end in sorted({calendar.span(level, reading.ts_ms) for reading in readings}):
            inside = [reading for reading in readings if start <= reading.ts_ms < end]
            figures: Figures = {
                "end": end,
                "readings": len(inside),
                "suspect": sum(1 for reading in inside if reading.flags),
                "expected": 0 if kind.event else _due(start, end, interval),
                "devices": 1,
            }
            for metric in kind.metrics:
                good = [
                    (r.ts_ms, r.values[metric.name]) for r in readings if metric.name in r.values and metric.name not in r.flags
                ]
                figures |= _figures(metric, good, (start, end), silence_ms(interval), event=kind.event)
            found[kind.name, device.device_id, "", level, start] = figures
    return found


def _due(start: int, end: int, interval: int) -> int:
    """Multiples of the interval."""
    return len(range(start + -start % interval, end, interval))


def _figures(metric: Metric, good: list[tuple[int, Any]], span: Span, silence: int, *, event: bool) -> Figures:
    """`good` are all good values of the device, before, in and after the window."""
    name = metric.name
    values = [value for ts, value in good if span[0] <= ts < span[1]]
    if not values:
        return {}
    found: Figures = {f"{name}_count": len(values)}
    if metric.nature is Nature.GAUGE:
        found |= {f"{name}_min": min(values), f"{name}_max": max(values), f"{name}_total": sum(values)}
        if Aggregation.P95 in metric.extra:
            found[f"{name}_sample"] = values
    elif metric.nature is Nature.COUNTER:
        found[f"{name}_increase"] = _increase(metric, good, span, silence)
    elif metric.nature is Nature.STATE and event:
        found |= {f"{name}_often_{value}": values.count(value) for value in values}
    elif metric.nature is Nature.STATE:
        found |= {f"{name}_ms_{word}": ms for word, ms in _spent(good, span, silence).items()}
    if not event:  # the order of events in one millisecond is nobody's business
        found[f"{name}_last"] = values[-1]
    return found


def _increase(metric: Metric, good: list[tuple[int, Any]], span: Span, silence: int) -> float:
    """Of steps that end in the window those that begin in it, and those that are short."""
    steps = [(one, other) for one, other in pairwise(good) if span[0] <= other[0] < span[1]]
    return sum(_step(metric, one[1], other[1]) for one, other in steps if one[0] >= span[0] or other[0] - one[0] <= silence)


def _step(metric: Metric, before: float, after: float) -> float:
    if after >= before:
        return after - before
    if metric.wraps_at and (after - before) % metric.wraps_at <= metric.wraps_at / 2:
        return after - before + metric.wraps_at
    return 0 if after > before * 0.9 else after


def _spent(good: list[tuple[int, Any]], span: Span, silence: int) -> Figures:
    """Paints the window second by second, reading by reading."""
    start, end = span
    cells: list[str | None] = [None] * ((end - start) // CELL)
    for (since, word), (until, _) in pairwise([*good, (1 << 60, None)]):
        if until - since > silence:
            until = since + silence if since < start else min(since + silence, end)  # noqa: PLW2901
            if since < start:  # not beyond its own window, and that is an earlier one
                continue
        for at in range(max(since, start), min(until, end), CELL):
            cells[(at - start) // CELL] = str(word).lower()
    return {word: cells.count(word) * CELL for word in set(cells) if word is not None}


def _add_to_zone(stream: Stream, by_id: dict[str, Device], key: Key, figures: Figures, windows: dict[Key, Figures]) -> None:
    kind, device_id, _, level, start = key
    zone, end = by_id[device_id].zone, figures["end"]
    whole = windows.setdefault((kind, "", zone, level, start), {"end": end, "expected": 0})
    if not stream.by_name[kind].event:
        intervals = [device.interval_s * 1_000 for device in by_id.values() if (device.zone, device.kind) == (zone, kind)]
        whole["expected"] = sum(_due(start, end, interval) for interval in intervals)
    labels = {metric.name for metric in stream.by_name[kind].metrics if metric.nature is Nature.LABEL}
    for name, value in figures.items():
        if name in {"end", "expected"} or name.rsplit("_", 1)[0] in labels or name.endswith("_last"):
            continue
        if name.endswith("_min"):
            whole[name] = min(value, whole.get(name, value))
        elif name.endswith("_max"):
            whole[name] = max(value, whole.get(name, value))
        else:
            whole[name] = whole[name] + value if name in whole else value


def differences(want: dict[Key, Figures], got: dict[Key, Figures]) -> list[str]:
    """Every figure that is not what it must be: integers to the digit, sums of floats to 1e-9, a p95 to the sketch's 1 %."""
    found = []
    for key in sorted(want.keys() | got.keys()):
        wanted, gotten = want.get(key, {}), got.get(key, {})
        names = [name for name in wanted.keys() | gotten.keys() if name in wanted or not name.endswith("_last")]
        found += [
            f"{key} {name}: {gotten.get(name)!r} instead of {wanted.get(name)!r}"
            for name in sorted(names)
            if not _equal(name, wanted.get(name), gotten.get(name))
        ]
    return found


def _equal(name: str, wanted: Any, gotten: Any) -> bool:
    if wanted is None or gotten is None:
        return False
    if isinstance(wanted, bool):
        return str(wanted).lower() == gotten
    if name.endswith("_p95"):
        return abs(wanted - gotten) <= 0.01 * abs(wanted) + 1e-9
    if isinstance(wanted, float) or isinstance(gotten, float):
        return abs(wanted - gotten) <= 1e-9 * max(abs(wanted), abs(gotten), 1)
    return bool(wanted == gotten)
