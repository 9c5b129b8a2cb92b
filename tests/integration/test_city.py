"""The state of the city on real servers: readings in Kafka become indicators in InfluxDB, though the role is killed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from deploy.clock import wall_ms
from deploy.native.progress import QuietProgress
from deploy.native.stack import Stack
from deploy.operation import Operation
from deploy.order_topic import OrdersNow
from deploy.prepare import ensure_topics, put_devices
from deploy.roles.wiring import open_sink
from processors.io.influx import InfluxReader
from processors.io.kafka_admin import Admin
from schemas import topics
from schemas.codec import encode_reading
from schemas.device import Device
from schemas.instants import HOUR_MS, MINUTE_MS, to_ms
from schemas.ports import OutRecord
from schemas.reading import Reading
from tests.factories import device
from tests.servers import guarded_stack
from tests.waiting import eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
HOURS = 3
START = wall_ms() // HOUR_MS * HOUR_MS - 8 * HOUR_MS
STATIONS = [
    device(f"BK-{number}", "bike", "station", zone="old-town" if number % 2 else "riverside", interval_s=60, params={"docks": 9})
    for number in range(6)
]


def bikes(station: int, minute: int) -> int:
    return (7 * station + minute * (station + 2)) % 5


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with guarded_stack() as started:
        yield started


def write(stack: Stack, since: int, until: int, readings: bool) -> None:
    """Minutes of readings, each partition with the ticks that move its time."""
    topic = topics.reading("bike")
    with closing(open_sink(stack.settings, "test")) as sink:
        for minute in range(since, until):
            at = START + minute * MINUTE_MS
            for number, station in enumerate(STATIONS if readings else ()):
                free = bikes(number, minute)
                values = {"num_vehicles_available": free, "num_docks_available": 9 - free}
                body = encode_reading(Reading("bike", "station", station.device_id, at, at, values, {}))
                sink.send(OutRecord(topic, station.device_id.encode(), body, (), at))
            for partition in range(stack.settings.kafka_partitions):
                sink.send(OutRecord(topic, None, b"", (), at + 1, partition))
        sink.flush(30_000)


def found(stack: Stack) -> dict[tuple[str, str, int], dict[str, float]]:
    places = stack.endpoints()
    flux = """
        from(bucket: "aggregates") |> range(start: -1d) |> filter(fn: (r) => r._measurement == "city_bike")
          |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
    """
    rows = {}
    with closing(InfluxReader(places.influx_url, places.influx_token, places.influx_org)) as reader:
        for row in reader.rows(flux):
            time = row["_time"]
            assert isinstance(time, datetime)
            rows[row["zone"], row["window"], to_ms(time)] = row.values
    return rows


def expected(members: list[tuple[int, Device]], start: int, minutes: int) -> dict[str, float]:
    first = (start - START) // MINUTE_MS
    counts = [[bikes(number, minute) for minute in range(max(first - 1, 0), first + minutes)] for number, _ in members]
    inside = [count for many in counts for count in many[-minutes:]]
    steps = [(before, after) for many in counts for before, after in pairwise(many)]
    return {
        "stations_with_bike": sum(count > 0 for count in inside) / len(inside),
        "minutes_empty": sum(count == 0 for count in inside),
        "bikes_available": sum(sum(many[-minutes:]) / minutes for many in counts),
        "rentals_per_hour": sum(max(0, before - after) for before, after in steps) / (minutes / 60),
        "returns_per_hour": sum(max(0, after - before) for before, after in steps) / (minutes / 60),
    }


def test_indicators_are_right_over_the_death_of_the_role(stack: Stack) -> None:
    settings = stack.settings
    with closing(Admin(stack.endpoints().kafka_bootstrap)) as admin:
        ensure_topics(settings, admin, QuietProgress())
    with closing(open_sink(settings, "test")) as sink:
        put_devices(sink, STATIONS)
    operation = Operation(settings)
    try:
        operation.start_roles({"aggregate": 1, "city": 1}, QuietProgress())
        write(stack, 0, 100, readings=True)
        eventually(lambda: ("district", "1h", START) in found(stack), 60, 0.5, "the first hour is there")
        operation._roles["city-1"].kill()
        operation._roles.pop("city-1").wait()
        write(stack, 100, HOURS * 60, readings=True)
        operation.start_roles({"city": 1}, QuietProgress())
        write(stack, HOURS * 60, HOURS * 60 + 40, readings=False)
        last = "district", "15m", START + HOURS * HOUR_MS - 15 * MINUTE_MS
        eventually(lambda: last in found(stack), 60, 0.5, "the last quarter is there")
        points = found(stack)
        status = subprocess.run(
            [sys.executable, "-m", "deploy.cli.main", "status", "--city", "--json"],
            cwd=ROOT,
            env={"PATH": "", **settings.as_environment()},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    finally:
        operation.stop(lambda: True, 0, QuietProgress())
    numbered = list(enumerate(STATIONS))
    for zone in ("district", "old-town", "riverside"):
        members = [each for each in numbered if zone in ("district", each[1].zone)]
        for window, minutes in (("1h", 60), ("15m", 15)):
            for start in range(START, START + HOURS * HOUR_MS, minutes * MINUTE_MS):
                told = points[zone, window, start]
                wanted = expected(members, start, minutes)
                assert {name: told[name] for name in wanted} == pytest.approx(wanted), (zone, window, start)
    shown = {(row["name"], row["window"]): row["value"] for row in json.loads(status.stdout)}
    assert shown["stations_with_bike", "15m"] == points[last]["stations_with_bike"]


BINS = [device(f"WN-900{number}", "waste", "bin", site=f"WN-900{number}", interval_s=600) for number in range(2)]


def fill(stack: Stack, since: int, until: int, *fills: float) -> None:
    """Minutes in which the containers are so full, and their ticks."""
    topic = topics.reading("waste")
    with closing(open_sink(stack.settings, "test")) as sink:
        for minute in range(since, until):
            at = START + minute * MINUTE_MS
            for one, value in zip(BINS, fills, strict=True):
                if minute % 10 == 0:
                    body = encode_reading(Reading("waste", "bin", one.device_id, at, at, {"fill": value}, {}))
                    sink.send(OutRecord(topic, one.device_id.encode(), body, (), at))
            for partition in range(stack.settings.kafka_partitions):
                sink.send(OutRecord(topic, None, b"", (), at + 1, partition))
        sink.flush(30_000)


def dispatch(stack: Stack, *words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", "dispatch", *words],
        cwd=ROOT,
        env={"PATH": "", "USER": "tester", **stack.settings.as_environment()},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout) if "--json" in words else done.stdout


def test_work_orders_over_the_death_of_the_role(stack: Stack) -> None:
    """Containers fill up, are taken, are said to be done, and come back only for a new reason."""
    settings, places = stack.settings, stack.endpoints()
    with closing(Admin(places.kafka_bootstrap)) as admin:
        ensure_topics(settings, admin, QuietProgress())
    with closing(open_sink(settings, "test")) as sink:
        put_devices(sink, BINS)
    operation = Operation(settings)

    def listed(*words: str) -> list[tuple[str, str, list[str]]]:
        found = dispatch(stack, "list", "--json", *words)
        return [(one["place"], one["state"], [reason["why"] for reason in one["reasons"]]) for one in found]

    def states() -> dict[str, str]:
        with closing(OrdersNow(settings)) as now:
            return {one.place: one.state.value for one in now.look().all}

    def stored() -> list[tuple[str, int, str]]:
        flux = """from(bucket: "alerts") |> range(start: -1d) |> filter(fn: (r) => r._measurement == "workorder")
            |> pivot(rowKey: ["_time", "place"], columnKey: ["_field"], valueColumn: "_value")"""
        with closing(InfluxReader(places.influx_url, places.influx_token, places.influx_org)) as reader:
            return sorted((row["place"], row["n"], row["change"]) for row in reader.rows(flux))

    try:
        operation.start_roles({"aggregate": 1, "city": 1, "store": 1}, QuietProgress())
        fill(stack, 0, 61, 0.85, 1.05)
        eventually(lambda: states() == {"WN-9000": "open", "WN-9001": "open"}, 60, 0.5, "both are known")
        assert listed() == [("WN-9001", "open", ["full"]), ("WN-9000", "open", ["due"])]
        dispatch(stack, "take", "WN-9001", "--by", "crew 2")
        assert states()["WN-9001"] == "taken"
        operation._roles["city-1"].kill()
        operation._roles.pop("city-1").wait()
        operation.start_roles({"city": 1}, QuietProgress())
        dispatch(stack, "done", "WN-9001", "--by", "crew 2", "-m", "lid is broken")
        fill(stack, 61, 121, 0.1, 1.05)  # seen before it was emptied, for all that is known
        over = {"WN-9000": "over", "WN-9001": "done"}
        eventually(lambda: states() == over, 60, 0.5, "the other one was emptied by somebody")
        eventually(lambda: len(stored()) == 5, 60, 0.5, "all that happened is stored")
    finally:
        operation.stop(lambda: True, 0, QuietProgress())
    assert listed() == []
    changes = [("WN-9001", 1, "opened"), ("WN-9001", 2, "taken"), ("WN-9001", 3, "done")]
    assert stored() == [("WN-9000", 1, "opened"), ("WN-9000", 2, "over"), *changes]
