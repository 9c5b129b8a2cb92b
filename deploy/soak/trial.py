"""A trial: a fleet's readings on their way through real processes, and the verdict at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy import children
from deploy.audit import audit
from deploy.clock import wall_ms
from deploy.native.endpoints import Endpoints
from deploy.native.progress import QuietProgress
from deploy.native.stack import Stack
from deploy.observe import Drain
from deploy.operation import FLOW
from deploy.prepare import ensure_topics, put_devices
from deploy.registry_file import load_devices
from deploy.roles.wiring import open_sink
from deploy.settings import Settings
from deploy.soak.acks import read_acks
from deploy.soak.crew import SENDER, Crew
from deploy.soak.fleet import Fleet, Pattern, some_of_each_kind
from deploy.soak.flow import Flow
from deploy.soak.oracle import Allowance, Verdict, judge
from deploy.soak.sender import Order
from deploy.watch import scrape
from ingest.slots import slots_of
from processors.io.kafka_admin import Admin
from schemas.ports import RetryLater
from schemas.streams import STREAMS

MOSQUITTO = "mosquitto"
# Mosquitto looks once a second whether more than `autosave_interval` seconds, here 1, are over, and counts in whole seconds
_MOSQUITTO_SAVES_MS = 3_000
_READY_S, _FLOW_S, _DRAIN_S = 90.0, 300.0, 600.0
_LOOK_S = 0.2


class TrialError(Exception):
    """Readings do not flow any more, or something does not come up: one line, and where to look."""


@dataclass(frozen=True)
class Plan:
    rate: float = 150.0  # messages a second
    workers: int = 2
    seed: int = 1
    devices_of_a_kind: int = 3
    plain: bool = False


@dataclass
class Trial:
    """Running. `kills_ms` are those of the MQTT broker."""

    stack: Stack
    settings: Settings
    fleet: Fleet
    crew: Crew
    flow: Flow
    acks: Path
    kills_ms: list[int] = field(default_factory=list)

    def until_flowing(self, from_ms: int, seconds: float = _FLOW_S, tend: Callable[[], None] | None = None) -> None:
        """Returns when of every device something is stored that was measured since then."""
        deadline = time.monotonic() + seconds
        while silent := self.flow.silent_since(from_ms):
            self.crew.tend()
            if tend:
                tend()
            if time.monotonic() > deadline:
                some = ", ".join(sorted(silent)[:5])
                home = self.settings.home
                raise TrialError(
                    f"after {seconds:.0f} s nothing of {len(silent)} devices ({some}, …); the logs are in {home}/logs"
                )
            time.sleep(_LOOK_S)

    def kill(self, name: str) -> None:
        if name == self.settings.mqtt_broker:
            self.kills_ms.append(wall_ms())
        self.crew.kill(name)
        if name == self.settings.mqtt_broker:
            self.kills_ms[-1] = wall_ms()

    def finish(self) -> Verdict:
        """Ends the sender in order, waits until nothing is on its way, and judges."""
        left = self.crew.end(SENDER)
        if left:
            raise TrialError(f"the sender ended with code {left}; its log is {self.settings.home}/logs/{SENDER}.log")
        self._drain()
        lossy = self.settings.mqtt_broker == MOSQUITTO
        allowance = Allowance(self.kills_ms, _MOSQUITTO_SAVES_MS) if lossy else Allowance()
        return judge(self.settings, self.places, self.fleet, read_acks(self.acks), allowance)

    def ledger_problems(self) -> list[str]:
        """What `hanan reconcile` has to say."""
        accounts = audit(self.stack.settings, None, None, {})
        return [f"{account.stream}: {problem}" for account in accounts for problem in account.problems]

    @property
    def places(self) -> Endpoints:
        """The servers themselves, with nothing in between."""
        return self.stack.endpoints()

    def _drain(self) -> None:
        """Nothing in flight at the collectors, and then all that is in Kafka read by everyone."""
        deadline = time.monotonic() + _DRAIN_S
        quiet = 0
        while quiet < 2:  # noqa: PLR2004  # a session may just have come back, its queue not yet on its way
            self._look_again(deadline)
            quiet = quiet + 1 if self._in_flight() == 0 else 0
        with closing(Admin(self.places.kafka_bootstrap)) as admin:
            drained = Drain(admin)
            while not self._answers(drained):
                self._look_again(deadline)

    def _look_again(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise TrialError(f"not drained within {_DRAIN_S:.0f} s; the logs are in {self.settings.home}/logs")
        self.crew.tend()
        time.sleep(_LOOK_S)

    def _in_flight(self) -> int:
        found = children.running(self.settings.home)
        series = scrape(one.metrics_port for one in found if one.role == "collect")
        ready = {dict(labels)["stream"] for (name, labels), value in series.items() if name == "hanan_mqtt_ready" and value}
        if missing := len(slots_of(STREAMS)) - len(ready):
            return missing
        return int(sum(value for (name, _), value in series.items() if name == "hanan_in_flight"))

    @staticmethod
    def _answers(drained: Drain) -> bool:
        try:
            return drained()
        except RetryLater:
            return False


@contextmanager
def trial(stack: Stack, plan: Plan, settings: Settings | None = None) -> Iterator[Trial]:
    """Roles and sender on a started stack, once readings flow. `settings` are those the roles see, the stack's if absent."""
    seen = settings or stack.settings
    places = stack.endpoints()
    known = load_devices(seen.registry)
    devices = list(some_of_each_kind(known, plan.devices_of_a_kind))
    with closing(Admin(places.kafka_bootstrap)) as admin:
        ensure_topics(seen, admin, QuietProgress())
    with closing(open_sink(seen, "trial")) as sink:
        put_devices(sink, known)
    began_ms = wall_ms()
    acks = seen.home / "soak" / f"acks-{began_ms}.txt"
    pattern = Pattern(plan.seed, began_ms, plan.rate, plan.plain)
    crew = Crew(stack, seen, Order(pattern, plan.devices_of_a_kind, str(acks)))
    fleet = Fleet(pattern, devices)
    running = Trial(stack, seen, fleet, crew, Flow(places, [device.device_id for device in devices]), acks)
    try:
        crew.begin(dict.fromkeys(FLOW, plan.workers))
        _until_subscribed(running)
        crew.start(SENDER)
        running.until_flowing(began_ms)
        yield running
    finally:
        crew.close()


def _until_subscribed(running: Trial) -> None:
    """Before the very first subscription nobody is there to be sent anything, and a broker acknowledges that all the same."""
    deadline = time.monotonic() + _READY_S
    while True:
        found = children.running(running.settings.home)
        series = scrape(one.metrics_port for one in found if one.role == "collect")
        ready = {dict(labels)["stream"] for (name, labels), value in series.items() if name == "hanan_mqtt_ready" and value}
        if all(slot.name in ready for slot in slots_of(STREAMS)):
            return
        running.crew.tend()
        if time.monotonic() > deadline:
            raise TrialError(f"no MQTT subscriptions within {_READY_S:.0f} s; the logs are in {running.settings.home}/logs")
        time.sleep(_LOOK_S)
