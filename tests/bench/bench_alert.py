"""What a reading costs the alert role's core with all default packs, and whether that depends on how many devices there are.

    python -m tests.bench.bench_alert [--scales 1,13,127] [--minutes 30] [--start 2026-01-15T08:00]

Readings of the simulated city (787 devices for each of the scale; locks, for which there are no rules, keep silent), judged by
validate beforehand, go through the alert tasks in batches as the loop makes them. Counted is CPU time of `feed` of all three
tasks, since comparing and counting belong to a reading too, with decoding and without Kafka's client. A quarter of an hour goes
before, in which they get to know the devices. Beside it stands what the standard library's JSON needs for one reading in the same
run, since the same machine may be twice as fast a minute later. Exit code 1 when the target is missed.
"""

import argparse
import cProfile
import gc
import json
import pstats
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

from deploy.demo.city.city import City
from deploy.demo.city.district import load_district
from deploy.demo.city.scale import Copies, scaled_devices
from processors.rules.load import load_book
from processors.rules.world import World
from processors.task import Task
from processors.validate import ValidateTask
from schemas import codec, topics
from schemas.alert import GROUP
from schemas.instants import DAY_MS, MINUTE_MS, parse_rfc3339
from schemas.ports import OutRecord, Position, Record
from schemas.streams import BY_NAME
from tests.bench.weeks import WITHOUT_RULES, records_of

TARGET_US = 8.0
BATCH = 2_000
BEFORE_MIN = 15


class Spent(NamedTuple):
    readings: int
    cpu_s: float


def logs_of(world: World, scale: int, start_ms: int, minutes: int) -> Iterator[list[tuple[str, list[OutRecord]]]]:
    """Of each minute what validate makes of the city's messages, by stream."""
    with closing(City(load_district(), 7, start_ms)) as city:
        for reporter in city.reporters.values():
            reporter.silent = reporter.device.kind in WITHOUT_RULES
        validators = {name: ValidateTask(BY_NAME[name], world.registry, 30 * DAY_MS, Position(0)) for name in BY_NAME}
        offsets: Counter[str] = Counter()
        end_ms = start_ms + minutes * MINUTE_MS
        copies = Copies(scale).minutes(city.minutes(end_ms), start_ms)
        for minute_ms, minute in zip(range(start_ms, end_ms, MINUTE_MS), copies, strict=False):
            made = []
            for name, validator in validators.items():
                records = validator.feed(list(records_of(name, minute, minute_ms, offsets))).records
                made.append((name, [out for out in records if out.topic == topics.reading(name)]))
            yield made


class Machine:
    """The tasks as the loop feeds them, each in batches; time is taken of `feed` alone."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cpu_s: Counter[str] = Counter()
        self.readings: Counter[str] = Counter()
        self.profiler: cProfile.Profile | None = None
        self._waiting: dict[str, list[Record]] = {}
        self._offsets: Counter[str] = Counter()

    def take(self, topic: str, made: list[OutRecord], size: int = BATCH) -> None:
        waiting = self._waiting.setdefault(topic, [])
        for out in made:
            waiting.append(Record(topic, 0, self._offsets[topic], out.key, out.value, tuple(out.headers), out.timestamp_ms))
            self._offsets[topic] += 1
        while len(waiting) >= size:
            batch = waiting[:BATCH]
            del waiting[:BATCH]
            self._feed(topic, batch)

    def flush(self) -> None:
        for topic in list(self._waiting):
            while self._waiting[topic]:
                self.take(topic, [], 1)

    def _feed(self, topic: str, batch: list[Record]) -> None:
        name = topics.stream_of(topic) or topic
        task: Task = {GROUP: self.world.group, topics.ALERT: self.world.count}.get(topic) or self.world.tasks[name]
        if self.profiler:
            self.profiler.enable()
        began = time.process_time()
        out = task.feed(batch)
        self.cpu_s[name] += time.process_time() - began
        if self.profiler:
            self.profiler.disable()
        self.readings[name] += sum(record.key is not None for record in batch)
        for other in (GROUP, topics.ALERT):
            made = [record for record in out.records if record.topic == other]
            if other == topics.ALERT:
                for record in made:
                    self.world.board.take_alert(record.key or b"", record.value)
            if made:
                self.take(other, made, BATCH if other == GROUP else 1)


def measure(scale: int, start_ms: int, minutes: int, profiler: cProfile.Profile | None) -> Spent:
    with closing(City(load_district(), 7, start_ms)) as city:
        devices = [device for device in scaled_devices(city.devices, scale) if device.kind not in WITHOUT_RULES]
    world = World(load_book(), devices)
    machine = Machine(world)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as deploy/roles/ does
    for number, made in enumerate(logs_of(world, scale, start_ms, BEFORE_MIN + minutes)):
        if number == BEFORE_MIN:
            machine.flush()
            machine.cpu_s.clear()
            machine.readings.clear()
            machine.profiler = profiler
        for name, records in made:
            machine.take(topics.reading(name), records)
    machine.flush()
    readings = sum(machine.readings[name] for name in BY_NAME)
    for name, used in machine.cpu_s.items():
        say(f"  {name:<12}{machine.readings[name]:>9,} records {used / max(1, machine.readings[name]) * 1e6:6.2f} us")
    return Spent(readings, sum(machine.cpu_s.values()))


def speed_us(value: bytes, times: int = 2_000, rounds: int = 15) -> float:
    """What the standard library's JSON needs to read and write one reading here and now: how fast the machine is meanwhile."""
    spent = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(times):
            json.dumps(json.loads(value))
        spent.append((time.process_time() - began) / times * 1e6)
    return min(spent)


VALUES = {"level_m": 0.31, "flow_m3_h": 41.2, "velocity_m_s": 0.61, "temp_c": 11.2, "battery_v": 3.6, "rssi_dbm": -81}
REFERENCE = codec.encode_fields("level", "DL-001", 1_768_435_200_000, 1_768_435_200_000, VALUES, {}, 1, None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--scales", default="1,13")
    parser.add_argument("--start", default="2026-01-15T08:00")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    start_ms, worst, rows = parse_rfc3339(f"{given.start}:00+08:00"), 0.0, []
    for scale in map(int, given.scales.split(",")):
        profiler = cProfile.Profile() if given.profile else None
        spent = measure(scale, start_ms, given.minutes, profiler)
        us = spent.cpu_s / spent.readings * 1e6
        worst = max(worst, us)
        speed = speed_us(REFERENCE)
        rows.append(f"| {787 * scale:,} | {spent.readings:,} | {us:.2f} | {speed:.2f} | {us / speed:.2f} |")
        if profiler:
            pstats.Stats(profiler).sort_stats("tottime").print_stats(18)
    say("| devices | readings | us a reading | JSON of one to and fro, then and there | ratio |\n|---|---|---|---|---|")
    say("\n".join(rows))
    return int(worst > TARGET_US)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
