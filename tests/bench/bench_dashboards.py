"""Fills a real InfluxDB with days of the simulated city, asks every query of every dashboard, and says how long each took.

    python -m tests.bench.bench_dashboards --days 7 --keep /tmp/week

The city goes through the cores of all roles (tests/city_week.py), so nothing in it is made up. Fixed devices report every
quarter of an hour (`--interval`), which keeps a week to some minutes of CPU; the lines are kept in `--keep` and used again. With
`--stay` InfluxDB stays until Ctrl-C, for a Grafana to look at. Exit code 1 when a query failed, was empty without a reason that
is known, or was slow.
"""

import argparse
import gzip
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path

from deploy.cli.grafana import rule_texts
from deploy.demo.city.district import StormPart
from deploy.native.stack import Stack
from grafana.build import all_dashboards
from grafana.options import options_of
from processors.io.influx import InfluxWriter
from schemas.device import Device
from schemas.instants import DAY_MS, HOUR_MS, format_rfc3339, parse_rfc3339
from schemas.streams import STREAMS
from tests.city_week import Order, devices_of, lines
from tests.grafana_answers import MAX_S, P95_S, ask, quantile, reason_to_be_empty, table
from tests.grafana_week import health
from tests.servers import guarded_stack

# Late October: heating is on, bicycles are still out, and a storm has just passed
END = "2026-10-31T12:00:00+08:00"
STORMS = (StormPart(at="10-27T16:00", depth_mm=14, minutes=120), StormPart(at="10-31T09:30", depth_mm=28, minutes=90))
_BATCH = 5_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--interval", type=int, default=900, help="seconds between a device's readings, at least")
    parser.add_argument("--faults", type=int, default=25)
    parser.add_argument("--locks", type=int, default=30, help="bicycles whose locks report")
    parser.add_argument("--keep", type=Path, default=Path(".hanan/dashboards-week"))
    parser.add_argument("--stay", action="store_true")
    args = parser.parse_args()
    end_ms = parse_rfc3339(END)
    kinds = {f"{s.name}/{k.name}": max(args.interval, k.interval_s) for s in STREAMS for k in s.kinds if not k.event}
    start_ms = end_ms - round(args.days * DAY_MS)
    order = Order(start_ms, args.days, args.faults, locks=args.locks, intervals_s=kinds, storms=STORMS)
    devices = devices_of(order)
    sys.stderr.write(f"{len(devices)} devices\n")
    if not (args.keep / "done").exists():
        make(order, args.keep)
    with ExitStack() as open_:
        given = {"clock_start": format_rfc3339(start_ms), "kafka_bootstrap": "127.0.0.1:1", "mqtt_url": "mqtt://127.0.0.1:1"}
        stack = open_.enter_context(guarded_stack(**given))
        load(stack, args.keep, end_ms)
        failed = report(stack, devices, end_ms)
        if args.stay:
            places = stack.endpoints()
            sys.stderr.write(f"{places.influx_url} org {places.influx_org} token {places.influx_grafana_token}; Ctrl-C ends\n")
            try:
                while True:
                    time.sleep(1)
            except KeyboardInterrupt:
                pass
    return int(failed)


def make(order: Order, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)

    def told(at_ms: int, written: Counter[str]) -> None:
        if at_ms % (6 * HOUR_MS) == 0:
            sys.stderr.write(f"{format_rfc3339(at_ms)[:16]}, {written.total():,} records, {time.process_time():.0f} s CPU\n")

    with ExitStack() as open_:
        files = {
            bucket: open_.enter_context(gzip.open(folder / f"{bucket}.lp.gz", "wt", compresslevel=1))
            for bucket in ("readings", "aggregates", "alerts", "ops")
        }
        for bucket, line in lines(order, told):
            files[bucket].write(line + "\n")
    (folder / "done").touch()


def load(stack: Stack, folder: Path, end_ms: int) -> None:
    """The days, and six hours of what `hanan up` would have written of itself: that alone is made up."""
    places, counts, began = stack.endpoints(), Counter[str](), time.monotonic()
    with closing(InfluxWriter(places.influx_url, places.influx_token, places.influx_org, 60_000)) as writer:
        for path in sorted(folder.glob("*.lp.gz")):
            bucket = path.name.partition(".")[0]
            for batch in _batches(path):
                refused = writer.write(bucket, batch)
                assert not refused, refused[0]
                counts[bucket] += len(batch)
        assert not writer.write("ops", list(health(end_ms)))
    shown = ", ".join(f"{bucket} {count:,}" for bucket, count in counts.items())
    sys.stderr.write(f"points: {shown}; written in {time.monotonic() - began:.0f} s\n")


def _batches(path: Path) -> Iterator[list[str]]:
    with gzip.open(path, "rt") as file:
        rows = (line.rstrip("\n") for line in file)
        while batch := list(islice(rows, _BATCH)):
            yield batch


def report(stack: Stack, devices: tuple[Device, ...], end_ms: int) -> bool:
    """Whether something is wrong."""
    answers = ask(stack.endpoints(), all_dashboards(options_of(devices, "en", rules=rule_texts())), devices, end_ms)
    sys.stdout.write(table(answers) + "\n")
    empty: dict[str, set[str]] = defaultdict(set)
    for answer in answers:
        if not answer.rows and not answer.error:
            empty[reason_to_be_empty(answer, devices) or "FOR NO REASON"].add(answer.asked.name)
    for reason, names in empty.items():
        some = ", ".join(sorted(names)[:4]) + (f", … {len(names)} in all" if len(names) > 4 else "")
        sys.stdout.write(f"empty, since {reason}: {some if reason != 'FOR NO REASON' else sorted(names)}\n")
    errors = [f"{answer.asked.name}: {answer.error}" for answer in answers if answer.error]
    sys.stdout.writelines(f"FAILED {error}\n" for error in errors)
    slow = quantile(answers, 0.95) >= P95_S or quantile(answers, 1) >= MAX_S
    return bool(errors) or slow or "FOR NO REASON" in empty


if __name__ == "__main__":
    sys.exit(main())
