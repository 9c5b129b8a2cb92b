"""Forty minutes of the simulated city through all roles at once: what comes out is what the dashboards read."""

import re
from collections import defaultdict

from schemas import topics
from schemas.fields import AGGREGATES, READINGS
from schemas.indicator import DISTRICT, measurement
from schemas.instants import HOUR_MS, parse_rfc3339
from schemas.streams import STREAMS
from tests.city_week import Order, devices_of, lines

START_MS = parse_rfc3339("2026-10-30T08:00:00+08:00")
_LINE = re.compile(r"(\w+),(\S+) (.*) (\d+)")


def test_the_city_arrives_as_it_was_sent_and_makes_windows_and_indicators() -> None:
    often = {f"{stream.name}/{kind.name}": 300 for stream in STREAMS for kind in stream.kinds if not kind.event}
    order = Order(START_MS, 40 * 60_000 / (24 * HOUR_MS), intervals_s=often)
    written: dict[str, int] = {}
    seen: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for bucket, line in lines(order, lambda _, counts: written.update(counts)):
        name, tags, _, at_ns = _LINE.fullmatch(line).groups()  # type: ignore[union-attr]
        seen[bucket].add((name, tags))
        if bucket != "ops":
            assert START_MS - HOUR_MS <= int(at_ns) // 1_000_000 < order.end_ms + HOUR_MS
    fixed = {device.device_id for device in devices_of(order) if device.kind not in {"vehicle", "weighbridge"}}
    reported = {tags.removeprefix("device_id=") for _, tags in seen[READINGS]}
    assert len(fixed & reported) > 0.95 * len(fixed)
    assert topics.DEAD not in written
    for stream in STREAMS:
        assert (measurement(stream.name), f"window=15m,zone={DISTRICT}") in seen[AGGREGATES]
        kinds = {stream.measurement(kind.name) for kind in stream.kinds if not kind.event and kind.name != "vehicle"}
        assert kinds <= {name for name, _ in seen[AGGREGATES]}
