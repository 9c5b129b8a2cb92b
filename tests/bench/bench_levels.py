"""What the levels of the aggregate role cost, on a real Kafka: CPU a reading, for few devices and for many.

    python -m tests.bench.bench_levels [--devices 1000 10000 100000] [--interval 60 10]

The loop with all its tasks runs in a process of its own, on readings of storage tanks (four gauges, two states) that wait in
Kafka, after one minute of them that is not counted. For each line a new Kafka. Figures are microseconds of CPU a reading:

  1m        the level of minutes: `read` + `minutes` + `write` + `threads`, the latter three with what they do for all levels
  read      from Kafka's client to records
  minutes   taking readings in, closing minutes and what zones get of them
  journal   rows for whoever takes over
  quarters  closing quarters, and what zones get of them
  above     hours and days
  zones     adding up the partitions' shares
  write     producing and committing, of all levels
  threads   those of the Kafka clients
  whole     the process, as the operating system counts it
  MB        resident at the end
  ref       the machine's own speed in the same seconds: microseconds to parse such a reading and to write it again as JSON
  ratio     1m / ref, which moves less than the machine does
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any

from deploy.clock import SystemClock, monotonic_ms, wall_ms
from deploy.metrics import PrometheusMeter
from deploy.native.progress import QuietProgress
from deploy.prepare import ensure_topics, put_devices
from deploy.roles.wiring import open_sink
from processors.aggregate import AggregateTasks
from processors.io import confluent
from processors.io.kafka_admin import Admin
from processors.io.kafka_read import TableReader
from processors.runner import Runner
from processors.windows.journal import Journal
from processors.windows.minute import MinuteTask
from schemas import codec, topics
from schemas.instants import MINUTE_MS
from schemas.ports import Partition, Record
from tests.bench.bench_aggregate import resident_mb
from tests.bench.bench_windows import fleet, records, write
from tests.servers import guarded_stack

TARGET_US = 10.0
READINGS = 300_000  # about so many, after the first minute
COLUMNS = ("1m", "read", "minutes", "journal", "quarters", "above", "zones", "write", "threads", "whole")


class _NoHistory:
    def since(self, partition: Partition, from_ms: int) -> Iterable[Record]:
        return ()


class Watch:
    """CPU seconds of the thread, by what it was doing. `inside` is taken from what is around it."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)

    def of(self, name: str, what: Callable[..., Any], inside: str = "") -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            begun = time.thread_time()
            found = what(*args, **kwargs)
            took = time.thread_time() - begun
            self.spent[name] += took
            if inside:
                self.spent[inside] -= took
            return found

        return timed


class Speed:
    """Of the machine, asked now and then: the least of what the same work took."""

    def __init__(self) -> None:
        self.sample = next(iter(records(fleet(1, 1), MINUTE_MS, 1, 1))).value or b""
        self.us = float("inf")

    def ask(self) -> float:
        """The CPU seconds of asking."""
        begun = time.thread_time()
        for _ in range(200):
            codec.dumps(codec.loads(self.sample))
        took = time.thread_time() - begun
        self.us = min(self.us, took / 200 * 1e6)
        return took


class _Tasks(AggregateTasks):
    """Tasks whose work is told apart."""

    watch = Watch()

    def start(self, partition: Partition, position: Any) -> Any:
        task: Any = super().start(partition, position)
        if isinstance(task, MinuteTask):
            task.feed = self.watch.of("minutes", task.feed)  # type: ignore[method-assign]
            quarters: Any = task._quarters
            quarters.turn = self.watch.of("quarters", quarters.turn, "minutes")
        else:
            is_zone = partition.topic == topics.zone_part(topics.stream_of(partition.topic))
            task.feed = self.watch.of("zones" if is_zone else "above", task.feed)
        return task


def inside(bootstrap: str, time_zone: str, partitions: int, first: int, last: int) -> dict[str, float]:
    """All readings, of which the first so many are not counted."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as the roles do
    watch, speed, meter = _Tasks.watch, Speed(), PrometheusMeter("bench")
    made: Any = Journal.records
    Journal.records = watch.of("journal", lambda *args: list(made(*args)), "minutes")  # type: ignore[method-assign]
    tasks = _Tasks(TableReader(bootstrap, topics.DEVICE), _NoHistory(), time_zone, partitions)
    source, sink = confluent.Source(bootstrap, f"bench-{os.getpid()}"), confluent.Sink(bootstrap, reports=False)
    runner: Any = Runner(source, sink, tasks, clock=SystemClock(), meter=meter, monotonic_ms=monotonic_ms)
    runner._gather = watch.of("read", runner._gather)
    runner._make_safe, runner._commit = watch.of("write", runner._make_safe), watch.of("write", runner._commit)

    def read() -> float:
        return float(meter._sums.get(("records_read", ()), 0))

    while read() < first:
        runner.step()
    watch.spent.clear()
    begun, begun_here, asked, before, at = time.process_time(), time.thread_time(), 0.0, read(), 0
    while read() < last:
        runner.step()
        at += 1
        if at % 5 == 0:
            asked += speed.ask()
    whole, here = time.process_time() - begun - asked, time.thread_time() - begun_here - asked
    amount = (read() - before) * (last - first) / (last - before)
    found = {name: spent / amount * 1e6 for name, spent in watch.spent.items()}
    found |= {"threads": (whole - here) / amount * 1e6, "whole": whole / amount * 1e6, "ref": speed.us, "MB": resident_mb()}
    found["1m"] = sum(found[name] for name in ("read", "minutes", "write", "threads"))
    runner.close()
    return found


def row(devices: int, interval_s: int) -> dict[str, float]:
    a_minute = devices * 60 // interval_s
    minutes = 1 + max(2, READINGS // a_minute) if devices > 2_000 else 31
    with guarded_stack() as stack:
        settings, bootstrap = stack.settings, stack.endpoints().kafka_bootstrap
        with closing(Admin(bootstrap)) as admin:
            ensure_topics(settings, admin, QuietProgress())
        known = fleet(devices, interval_s)
        with closing(open_sink(settings, "bench")) as sink:
            put_devices(sink, known)
        start_ms = wall_ms() // MINUTE_MS * MINUTE_MS - minutes * MINUTE_MS
        sent = write(bootstrap, records(known, start_ms, minutes, settings.kafka_partitions))["records"]
        asked = [bootstrap, settings.time_zone, *map(str, (settings.kafka_partitions, sent // minutes, sent))]
        command = [sys.executable, "-m", "tests.bench.bench_levels", "--inside", *asked]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=600)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", nargs="*", type=int, default=[1_000, 10_000, 100_000])
    parser.add_argument("--interval", nargs="*", type=int, default=[60, 10])
    parser.add_argument("--inside", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.inside:
        bootstrap, time_zone, *numbers = options.inside
        sys.stdout.write(json.dumps(inside(bootstrap, time_zone, *map(int, numbers))) + "\n")
        return 0
    sys.stdout.write(
        f"us CPU a reading (target of 1m: {TARGET_US:.0f})\n devices  each " + "".join(f"{name:>9}" for name in COLUMNS)
    )
    sys.stdout.write(f"{'ref':>6}{'ratio':>7}{'MB':>5}\n")
    missed = False
    for interval_s in options.interval:
        for devices in options.devices:
            found = row(devices, interval_s)
            missed |= found["1m"] > TARGET_US
            sys.stdout.write(f"{devices:>8,} {interval_s:>3} s " + "".join(f"{found.get(name, 0):>9.1f}" for name in COLUMNS))
            sys.stdout.write(f"{found['ref']:>6.1f}{found['1m'] / found['ref']:>7.1f}{found['MB']:>5.0f}\n")
            sys.stdout.flush()
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
