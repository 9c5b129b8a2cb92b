"""How soon somebody is told: from a reading that the MQTT broker gets to the alert that a webhook gets, under load.

    python -m tests.bench.bench_notice [--rate 2000] [--seconds 60] [--alerts 200]

Real servers and all roles, each a process as in `hanan up`. Devices of all kinds send `rate` readings a second, a message each;
among them, evenly, containers that catch fire, which is a rule that waits for nothing. Measured is from just before such a
reading is published to when the webhook has its alert, by one clock, since sender and webhook are one process; it competes for
the same cores. The route waits for nobody (`group_wait` is 0). Of each stage on the way is printed how long it took: till the
collector had it (its own stamp), and till it was seen in the topics `raw`, `reading` and `alert` by who looks there all the time.
Exit code 1 when the target is missed, an alert did not come or came twice, or the rate was not kept.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import cycle, islice, pairwise
from pathlib import Path
from threading import Event, Thread
from typing import Self

from deploy.clock import wall_ms
from deploy.demo.generator import generate
from deploy.registry_file import load_devices
from deploy.settings import Settings
from processors.io.kafka_admin import Admin
from processors.io.kafka_read import TableReader
from schemas import alert, codec, topics
from schemas.device import Device
from schemas.ports import Partition
from tests.factories import device
from tests.pipeline import Pipeline, running
from tests.servers import guarded_stack
from tests.waiting import eventually
from tests.webhook import Webhook, webhook

TARGET_P99_MS = 2_000
RULE = "waste-container-fire"
_BURNS = "BURNS-"
_WARM_S = 10  # in which the roles get to know their devices; nothing burns
_LATE = 1.05
_SLOTS_S = 20  # bursts of the sender in a second
_LOOK_S = 0.01
STAGES = ("collector", "raw", "reading", "alert", "webhook")


def fleet(settings: Settings, rate: int) -> list[Device]:
    """So many devices that each speaks once a second."""
    own = load_devices(settings.registry)
    copies = islice(cycle(own), rate)
    return [one.model_copy(update={"device_id": f"{one.device_id}-{n}"}) for n, one in enumerate(copies)]


def payloads(devices: Sequence[Device], start_ms: int, count: int) -> list[tuple[str, bytes]]:
    often = [one.model_copy(update={"interval_s": 1}) for one in devices]
    return [(str(due.message.topic), due.message.payload) for due in islice(generate(often, start_ms, 7), count)]


def burn(pipeline: Pipeline, one: Device) -> int:
    """A container catches fire. Returns when."""
    now_ms = wall_ms()
    body = {"ts": now_ms, "temp_c": 140, "fill": 0.5, "status": "burning"}
    pipeline.send(f"hanan/waste/bin/{one.device_id}/reading", json.dumps(body).encode())
    return now_ms


def send(pipeline: Pipeline, load: Sequence[tuple[str, bytes]], rate: int, bins: Sequence[Device]) -> tuple[dict[str, int], bool]:
    """The load at its rate. Returns when each container began to burn, and whether the rate was kept."""
    slot, began = rate // _SLOTS_S, time.monotonic()
    slots = range(0, len(load), slot)
    warm = _WARM_S * _SLOTS_S
    fires = {warm + round(n * (len(slots) - warm) / len(bins)): one for n, one in enumerate(bins)}
    burning: dict[str, int] = {}
    for number, first in enumerate(slots):
        for topic, payload in load[first : first + slot]:
            last = pipeline.send(topic, payload)
        if one := fires.get(number):
            burning[one.device_id] = burn(pipeline, one)
        time.sleep(max(0.0, began + (number + 1) / _SLOTS_S - time.monotonic()))
    last.wait_for_publish(60)
    took = time.monotonic() - began
    sys.stdout.write(
        f"{len(load):,} readings in {took:.1f} s, {len(load) / took:,.0f} a second, all acknowledged by the broker\n"
    )
    kept = took <= _LATE * len(load) / rate + 1
    if not kept:
        sys.stdout.write(f"the rate of {rate:,} was not kept: the machine is too busy, and what follows is no measurement\n")
    return burning, kept


class Watch:
    """Looks at the topics that a reading passes, and notes of each container when it came by. Times are epoch ms."""

    def __init__(self, bootstrap: str) -> None:
        self.seen: dict[str, dict[str, int]] = {stage: {} for stage in STAGES}
        self._tables = {
            topic: TableReader(bootstrap, topic) for topic in (topics.raw("waste"), topics.reading("waste"), topics.ALERT)
        }
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()
        for table in self._tables.values():
            table.close()

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_S):
            for topic, table in self._tables.items():
                for key, value in table.changes():
                    if _BURNS.encode() in key and value:
                        self._note(topic, key.decode(), value, wall_ms())

    def _note(self, topic: str, key: str, value: bytes, now_ms: int) -> None:
        if topic == topics.ALERT:
            found = alert.decode(value)
            if found.rule == RULE and found.n:
                self.seen["alert"].setdefault(found.subject, now_ms)
        elif topic == topics.reading("waste"):
            self.seen["reading"].setdefault(key, now_ms)
            self.seen["collector"].setdefault(key, codec.loads(value)["received_at"])
        else:
            self.seen["raw"].setdefault(key, now_ms)


def stages(burning: dict[str, int], told: Sequence[tuple[str, int]], watch: Watch) -> str:
    """A table: of each stage how long after the publishing, and how long after the stage before."""
    at: dict[str, dict[str, int]] = {"published": burning, **watch.seen, "webhook": dict(told)}
    lines = ["| stage | since published, p50 | p99 | since the one before, p50 | p99 |", "|---|---|---|---|---|"]
    for before, stage in pairwise(("published", *STAGES)):
        total = [ms - burning[one] for one, ms in at[stage].items() if one in burning]
        alone = [ms - at[before][one] for one, ms in at[stage].items() if one in at[before]]
        lines.append(f"| {stage} | {' | '.join(str(_share(times, p)) for times in (total, alone) for p in (0.5, 0.99))} |")
    return "\n".join(lines) + "\n"


def _share(times: Sequence[int], share: float) -> int:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] if times else -1


def fired(hook: Webhook) -> list[tuple[str, int]]:
    """Of the containers that were set on fire; a made-up one of the load may get too hot as well."""
    return [
        (alert["subject"], one.at_ms) for one in hook.received for alert in one.body["alerts"]
        if alert["rule"] == RULE and alert["change"] == "fired" and alert["subject"].startswith(_BURNS)
    ]  # fmt: skip


def report(burning: dict[str, int], told: Sequence[tuple[str, int]]) -> int:
    if not told:
        sys.stdout.write("nobody was told of anything\n")
        return 1
    took = sorted(at_ms - burning[subject] for subject, at_ms in told)
    twice = [subject for subject, count in Counter(subject for subject, _ in told).items() if count > 1]
    missing = len(burning.keys() - {subject for subject, _ in told})
    p50, p99 = _share(took, 0.5), _share(took, 0.99)
    sys.stdout.write(f"{len(took)} alerts from reading to webhook: p50 {p50} ms, p99 {p99} ms (target {TARGET_P99_MS}), ")
    sys.stdout.write(f"longest {took[-1]} ms; {missing} missing, {len(twice)} twice\n")
    return int(p99 >= TARGET_P99_MS or missing > 0 or bool(twice))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--alerts", type=int, default=200)
    given = parser.parse_args()
    bins = [device(f"{_BURNS}{n}", "waste", "bin", site=f"S-{n}", params={"volume_m3": 1.1}) for n in range(given.alerts)]
    with tempfile.TemporaryDirectory() as folder, webhook() as hook:
        routes = Path(folder) / "routes.yaml"
        routes.write_text(
            f'routes: [{{name: bench, to: ["webhook+{hook.url}"], streams: [waste], least: critical, group_by: [site]}}]'
        )
        with guarded_stack(alert_routes=routes) as stack:
            devices = fleet(stack.settings, given.rate)
            with running(stack, *devices, *bins) as pipeline:
                load = payloads(devices, wall_ms(), given.rate * (given.seconds + _WARM_S))
                hold(pipeline)
                with Watch(pipeline.places.kafka_bootstrap) as watch:
                    burning, kept = send(pipeline, load, given.rate, bins)
                    with suppress(AssertionError):  # what is missing is reported
                        eventually(lambda: len(fired(hook)) >= len(bins), 60, 0.1)
        sys.stdout.write(f"load of the machine: {', '.join(f'{one:.1f}' for one in os.getloadavg())}\n")
        sys.stdout.write(stages(burning, fired(hook), watch))
        return max(report(burning, fired(hook)), int(not kept))


def hold(pipeline: Pipeline) -> None:
    """Until all roles that read have their partitions."""
    with closing(Admin(pipeline.places.kafka_bootstrap)) as admin:
        groups = {role: f"hanan-{role}" for role in ("validate", "alert", "store")}
        for role, group in groups.items():
            wanted = [Partition(f"{'raw' if role == 'validate' else 'reading'}.waste", 0)]
            eventually(lambda group=group, wanted=wanted: admin.committed(group, wanted), 180, 0.5, f"{role} is at work")


if __name__ == "__main__":
    raise SystemExit(main())
