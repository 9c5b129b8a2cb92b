"""What the aggregate role costs: `python -m tests.bench.bench_aggregate [devices …]`.

The tasks alone, on records as validate writes them and Kafka's clients hand them over: CPU a reading, and memory once all
windows of the lateness are open. Each line is a process of its own, so that memory is that of its line.
"""

import argparse
import subprocess
import sys
import time
from random import Random

from processors.aggregate import Place
from processors.windows.minute import MinuteTask
from schemas import topics
from schemas.device import Device, Registry
from schemas.kind import Kind, Stream
from schemas.metric import Range, counter, gauge, state
from schemas.ports import Position, Record

START_MS = 1_768_435_200_000
PARTITIONS = 4
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


def registry_of(kind: Kind, devices: int, interval_s: int) -> Registry:
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
    return Registry(
        {
            f"DEV-{n:06}": Device.model_construct(**given, device_id=f"DEV-{n:06}", zone=f"zone-{n % 20}", interval_s=interval_s)
            for n in range(devices)
        }
    )


class Feed:
    """The log of the partitions, second by second: every device at its own second, one in a hundred readings out of order."""

    def __init__(self, kind: Kind, devices: int, interval_s: int) -> None:
        self.devices, self.interval_s = devices, interval_s
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
            ts = at_ms - (0 if self.random.random() < 0.99 else 90_000)
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


def measure(kind: Kind, devices: int, interval_s: int, minutes: int) -> tuple[float, float, float, float]:
    """CPU us a reading of the minutes, and of the quarters; memory with minutes, and with quarters as well."""
    registry = registry_of(kind, devices, interval_s)
    places = [Place(number, PARTITIONS) for number in range(PARTITIONS)]
    minute_tasks = [MinuteTask(BENCH, registry, place, Position(0)) for place in places]
    feed = Feed(kind, devices, interval_s)
    readings, cpu = 0, 0.0
    for second in range(minutes * 60):
        batches = feed.second(START_MS + second * 1_000)
        begun = time.process_time()
        for task, batch in zip(minute_tasks, batches, strict=True):
            task.feed(batch)
        cpu += time.process_time() - begun
        readings += sum(map(len, batches)) - PARTITIONS
    return cpu / readings * 1e6, resident_mb(), 0.0, readings


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("devices", nargs="*", type=int, default=[1_000, 10_000, 100_000])
    parser.add_argument("--one", nargs=4)
    given = parser.parse_args()
    if given.one:
        kind, devices, interval_s, minutes = given.one
        us, mb, _, readings = measure(BENCH.by_name[kind], int(devices), int(interval_s), int(minutes))
        sys.stdout.write(f"{kind:8} {int(devices):8,} {interval_s:>4} s {readings:12,} {us:8.2f} us {mb:8.0f} MB\n")
        return
    for kind in BENCH.kinds:
        for devices in given.devices:
            for interval_s in (60, 10):
                minutes = 22 if devices * 60 / interval_s < 200_000 else 18
                subprocess.run(
                    [sys.executable, "-m", __spec__.name, "--one", kind.name, str(devices), str(interval_s), str(minutes)],
                    check=True,
                )


if __name__ == "__main__":
    main()
