"""What the aggregate role costs as a process, on a real Kafka: CPU a reading, memory, and how soon a killed one has caught up.

    python -m tests.bench.bench_windows [--devices 10000] [--interval 10] [--minutes 6] [--client confluent]

The readings of so many minutes of storage tanks (four gauges, two states), as validate writes them, with ticks, wait in Kafka.
One process takes them as fast as it goes. Then it is killed, and another starts. Counted is the CPU of all threads of the
process, by the operating system's own account; all levels and the zones are in it.
"""

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from random import Random

from deploy import children
from deploy.clock import wall_ms
from deploy.native.process import send as send_signal
from deploy.native.progress import QuietProgress
from deploy.observe import Drain
from deploy.operation import Operation
from deploy.prepare import ensure_topics, put_devices
from deploy.roles.reads import READS
from deploy.roles.wiring import open_sink
from deploy.settings import Settings
from deploy.watch import scrape
from processors.aggregate import GROUP as AGGREGATE_GROUP
from processors.io import clients
from processors.io.kafka_admin import Admin
from schemas import topics
from schemas.device import Device
from schemas.instants import MINUTE_MS, SECOND_MS
from schemas.partitions import partition_of
from schemas.ports import OutRecord, RetryLater
from tests.servers import guarded_stack

TARGET_US = 10.0
ROLE = "aggregate"
_FORM = (
    b'{"kind":"tank","device_id":"%b","ts":%d,"received_at":%d,"values":{"level_m":%.2f,"volume_m3":%.1f,"inflow_m3_h":%.1f,'
    b'"outflow_m3_h":%.1f,"pump_1":"running","pump_2":"stopped"},"flags":{}}'
)


def fleet(devices: int, interval_s: int) -> list[Device]:
    place = {"stream": "drainage", "kind": "tank", "site": "S1", "lat": 45.0, "lon": 126.0, "interval_s": interval_s}
    return [Device.model_validate(place | {"device_id": f"TANK-{n:06}", "zone": f"zone-{n % 20}"}) for n in range(devices)]


def records(devices: list[Device], start_ms: int, minutes: int, partitions: int) -> Iterator[OutRecord]:
    """Second by second; one reading in a hundred comes ninety seconds late."""
    random, topic = Random(1), topics.reading("drainage")
    keys = [device.device_id.encode() for device in devices]
    places = [partition_of(key, partitions) for key in keys]
    step = devices[0].interval_s
    for at in range(start_ms, start_ms + minutes * MINUTE_MS, SECOND_MS):
        for n in range(at // SECOND_MS % step, len(keys), step):
            ts = at - (90_000 if random.random() < 0.01 else 0)
            value = _FORM % (keys[n], ts, at, random.uniform(0, 6), random.uniform(0, 900), random.uniform(0, 50), 12.5)
            yield OutRecord(topic, keys[n], value, (), at, places[n])
        for number in range(partitions):
            yield OutRecord(topic, None, b"", (), at, number)


def figures(settings: Settings) -> tuple[float, float]:
    """CPU seconds and megabytes of the role's process."""
    series = scrape(one.metrics_port for one in children.running(settings.home) if one.role == ROLE)
    found = {name: value for (name, _), value in series.items()}
    return found["hanan_cpu_seconds"], found["hanan_resident_bytes"] / 1e6


def caught_up(admin: Admin) -> None:
    drained = Drain(admin, [reads for reads in READS if reads.group == AGGREGATE_GROUP])
    while True:
        try:
            if drained():
                return
        except RetryLater:
            pass  # its group is being formed
        time.sleep(0.1)


def write(bootstrap: str, sent: Iterable[OutRecord]) -> Counter[str]:
    """All of them; how many records, and how many of them readings."""
    written: Counter[str] = Counter()
    with closing(clients.open_batch_sink("confluent", bootstrap, "bench")) as sink:
        for record in sent:
            written.update(records=1, readings=int(record.key is not None))
            try:
                sink.send(record)
            except RetryLater:
                sink.flush(60_000)
                sink.send(record)
        sink.flush(60_000)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--interval", type=int, default=10)
    parser.add_argument("--minutes", type=int, default=6)
    parser.add_argument("--client", default="confluent", choices=["confluent", "kafka-python"])
    given = parser.parse_args()
    devices = fleet(given.devices, given.interval)
    with guarded_stack(kafka_client=given.client) as stack, closing(Admin(stack.endpoints().kafka_bootstrap)) as admin:
        settings = stack.settings
        ensure_topics(settings, admin, QuietProgress())
        with closing(open_sink(settings, "bench")) as sink:
            put_devices(sink, devices)
        start_ms = wall_ms() // MINUTE_MS * MINUTE_MS - given.minutes * MINUTE_MS
        sent = records(devices, start_ms, given.minutes, settings.kafka_partitions)
        amount = write(stack.endpoints().kafka_bootstrap, sent)["readings"]
        operation = Operation(settings)
        try:
            operation.start_roles({ROLE: 1}, QuietProgress())
            base, _ = figures(settings)
            caught_up(admin)
            cpu, megabytes = figures(settings)
            sys.stdout.write(
                f"{given.devices:,} devices, each {given.interval} s: {(cpu - base) / amount * 1e6:.1f} us CPU a reading "
                f"(target {TARGET_US:.0f}), {megabytes:.0f} MB, {amount:,} readings\n"
            )
            sys.stdout.flush()
            for one in children.running(settings.home):
                if one.role == ROLE:
                    send_signal(one.process, signal.SIGKILL)
                    operation._roles[one.name].wait()
            while admin.members(AGGREGATE_GROUP):
                time.sleep(0.2)
            began = time.monotonic()
            operation.start_roles({ROLE: 1}, QuietProgress())
            caught_up(admin)
            cpu, megabytes = figures(settings)
            seconds = time.monotonic() - began
            sys.stdout.write(f"restart: caught up {seconds:.1f} s after its start, {cpu:.1f} s CPU, {megabytes:.0f} MB\n")
        finally:
            operation.stop_roles()


if __name__ == "__main__":
    main()
