"""What the simulated city costs, and how much of it this machine can drive: generator alone, and through a real Mosquitto.

    python -m tests.bench.bench_simulate [--seconds 60]

Counted is the CPU of this process: physics, sensors, JSON, and where a broker is used paho with QoS 1 to the last PUBACK.
"""

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from deploy.clock import SystemClock, wall_ms
from deploy.demo.city.city import City
from deploy.demo.city.district import District, load_district
from deploy.demo.city.plan import plan_city
from deploy.demo.city.scale import Copies
from deploy.demo.feed import by_clock, run_feed
from deploy.demo.ledger import Ledger, Report
from deploy.demo.player import Due
from deploy.demo.publisher import Broker, Publisher
from schemas.instants import HOUR_MS, MINUTE_MS, parse_rfc3339
from schemas.streams import STREAMS

START_MS = parse_rfc3339("2026-07-20T07:00:00+08:00")  # a working morning in summer: everything moves
TARGET_SHARE = 0.05  # of one core, for 500 devices in real time
FLEET = 100_000
_WANTED = 500
_RUN_IN_MIN = 3


def fixed_devices(district: District) -> District:
    """The district without the bicycles' own locks, whose number would drown the rest."""
    return district.model_copy(update={"bike": district.bike.model_copy(update={"reporting_bikes": 0})})


def each_minute(district: District) -> District:
    kinds = {f"{stream.name}/{kind.name}": 60 for stream in STREAMS for kind in stream.kinds}
    return district.model_copy(update={"intervals_s": kinds})


def generate(district: District, hours: float) -> dict[str, Any]:
    """CPU of making messages only, after the start."""
    with closing(City(district, 1, START_MS)) as city:
        city.minute()
        before = time.process_time()
        messages = sum(len(minute) for minute in city.minutes(START_MS + int(hours * HOUR_MS)))
        spent = time.process_time() - before
        seconds = hours * 3600 - 60
        return {
            "devices": len(city.devices),
            "messages": messages,
            "us_a_message": round(spent / messages * 1e6, 1),
            "share_of_a_core_in_real_time": round(spent / seconds, 5),
            "faster_than_real_time": round(seconds / spent),
        }


@contextmanager
def mosquitto() -> Iterator[Broker | None]:
    """A broker of our own on a free loopback port; None where none is installed."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 2000\n", encoding="utf-8")
        child = subprocess.Popen([program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield Broker("127.0.0.1", port)
        finally:
            child.terminate()
            child.wait(timeout=10)


def drive(district: District, scale: int, broker: Broker, seconds: float) -> dict[str, Any]:
    """In real time for so long, through the broker; `behind_s` is how late the last message was."""
    report = Report(started="", source="bench", speed="clock", retention_days=30)
    book = Ledger(report, count_repeats=False)
    publisher = Publisher(broker, book.answered, limit=1_000)
    with closing(City(district, 1, START_MS, plan=plan_city(district))) as city:
        minutes = Copies(scale).minutes(city.minutes(), city.start_ms)
        for _ in range(_RUN_IN_MIN):  # until all copies speak
            next(minutes)
        began_ms = START_MS + _RUN_IN_MIN * MINUTE_MS
        dues = (Due(message.at_ms - began_ms, message) for minute in minutes for message in minute)
        first = next(dues)
        publisher.connect()
        clock = SystemClock(began_ms, wall_ms())
        before, began, last = time.process_time(), time.monotonic(), [first.at_ms]

        def watched() -> Iterator[Due]:
            yield first
            for due in dues:
                last[0] = due.at_ms
                yield due

        run_feed(
            watched(),
            publisher,
            book,
            clock,
            position=by_clock(clock, began_ms),
            stopped=lambda: time.monotonic() - began > seconds,
        )
        took, spent = time.monotonic() - began, time.process_time() - before
        publisher.close()
    messages = sum(account.messages for account in report.streams.values())
    return {
        "devices": len(city.devices) * scale,
        "messages": messages,
        "a_second": round(messages / took),
        "us_a_message": round(spent / messages * 1e6, 1),
        "share_of_a_core": round(spent / took, 4),
        "behind_s": round(max(0.0, took - last[0] / 1000), 2),
        "without_an_answer": report.missing - sum(account.no_subscriber for account in report.streams.values()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    district = load_district()
    result: dict[str, Any] = {
        "fixed devices, generated": generate(fixed_devices(district), 6.0),
        "whole district, generated": generate(district, 6.0),
    }
    own = result["fixed devices, generated"]
    share = own["share_of_a_core_in_real_time"] * _WANTED / own["devices"]
    with mosquitto() as broker:
        if broker is not None:
            result["whole district, real time over MQTT"] = live = drive(district, 1, broker, seconds)
            share = live["share_of_a_core"]
            fleet = each_minute(district)
            scale = -(-FLEET // len(plan_city(fleet).devices))
            result[f"{scale} times the district, each device once a minute"] = drive(fleet, scale, broker, seconds)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0 if share < TARGET_SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
