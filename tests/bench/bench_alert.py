"""What a reading costs the alert role's core with all default packs, and whether that depends on how many devices there are.

    python -m tests.bench.bench_alert [--minutes 60] [--scales 1,5] [--start 2026-01-15T08:00]

Readings of the simulated city, judged by validate beforehand, go through the alert tasks in batches as the loop makes them.
Counted is CPU time of the task's `feed`, decoding included, Kafka's client not, after a quarter of an hour in which it gets to
know the devices. Exit code 1 when the target is missed.
"""

import argparse
import cProfile
import pstats
import sys
import time
from collections import Counter
from contextlib import closing

from deploy.demo.city.city import City
from deploy.demo.city.district import load_district
from deploy.demo.city.scale import Copies, scaled_devices
from processors.rules.load import load_book
from processors.rules.world import World
from processors.validate import ValidateTask
from schemas import codec, topics
from schemas.device import Registry, encode
from schemas.instants import DAY_MS, MINUTE_MS, parse_rfc3339
from schemas.ports import Position, Record
from schemas.streams import BY_NAME
from tests.bench.weeks import records_of

TARGET_US = 8.0
BATCH = 2_000


def prepare(scale: int, start_ms: int, minutes: int) -> tuple[World, dict[str, list[Record]]]:
    """The tasks, and what validate makes of the city's messages."""
    with closing(City(load_district(), 7, start_ms)) as city:
        devices = list(scaled_devices(city.devices, scale))
        registry = Registry()
        for device in devices:
            registry.apply(device.device_id, encode(device))
        validators = {name: ValidateTask(BY_NAME[name], registry, 30 * DAY_MS, Position(0)) for name in BY_NAME}
        offsets: Counter[str] = Counter()
        logs: dict[str, list[Record]] = {name: [] for name in BY_NAME}
        end_ms = start_ms + minutes * MINUTE_MS
        copies = Copies(scale).minutes(city.minutes(end_ms), start_ms)
        for minute_ms, minute in zip(range(start_ms, end_ms, MINUTE_MS), copies, strict=False):
            for name, validator in validators.items():
                for out in validator.feed(list(records_of(name, minute, minute_ms, offsets))).records:
                    if out.topic == topics.reading(name):
                        logs[name].append(
                            Record(out.topic, 0, len(logs[name]), out.key, out.value, tuple(out.headers), out.timestamp_ms)
                        )
    return World(load_book(), devices), logs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--scales", default="1,5")
    parser.add_argument("--start", default="2026-01-15T08:00")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    worst = 0.0
    for scale in map(int, given.scales.split(",")):
        start_ms = parse_rfc3339(f"{given.start}:00+08:00")
        counted_ms = start_ms + 15 * MINUTE_MS
        world, logs = prepare(scale, start_ms, given.minutes + 15)
        profiler = cProfile.Profile()
        total_s, total = 0.0, 0
        for name, log in logs.items():
            task = world.tasks[name]
            cut = next((n for n, record in enumerate(log) if record.timestamp_ms >= counted_ms), 0)
            task.feed(log[:cut])
            log = log[cut:]  # noqa: PLW2901
            readings = sum(record.key is not None for record in log)
            if given.profile:
                profiler.enable()
            began = time.process_time()
            for first in range(0, len(log), BATCH):
                task.feed(log[first : first + BATCH])
            used = time.process_time() - began
            profiler.disable()
            total_s, total = total_s + used, total + readings
            sys.stdout.write(f"  scale {scale}: {name:<9}{readings:>9,} readings {used / max(1, readings) * 1e6:6.2f} us\n")
        us = total_s / total * 1e6
        worst = max(worst, us)
        began, some = time.process_time(), [record.value for record in logs["drainage"] if record.key][:20_000]
        for value in some:
            codec.decode_reading("drainage", value or b"")
        decode_us = (time.process_time() - began) / len(some) * 1e6
        sys.stdout.write(f"  decoding alone, now and here: {decode_us:.2f} us; on this machine at rest 2.6\n")
        sys.stdout.write(
            f"scale {scale}: {len(world.registry):,} devices, {total:,} readings, {us:.2f} us (target {TARGET_US:g})\n"
        )
        if given.profile:
            pstats.Stats(profiler).sort_stats("tottime").print_stats(18)
    return int(worst > TARGET_US)


if __name__ == "__main__":
    sys.exit(main())
