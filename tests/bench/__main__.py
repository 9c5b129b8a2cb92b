"""What a reading costs each role, all from one run: real Mosquitto, Kafka and InfluxDB, each role a process as in a deployment.

    python -m tests.bench [--readings 200000] [--client confluent] [--kind drainage/level]

The messages wait at the broker; then one process of each role after the other takes them as fast as it goes. Counted is the CPU
of all threads of the role's process by the operating system's own account, from when it has taken a tenth of them to its last
commit; what it took until then, to start and to make ready for each device, is told apart. The servers' CPU is in neither.
What else runs on the host moves all figures together, so beside each stands what a payload cost just before and after it by the
standard library, `json.loads` and `json.dumps` of the same payloads; their ratio can be compared between hours and machines.
Messages are those of one reading that the simulated district sends, each kind as often as it does; `--kind`
takes that kind alone, and `--kind all` all kinds alike, eight metrics in each. Exit code 1 when a target is missed.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import NamedTuple

from deploy import children
from deploy.clock import wall_ms
from deploy.demo.city.city import City
from deploy.demo.city.district import load_district
from deploy.demo.city.registry import district_devices
from deploy.demo.generator import generate
from deploy.demo.recordings import Message
from deploy.native.progress import QuietProgress
from deploy.registry_file import load_devices
from deploy.settings import Settings
from deploy.watch import Sample, scrape
from schemas.codec import loads
from schemas.instants import HOUR_MS
from tests.pipeline import Pipeline, running
from tests.servers import guarded_stack

TARGETS_US = {"collect": 30.0, "validate": 10.0, "store": 10.0}
_AT_ONCE = 10_000
_REFERENCE = 20_000  # payloads


def messages(settings: Settings, count: int, kind: str) -> Iterator[Message]:
    """Messages of the last hours, as many as asked for: the district's, or of chosen kinds far more often than they send them."""
    if not kind:
        with closing(City(load_district(), 1, wall_ms() - 12 * HOUR_MS)) as city:
            yield from islice((message for message in city.messages() if message.readings == 1), count)
        return
    devices = [
        device.model_copy(update={"interval_s": 1})
        for device in load_devices(settings.registry)
        if kind in {"all", f"{device.stream}/{device.kind}"}
    ]
    yield from (due.message for due in islice(generate(devices, wall_ms() - 12 * HOUR_MS, 7), count))


_TAKEN = {"collect": "hanan_received_total", "validate": "hanan_records_read_total", "store": "hanan_records_read_total"}


class Spent(NamedTuple):
    cpu_s: float
    taken: float


def spent(settings: Settings, role: str) -> Spent:
    """What the only process of the role has spent until now, and how much it has taken."""
    found = Sample(0, scrape(one.metrics_port for one in children.running(settings.home) if one.role == role))
    return Spent(found.total("hanan_cpu_seconds"), found.total(_TAKEN[role]))


def send(pipeline: Pipeline, batch: Sequence[Message]) -> None:
    for first in range(0, len(batch), _AT_ONCE):
        infos = [pipeline.send(str(message.topic), message.payload) for message in batch[first : first + _AT_ONCE]]
        for info in infos:
            info.wait_for_publish(120)


def reference_us(payloads: Sequence[bytes]) -> float:
    """How fast the machine is now: CPU of the standard library's JSON for a payload, read and written again."""
    began = time.thread_time()
    for payload in payloads:
        json.dumps(json.loads(payload))
    return (time.thread_time() - began) / len(payloads) * 1e6


def cost(pipeline: Pipeline, role: str, readings: int, payloads: Sequence[bytes]) -> float:
    """Starts one process of the role on what waits for it, and says what that took, in microseconds of CPU a reading."""
    before_us = reference_us(payloads)
    began = time.monotonic()
    pipeline.operation.start_roles({role: 1}, QuietProgress())
    while (first := spent(pipeline.settings, role)).taken < readings / 10:
        time.sleep(0.05)
        pipeline.operation.require_alive()
    pipeline.finished(role, readings)
    last = spent(pipeline.settings, role)
    rate = readings / (time.monotonic() - began)
    cost_us = (last.cpu_s - first.cpu_s) / (last.taken - first.taken) * 1e6
    after_us = reference_us(payloads)
    ratio = cost_us * 2 / (before_us + after_us)
    sys.stdout.write(
        f"{role:<9} {cost_us:5.1f} us CPU a reading  (target {TARGETS_US[role]:.0f})   {ratio:.2f} x json"
        f" ({before_us:.1f} us before, {after_us:.1f} after)   at {rate:,.0f} readings a second,"
    )
    sys.stdout.write(f" start included; {first.cpu_s:.1f} s CPU for the start and the first {first.taken:,.0f}\n")
    sys.stdout.flush()
    return cost_us


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=200_000)
    parser.add_argument("--client", default="confluent", choices=["confluent", "kafka-python"])
    parser.add_argument("--kind", default="", metavar="STREAM/KIND|all")
    options = parser.parse_args()
    devices = () if options.kind else district_devices(load_district())
    with guarded_stack(kafka_client=options.client) as stack, running(stack, *devices) as pipeline:
        load = list(messages(stack.settings, options.readings, options.kind))
        pipeline.operation.stop_roles()  # their MQTT sessions and groups are there now, and wait
        send(pipeline, load)
        readings = sum(message.readings for message in load)
        payloads = [message.payload for message in load[:: len(load) // _REFERENCE + 1]]
        costs = {role: cost(pipeline, role, readings, payloads) for role in TARGETS_US}
        dead = len(pipeline.dead())
    metrics = sum(len(loads(message.payload)) - 1 for message in load) / readings
    sys.stdout.write(f"{readings:,} readings, each a message, of {metrics:.1f} metrics; {options.client}; {dead} dead letters\n")
    return int(any(costs[role] > target for role, target in TARGETS_US.items()))


if __name__ == "__main__":
    raise SystemExit(main())
