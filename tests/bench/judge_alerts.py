"""Judges the packs over simulated weeks.

    python -m tests.bench.judge_alerts --seeds 301-320 --starts 2026-01-12,2026-07-06 --jobs 2

The city's messages go through the real validate and alert tasks, without Kafka; its truth is compared with the alerts. Seeds take
the starts in turn. With `--keep FOLDER` the weeks are kept, and a changed pack is judged much sooner. Exit code 1 where a target
is missed.
"""

import argparse
import gc
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from processors.rules.load import load_book
from processors.rules.world import World
from schemas.instants import DAY_MS, parse_rfc3339
from tests.bench.verdict import Tally, Verdict, calls_of, verdict_on
from tests.bench.weeks import Order, Truth, devices_of, week


class Judged(NamedTuple):
    order: Order
    verdict: Verdict
    readings: int
    cpu_s: float
    alert_s: float


def judge(order: Order, keep: Path | None = None) -> Judged:
    """One seed's week."""
    gc.set_threshold(200_000, 20, 20)  # a week makes many objects and no cycles
    book = load_book()
    began, alert_s, readings = time.process_time(), 0.0, 0
    world = World(book, devices_of(order))
    for each in week(order, keep):
        if isinstance(each, Truth):
            end_ms = order.start_ms + round(order.days * DAY_MS)
            verdict = verdict_on(each, calls_of(world.changes, end_ms), book, order.start_ms, end_ms)
            break
        stream, made = each
        readings += sum(out.key is not None for out in made)
        before = time.process_time()
        world.carry(stream, made)
        alert_s += time.process_time() - before
    return Judged(order, verdict, readings, time.process_time() - began, alert_s)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="101")
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--starts", default="2026-01-12,2026-07-06", help="days on which the weeks begin; seeds take turns")
    parser.add_argument("--streams", default="bike,waste,heat,drainage")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the simulated weeks, some 100 MB each")
    parser.add_argument("--json", type=Path)
    parser.add_argument("-v", action="store_true", help="each fault and each false alarm")
    given = parser.parse_args()
    low, _, high = given.seeds.partition("-")
    starts = [parse_rfc3339(f"{day}T00:00:00+08:00") for day in given.starts.split(",")]
    orders = [
        Order(seed, starts[n % len(starts)], given.days, given.faults, tuple(given.streams.split(",")))
        for n, seed in enumerate(range(int(low), int(high or low) + 1))
    ]
    tally = Tally()
    with ProcessPoolExecutor(given.jobs, get_context("spawn"), max_tasks_per_child=1) as pool:  # SWMM has one model a process
        for judged in pool.map(judge, orders, [given.keep] * len(orders)):
            _say(judged, verbose=given.v)
            tally.take(judged.verdict)
    sys.stdout.write("\n" + tally.table() + "\n")
    if given.json:
        given.json.write_text(json.dumps(tally.summary(), indent=2))
    return int(not tally.good)


def _say(judged: Judged, *, verbose: bool) -> None:
    order, verdict = judged.order, judged.verdict
    if verbose:
        for line in verdict.lines():
            sys.stdout.write(f"  {line}\n")
    sys.stdout.write(
        f"seed {order.seed}: {judged.readings:,} readings, {verdict.heading()}; {judged.cpu_s:.0f} s CPU, of which alerts "
        f"{judged.alert_s:.0f} s\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
