"""What the aggregate role costs: `python -m tests.bench.bench_aggregate [devices …]`.

The tasks alone, on records as validate writes them and Kafka's clients hand them over: CPU a reading, and memory once all
windows of the lateness are open. Each line is a process of its own, so that memory is that of its line. What the whole role
costs on a real Kafka `python -m tests.bench` says.
"""

import argparse
import gc
import subprocess
import sys
import time
from collections.abc import Sequence
from random import Random

from processors.task import Task
from processors.windows.book import Place
from processors.windows.calendar import Calendar
from processors.windows.level import LADDERS, LevelTask
from processors.windows.minute import MinuteTask
from processors.windows.roster import Roster
from schemas import topics
from schemas.aggregate import HOUR, MINUTE, QUARTER, Window, decode, encode
from schemas.device import Device
from schemas.kind import Kind, Stream
from schemas.metric import Range, counter, gauge, state
from schemas.ports import Position, Record

START_MS = 1_768_435_200_000
QUARTER_MS = 15 * 60_000
PARTITIONS = 4
PLACES = [Place(number, PARTITIONS) for number in range(PARTITIONS)]
_WIDE = Range(-1e6, 1e6)

FIVE_GAUGES = Kind(
    name="gauges",
    en="Five gauges",
    zh="五个仪表",
    interval_s=60,
    metrics=tuple(gauge(f"temp_{n}_c", "Cel", "Temperature", "温度", possible=_WIDE) for n in range(1, 6)),
)
MIXED = Kind(
    name="mixed",
    en="Three gauges, a counter and a state",
    zh="混合",
    interval_s=60,
    metrics=(
        *FIVE_GAUGES.metrics[:3],
        counter("energy_kwh", "kW.h", "Energy", "电能"),
        state("pump", "Pump", "泵", "stopped", "running", "fault"),
    ),
)
BENCH = Stream(name="bench", en="Bench", zh="测试", kinds=(FIVE_GAUGES, MIXED))


def roster_of(kind: Kind, devices: int, interval_s: int) -> Roster:
    given = {
        "stream": "bench",
        "kind": kind.name,
        "site": "S1",
        "lat": 45.0,
        "lon": 126.0,
        "name": "",
        "gateway": "",
        "params": {},
    }
    return Roster(
        Device.model_construct(**given, device_id=f"DEV-{n:06}", zone=f"zone-{n % 20}", interval_s=interval_s)
        for n in range(devices)
    )


class Feed:
    """The log of the partitions, second by second: every device at its own second, one in a hundred readings out of order."""

    def __init__(self, kind: Kind, devices: int, interval_s: int, in_order: float = 0.99) -> None:
        self.devices, self.interval_s, self.in_order = devices, interval_s, in_order
        self.random = Random(1)
        mixed = kind is MIXED
        values = '"temp_1_c":%.2f,"temp_2_c":%.2f,"temp_3_c":%.2f,' + (
            '"energy_kwh":%d.5,"pump":"running"' if mixed else '"temp_4_c":%.2f,"temp_5_c":65.25'
        )
        self.form = f'{{"kind":"{kind.name}","device_id":"DEV-%06d","ts":%d,"received_at":%d,"values":{{{values}}},"flags":{{}}}}'
        self.offsets = [0] * PARTITIONS
        self.topic = topics.reading("bench")

    def second(self, at_ms: int) -> list[list[Record]]:
        found: list[list[Record]] = [[] for _ in range(PARTITIONS)]
        uniform = self.random.uniform
        for device in range(at_ms // 1_000 % self.interval_s, self.devices, self.interval_s):
            ts = at_ms - (0 if self.random.random() < self.in_order else 90_000)
            numbers = (device, ts, at_ms, uniform(0, 90), uniform(0, 90), uniform(0, 90), at_ms // 1_000)
            self._append(found, device % PARTITIONS, b"DEV-%06d" % device, (self.form % numbers).encode(), at_ms)
        for partition in range(PARTITIONS):
            self._append(found, partition, None, b"", at_ms)
        return found

    def _append(self, found: list[list[Record]], partition: int, key: bytes | None, value: bytes, at_ms: int) -> None:
        found[partition].append(Record(self.topic, partition, self.offsets[partition], key, value, (), at_ms))
        self.offsets[partition] += 1


def resident_mb() -> float:
    with open("/proc/self/status") as status:  # noqa: PTH123
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1_024


class Cost:
    """Of the tasks of all partitions: CPU time within `feed` only."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks, self.cpu_s = tasks, 0.0

    def feed(self, batches: Sequence[Sequence[Record]]) -> None:
        begun = time.process_time()
        for task, batch in zip(self.tasks, batches, strict=True):
            task.feed(batch)
        self.cpu_s += time.process_time() - begun


def minutes_level(kind: Kind, devices: int, interval_s: int, minutes: int) -> tuple[float, int]:
    roster = roster_of(kind, devices, interval_s)
    cost = Cost([MinuteTask(BENCH, roster, place, Position(0)) for place in PLACES])
    feed = Feed(kind, devices, interval_s)
    for second in range(minutes * 60):
        cost.feed(feed.second(START_MS + second * 1_000))
    return cost.cpu_s, sum(feed.offsets) - minutes * 60 * PARTITIONS


def hours_level(kind: Kind, devices: int, interval_s: int, quarters: int) -> tuple[float, int]:
    """On windows as the level below writes them: of each device one a quarter, with as many readings as it sends in one."""
    calendar = Calendar("Asia/Shanghai")
    cost = Cost([LevelTask(LADDERS[0], BENCH, calendar, place, Position(0)) for place in PLACES])
    windows = Windows(kind, devices, interval_s)
    for quarter in range(quarters):
        cost.feed(windows.quarter(START_MS + quarter * QUARTER_MS))
    return cost.cpu_s, devices * quarters


class Windows:
    """The log of the level below: a made-up window is given to each device in turn."""

    def __init__(self, kind: Kind, devices: int, interval_s: int) -> None:
        self.devices = devices
        task = MinuteTask(BENCH, roster_of(kind, 1, interval_s), Place(0, 1), Position(0))
        feed = Feed(kind, 1, interval_s, in_order=1)
        records = [each for second in range(901) for each in task.feed(feed.second(START_MS + second * 1_000)[0]).records]
        (self.like,) = [window for each in records if each.key == b"15m" for window in decode(each.value or b"")[1]]
        self.offset = 0

    def quarter(self, start_ms: int) -> list[list[Record]]:
        found: list[list[Record]] = []
        for partition in range(PARTITIONS):
            windows: list[Window] = [
                {
                    **self.like,
                    "device_id": f"DEV-{n:06}",
                    "zone": f"zone-{n % 20}",
                    "start": start_ms,
                    "end": start_ms + QUARTER_MS,
                }
                for n in range(partition, self.devices, PARTITIONS)
            ]
            chunks = [windows[at : at + 200] for at in range(0, len(windows), 200)]
            end_ms = start_ms + QUARTER_MS
            batch = [self._record(partition, QUARTER.encode(), encode(QUARTER, chunk), end_ms) for chunk in chunks]
            batch += [self._record(partition, None, b"", end_ms + second * 1_000) for second in range(900)]
            found.append(batch)
        return found

    def _record(self, partition: int, key: bytes | None, value: bytes, at_ms: int) -> Record:
        self.offset += 1
        return Record(topics.aggregate(QUARTER, "bench"), partition, self.offset, key, value, (), at_ms)


LEVELS = {MINUTE: minutes_level, HOUR: hours_level}


def measure(level: str, kind: str, devices: int, interval_s: int, spans: int) -> None:
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as the roles do
    before = resident_mb()
    cpu_s, amount = LEVELS[level](BENCH.by_name[kind], devices, interval_s, spans)
    what = "reading" if level == MINUTE else "window"
    us, mb = cpu_s / amount * 1e6, resident_mb()
    who = f"{level:>3}  {kind:7} {devices:8,} devices, each {interval_s:2} s"
    sys.stdout.write(f"{who}  {us:6.2f} us a {what:8}{mb:6.0f} MB, {before:.0f} of it before\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("devices", nargs="*", type=int, default=[1_000, 10_000, 100_000])
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        level, kind, *numbers = given.one
        measure(level, kind, *map(int, numbers))
        return
    for level, spans in ((MINUTE, 20), (HOUR, 10)):
        for kind in BENCH.kinds:
            for interval_s in (60, 10):
                for devices in given.devices:
                    one = [level, kind.name, *map(str, (devices, interval_s, spans))]
                    subprocess.run([sys.executable, "-m", "tests.bench.bench_aggregate", "--one", *one], check=True)


if __name__ == "__main__":
    main()
