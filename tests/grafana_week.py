"""A made-up week of the demonstration's devices in InfluxDB, in the forms that dashboards read."""

import math
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from zlib import crc32

from deploy.health_points import health_points
from deploy.registry_points import points as registry_points
from deploy.watch import Sample, Used, Watch
from processors.orders.points import line as order_line
from processors.points import line
from processors.rules.points import line as alert_line
from schemas.aggregate import DAY, HOUR, MINUTE, QUARTER, expected_readings
from schemas.alert import Alert, Change, Severity, State
from schemas.device import Device
from schemas.fields import aggregate_field, state_field, states_of
from schemas.indicator import DISTRICT, Indicator, measurement
from schemas.instants import DAY_MS, HOUR_MS, MINUTE_MS
from schemas.kind import Kind
from schemas.metric import Aggregation, Metric, Nature
from schemas.reading import Reading
from schemas.streams import BY_NAME
from schemas.workorder import Order, Reason, Why
from schemas.workorder import State as OrderState

# Of each level: length, and how far back there are windows. A week of comparison lies a week further back.
SPANS = {
    MINUTE: (MINUTE_MS, 3 * HOUR_MS),
    QUARTER: (15 * MINUTE_MS, 2 * DAY_MS),
    HOUR: (HOUR_MS, 16 * DAY_MS),
    DAY: (DAY_MS, 90 * DAY_MS),
}
_LOOK_MS = 10_000
_SHIFTS_MS = (0, DAY_MS, 7 * DAY_MS)
_DENSE_MS, _SPARSE_MS = 4 * HOUR_MS, 26 * HOUR_MS
Lines = Iterator[tuple[str, str]]


def week(devices: list[Device], now_ms: int) -> Lines:
    """Bucket and line, in no order that matters."""
    rng = random.Random(8)
    eighths = {[device.device_id for device in devices if device.stream == name][7] for name in BY_NAME}
    for device in devices:
        yield from (("ops", point) for point in registry_points(device, now_ms))
        yield from (("readings", line(reading)) for reading in readings(device, now_ms, rng, device.device_id in eighths))
    yield from (("aggregates", point) for point in windows(devices, now_ms))
    yield from (("aggregates", point) for point in indicators(devices, now_ms))
    yield from (("aggregates", point) for point in details(devices, now_ms))
    yield from (("alerts", alert_line(alert)) for alert in alerts(devices, now_ms))
    yield from (("alerts", order_line(order)) for order in orders(devices, now_ms))
    yield from (("ops", point) for point in health(now_ms))


def health(now_ms: int) -> Iterator[str]:
    """Six hours of a watch that looks every ten seconds, kept once a minute."""
    watch = Watch()
    for number, at in enumerate(range(now_ms - 6 * HOUR_MS, now_ms, _LOOK_MS)):
        series = {
            (f"hanan_{name}", tuple(sorted({"role": role, "stream": stream, **more}.items()))): float(number * step)
            for stream in BY_NAME
            for name, role, step, more in _COUNTED
        }
        series |= {("hanan_cpu_seconds", (("role", role),)): number * 0.2 for _, role, _, _ in _COUNTED}
        for stream in BY_NAME:
            for le, count in (("50", 40), ("500", 99), ("+Inf", 100)):
                labels = (("bucket", "readings"), ("le", le), ("role", "store"), ("stream", stream))
                series["hanan_stored_after_ms_bucket", labels] = float(number * count)
                series["hanan_stored_age_ms_bucket", labels] = float(number * count)
        servers = {name: Used(number * 0.5, 300_000_000) for name in ("influxdb", "kafka-1", "mosquitto")}
        watch.add(Sample(number * _LOOK_MS, series, dict.fromkeys(BY_NAME, number % 7), servers))
        if at % MINUTE_MS < _LOOK_MS:
            yield from health_points(watch, at)


def orders(devices: list[Device], now_ms: int) -> Iterator[Order]:
    """Of each tenth container one, of different age, some of them taken."""
    for number, device in enumerate([device for device in devices if device.kind == "bin"][::10]):
        opened = now_ms - (number + 1) * 20 * MINUTE_MS
        reason = Reason(
            Why.DUE if number % 2 else Why.FULL, device.device_id, opened, opened + 4 * HOUR_MS, Severity.MEDIUM, 0.85
        )
        taken: dict[str, Any] = {"state": OrderState.TAKEN, "by": "crew 2"} if number % 3 == 0 else {"state": OrderState.OPEN}
        yield Order(
            place=device.site, n=1, at_ms=opened, opened_ms=opened,
            reasons=(reason,), stream=device.stream, kind=device.kind, zone=device.zone, name=device.name, **taken,
        )  # fmt: skip


def alerts(devices: list[Device], now_ms: int) -> Iterator[Alert]:
    """Of some devices one that fired, was acknowledged and resolved, again and again; the last is still open."""
    for number, device in enumerate(device for device in devices if device.device_id.endswith(("1", "4"))):
        severity = list(Severity)[number % len(Severity)]
        places = {"stream": device.stream, "kind": device.kind, "zone": device.zone, "site": device.site, "name": device.name}
        alert = Alert(f"{device.stream}-{device.kind}-rule", device.device_id, severity=severity, worst=severity, **places)
        for fired in range(now_ms - 30 * HOUR_MS - number * MINUTE_MS, now_ms, 5 * HOUR_MS):
            alert = alert._replace(n=alert.n + 1, at_ms=fired, onset_ms=fired, fired_ms=fired)
            yield alert._replace(state=State.FIRING, change=Change.FIRED)
            alert = alert._replace(n=alert.n + 1, at_ms=fired + 4 * MINUTE_MS)
            yield alert._replace(state=State.ACKNOWLEDGED, change=Change.ACKNOWLEDGED)
            if fired + 2 * HOUR_MS < now_ms and number % 2:
                alert = alert._replace(n=alert.n + 1, at_ms=fired + HOUR_MS, resolved_ms=fired + HOUR_MS)
                yield alert._replace(state=State.RESOLVED, change=Change.RESOLVED)


_COUNTED: tuple[tuple[str, str, int, dict[str, str]], ...] = (
    ("received_total", "collect", 90, {}),
    ("mqtt_reconnects_total", "collect", 1, {}),
    ("dead_total", "validate", 2, {"reason": "not_json"}),
    ("late_total", "aggregate", 3, {}),
    ("repeated_total", "aggregate", 1, {}),
    ("points_total", "store", 88, {}),
)


def readings(device: Device, now_ms: int, rng: random.Random, is_silent: bool) -> Iterator[Reading]:
    """One in forty is suspect; the silent, and one device in twenty beside, have been so for an hour."""
    kind = BY_NAME[device.stream].by_name[device.kind]
    own = device.interval_s * 1_000
    silent = HOUR_MS if rng.random() < 0.05 or is_silent else 0
    for start, end, step in ((_SPARSE_MS, _DENSE_MS, max(own, 5 * MINUTE_MS)), (_DENSE_MS, silent, own)):
        for ts in range(now_ms - start - start % step, now_ms - end, step):
            values = {metric.name: value(device, metric, ts) for metric in kind.metrics}
            name = next(iter(values))
            flags = {name: "out_of_range"} if rng.random() < 0.025 else {}
            event = f"E-{ts}" if kind.event else None
            yield Reading(device.stream, device.kind, device.device_id, ts, ts + 500, values, flags, None, event)


def value(device: Device, metric: Metric, ts: int) -> Any:
    phase = (crc32(metric.name.encode()) + sum(device.device_id.encode())) % 100 / 16
    wave = (1 + math.sin(ts / DAY_MS * 2 * math.pi + phase)) / 2
    if metric.nature is Nature.STATE:
        words: tuple[Any, ...] = metric.states or (False, True)
        return words[int(wave * len(words) * 0.999)]
    if metric.name in {"lat", "lon"}:
        return float(getattr(device, metric.name))
    if metric.nature is Nature.COUNTER:
        grown = ts / HOUR_MS
        return int(grown) if metric.type == "int" else grown
    low, high = metric.plausible.of(device.params)
    low, high = (0.0 if math.isinf(low) else low), (100.0 if math.isinf(high) else high)
    number = low + (0.2 + 0.4 * wave) * (high - low)
    return int(number) if metric.type == "int" else number


def windows(devices: list[Device], now_ms: int) -> Iterator[str]:
    """What the range shows, and the same a day and a week before."""
    zones: dict[tuple[str, str, str], list[Device]] = defaultdict(list)
    for device in devices:
        zones[device.stream, device.kind, device.zone].append(device)
    for level, (length, back) in SPANS.items():
        spans = [range((now_ms - shift - back) // length * length, now_ms - shift - length, length) for shift in _SHIFTS_MS]
        for start in sorted(set().union(*spans)):
            for device in devices:
                yield _window(device, f"device_id={device.device_id}", level, start, length)
            for (_, _, zone), members in zones.items():
                yield _window(members[0], f"zone={zone}", level, start, length)


def indicators(devices: list[Device], now_ms: int) -> Iterator[str]:
    """Of each zone and of the district, between its target's two values or beyond."""
    zones = [*sorted({device.zone for device in devices}), DISTRICT]
    for level, (length, back) in SPANS.items():
        rows = {stream: [row for row in stream.indicators if level in row.windows] for stream in BY_NAME.values()}
        for start in range((now_ms - back) // length * length, now_ms - length, length):
            for stream, wanted in rows.items():
                for place, zone in enumerate(zones) if wanted else ():
                    values = {row.name: _judged(row, start + place * HOUR_MS) for row in wanted}
                    fields = ",".join(f"{name}={value!r}" for name, value in values.items())
                    yield f"{measurement(stream.name)},window={level},zone={zone} {fields} {start * 1_000_000}"


def details(devices: list[Device], now_ms: int) -> Iterator[str]:
    """What devices add to indicators."""
    for device in devices:
        rows = [row for row in BY_NAME[device.stream].details if row.amount.kind == device.kind]
        for level, (length, back) in SPANS.items():
            wanted = [row for row in rows if level in row.windows]
            for start in range((now_ms - back) // length * length, now_ms - length, length) if wanted else ():
                fields = ",".join(f"{row.name}={start / DAY_MS % 3!r}" for row in wanted)
                of = measurement(device.stream, device.kind)
                yield f"{of},device_id={device.device_id},window={level} {fields} {start * 1_000_000}"


def _judged(row: Indicator, ts: int) -> float:
    wave = (1 + math.sin(ts / DAY_MS * 2 * math.pi)) / 2
    good, poor = (row.target.good, row.target.poor) if row.target else (10.0, 20.0)
    return good + (2 * wave - 0.5) * (poor - good)


def _window(device: Device, tag: str, level: str, start: int, length: int) -> str:
    kind = BY_NAME[device.stream].by_name[device.kind]
    expected = expected_readings(start, start + length, device.interval_s * 1_000)
    fields = {"readings": f"{expected}i", "expected": f"{expected}i", "suspect": "0i"} | _fields(device, kind, start, length)
    body = ",".join(f"{name}={text}" for name, text in fields.items())
    tags = f"{tag},window={level}" if tag < "window" else f"window={level},{tag}"
    return f"{device.stream}_{device.kind},{tags} {body} {start * 1_000_000}"


def _fields(device: Device, kind: Kind, start: int, length: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for metric in kind.metrics:
        now = value(device, metric, start)
        if metric.nature is Nature.STATE:
            for state in states_of(metric):
                inside = str(now).lower() == state
                found[state_field(kind, metric, state)] = repr(length / 1_000 if inside else 0.0)
        elif metric.nature is Nature.COUNTER:
            found[aggregate_field(metric, Aggregation.INCREASE)] = repr(length / HOUR_MS)
        elif metric.nature is Nature.GAUGE:
            for how in set(metric.aggregations) - {Aggregation.COUNT}:
                found[aggregate_field(metric, how)] = repr(float(now))
    return found
