"""CPU of the collector process for a message, through a real Mosquitto and a real Kafka.

    python -m tests.bench.bench_collect [--messages 100000] [--rate 2000] [--client confluent]

Two loads: a backlog that waits at the broker and is taken as fast as it goes, and messages that come at a steady rate.
Counted is the CPU of all threads of the collector's process, from the first message of the load to the last acknowledgement.
"""

import argparse
import gc
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from schemas.streams import STREAMS
from tests.integration.test_collector import SLOTS, Place, make_topics
from tests.servers import guarded_stack

TARGET_US = 30.0
_DEVICES = 500
_WINDOW = 1_000
_PATIENCE_S = 300


def payload(number: int) -> bytes:
    return (
        b'{"ts":%d,"seq":%d,"num_vehicles_available":7,"num_vehicles_disabled":0,"num_docks_available":11,'
        b'"num_docks_disabled":1,"is_installed":true,"is_renting":true,"is_returning":true,"supply_voltage_v":12.6}'
    ) % (1_768_435_200_000 + number, number)


def publish(place: Place, count: int, rate: float) -> None:
    """At so many a second (0: as fast as it goes); returns when the broker has acknowledged all."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "gateway-bench")
    client.username_pw_set(place.gateway, place.gateway_password)
    client.max_inflight_messages_set(_WINDOW)
    acked = 0

    def on_publish(*_: object) -> None:
        nonlocal acked
        acked += 1

    client.on_publish = on_publish
    client.connect(place.mqtt_host, place.mqtt_port)
    client.loop_start()
    started = time.monotonic()
    for number in range(count):
        stream = STREAMS[number % len(STREAMS)].name
        client.publish(f"hanan/{stream}/station/dev-{number % _DEVICES:04}/reading", payload(number), qos=1)
        while number - acked >= _WINDOW or (rate and number > (time.monotonic() - started) * rate):
            time.sleep(0.001)
    while acked < count:
        time.sleep(0.001)
    client.disconnect()
    client.loop_stop()


def collect(place: Place, client: str, count: int) -> dict[str, float]:
    """Serves until so many are acknowledged, and says what it took. With 0: until the slots are ready."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as deploy/roles/ sets every role
    collector = place.collector("bench", client)
    counts = collector.counts
    begun: tuple[float, float] | None = None
    taken: dict[str, float] = {"messages": 0}
    give_up = time.monotonic() + _PATIENCE_S

    def stop() -> bool:
        nonlocal begun
        acked = sum(each.acked for each in counts.values())
        if begun is None and any(each.received for each in counts.values()):
            begun = time.process_time(), time.monotonic()
        if begun and acked >= count:
            cpu_s, wall_s = time.process_time() - begun[0], time.monotonic() - begun[1]
            taken.update(messages=acked, cpu_s=cpu_s, wall_s=wall_s)
        ready = sum(each.ready for each in counts.values()) == len(SLOTS)
        if ready and begun is None:
            sys.stdout.write("ready\n")
            sys.stdout.flush()
        return (ready if not count else acked >= count) or time.monotonic() > give_up

    collector.run(stop)
    return taken


def spawn(place: Place, *what: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.bench.bench_collect", "--as", json.dumps(asdict(place)), *what]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def finish(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 0, f"it ended with {process.returncode}"
    return out


def backlog(place: Place, client: str, count: int) -> dict[str, float]:
    finish(spawn(place, "collect", client, "0"))  # the sessions come to be
    finish(spawn(place, "publish", str(count), "0"))
    return read_result(finish(spawn(place, "collect", client, str(count))))


def steady(place: Place, client: str, count: int, rate: float) -> dict[str, float]:
    collector = spawn(place, "collect", client, str(count))
    assert collector.stdout
    for line in collector.stdout:
        if line == "ready\n":
            break
    finish(spawn(place, "publish", str(count), str(rate)))
    return read_result(finish(collector))


def read_result(out: str) -> dict[str, float]:
    result: dict[str, float] = json.loads([line for line in out.splitlines() if line.startswith("{")][-1])
    return result


def show(load: str, client: str, result: dict[str, float]) -> float:
    cost_us = result["cpu_s"] / result["messages"] * 1e6
    rate = result["messages"] / result["wall_s"]
    sys.stdout.write(
        f"collect  {load:<16} {client:<13} {result['messages']:>9,.0f} messages  {cost_us:6.1f} us CPU a message"
        f"  {rate:>8,.0f} messages/s  (target {TARGET_US:.0f} us)\n"
    )
    sys.stdout.flush()
    return cost_us


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=2_000, help="messages a second of the steady load")
    parser.add_argument("--client", default="confluent", choices=["confluent", "kafka-python"])
    parser.add_argument("--as", dest="part", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.part:
        where, what, *rest = options.part
        place = Place(**json.loads(where))
        if what == "publish":
            publish(place, int(rest[0]), float(rest[1]))
        else:
            sys.stdout.write(json.dumps(collect(place, rest[0], int(rest[1]))) + "\n")
        return 0
    with guarded_stack(influx_url="http://127.0.0.1:9", influx_token="none") as stack:
        places = stack.endpoints()
        make_topics(places.kafka_bootstrap)
        place = Place.of(places)
        worst = show("backlog", options.client, backlog(place, options.client, options.messages))
        few = min(options.messages, int(options.rate * 15))
        show(f"{options.rate:,.0f} a second", options.client, steady(place, options.client, few, options.rate))
    return 0 if worst <= TARGET_US else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
