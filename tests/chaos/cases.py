"""What may happen to a deployment beside plain kills. Each case leaves all as it found it; the verdict comes at the end."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from deploy.clock import wall_ms
from deploy.operation import FLOW
from deploy.soak.crew import SENDER, resident_mb
from deploy.soak.trial import Trial
from tests.chaos.proxy import Mood, Proxy

_LOOK_S = 0.1
_WRITE_S = 24.0
_SENT_EACH_S = 1.0  # the queue of a full broker is filled for at least so long


@dataclass
class Outcome:
    """One case: how long until readings flowed again once it was over, and the most memory that a process took meanwhile."""

    name: str
    recovery_s: float
    peaks_mb: Mapping[str, float]  # by role


@dataclass
class Stage:
    """A running trial whose roles reach InfluxDB through a proxy. `lasting_s`: how long each trouble lasts."""

    trial: Trial
    proxy: Proxy
    lasting_s: float
    outcomes: list[Outcome] = field(default_factory=list)
    _peaks: dict[str, float] = field(default_factory=dict)

    def last(self, seconds: float | None = None) -> None:
        """Lets the trouble last."""
        over = time.monotonic() + (seconds or self.lasting_s)
        self.until(lambda: time.monotonic() >= over)

    def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.trial.crew.tend()
            self.sample()
            time.sleep(_LOOK_S)

    def play(self, name: str, case: "Case") -> Outcome:
        self._peaks = {}
        case(self)
        over_ms, over = wall_ms(), time.monotonic()
        self.trial.until_flowing(over_ms, tend=self.sample)
        peaks = {role: max(mb for one, mb in self._peaks.items() if one.startswith(f"{role}-")) for role in FLOW}
        self.outcomes.append(Outcome(name, time.monotonic() - over, peaks))
        return self.outcomes[-1]

    def kill(self, *names: str) -> None:
        for name in names:
            self.trial.kill(name)

    def start(self, *names: str) -> None:
        for name in names:
            self.trial.crew.start(name)
        self.until(lambda: all(self.trial.crew.is_up(name) for name in names))

    def of(self, role: str) -> list[str]:
        return [name for name in self.trial.crew.roles if name.startswith(f"{role}-")]

    @property
    def broker(self) -> str:
        return self.trial.settings.mqtt_broker

    @property
    def kafkas(self) -> list[str]:
        return [name for name in self.trial.crew.servers if name.startswith("kafka")]

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        self.trial.stack.pause(name)
        try:
            yield
        finally:
            self.trial.stack.resume(name)

    def sample(self) -> None:
        for name, pid in self.trial.crew.pids().items():
            if name in self.trial.crew.roles and (mb := resident_mb(pid)):
                self._peaks[name] = max(mb, self._peaks.get(name, 0.0))


Case = Callable[[Stage], None]


def influxdb_stopped(stage: Stage) -> None:
    stage.trial.stack.stop(["influxdb"])
    stage.last()
    stage.start("influxdb")


def influxdb_paused(stage: Stage) -> None:
    """It takes connections and never answers, for longer than a write waits for an answer."""
    with stage.paused("influxdb"):
        stage.last(max(_WRITE_S, stage.lasting_s))


def influxdb_answers_503(stage: Stage) -> None:
    _in_mood(stage, Mood.BUSY)


def influxdb_answers_429(stage: Stage) -> None:
    _in_mood(stage, Mood.THROTTLED)


def influxdb_stores_and_does_not_say_so(stage: Stage) -> None:
    """Each batch is written, and written again."""
    _in_mood(stage, Mood.MUTE)


def _in_mood(stage: Stage, mood: Mood) -> None:
    stage.proxy.mood = mood
    stage.last()
    stage.proxy.mood = Mood.FAIR


def kafka_stopped(stage: Stage) -> None:
    """In order: clients are told."""
    stage.trial.stack.stop(stage.kafkas)
    stage.last()
    stage.start(*stage.kafkas)


def kafka_paused(stage: Stage) -> None:
    with stage.paused(stage.kafkas[0]):
        stage.last()


def broker_killed_with_empty_queues(stage: Stage) -> None:
    stage.kill(stage.broker)
    stage.start(stage.broker)


def broker_killed_with_full_queues(stage: Stage) -> None:
    """All collectors are away, so the broker alone has what it acknowledged."""
    collectors = stage.of("collect")
    stage.kill(*collectors)
    stage.last(max(_SENT_EACH_S, stage.lasting_s / 2))
    stage.kill(stage.broker)
    stage.start(stage.broker)
    stage.last(_SENT_EACH_S)
    stage.start(*collectors)


def broker_stopped_with_full_queues(stage: Stage) -> None:
    """In order, as at an update: here not even Mosquitto may lose anything."""
    collectors = stage.of("collect")
    stage.kill(*collectors)
    stage.last(max(_SENT_EACH_S, stage.lasting_s / 2))
    stage.trial.stack.stop([stage.broker])
    stage.start(stage.broker)
    stage.start(*collectors)


def collector_killed_for_good(stage: Stage) -> None:
    """Its slots are taken over by those that are left, with all that is queued in them."""
    victim = stage.of("collect")[-1]
    stage.kill(victim)
    killed_ms = wall_ms()
    stage.trial.until_flowing(killed_ms, tend=stage.sample)
    stage.start(victim)


def collectors_come_and_go(stage: Stage) -> None:
    """More processes than slots, then a single one, then as many as before; each leaves in order."""
    before = stage.of("collect")
    more = [f"collect-{number}" for number in range(len(before) + 1, 8)]
    stage.start(*more)
    stage.trial.until_flowing(wall_ms(), tend=stage.sample)
    for name in [*more, *before[1:]]:
        stage.trial.crew.end(name)
    stage.trial.until_flowing(wall_ms(), tend=stage.sample)
    stage.start(*before[1:])


def a_process_of_each_role_frozen(stage: Stage) -> None:
    """Longer than its group's patience: others take over, and it wakes up with work that is no longer its own."""
    frozen = [stage.of(role)[-1] for role in FLOW]
    for name in frozen:
        stage.trial.crew.kill(name, signal.SIGSTOP)
    stage.last(max(14.0, stage.lasting_s))
    for name in frozen:
        stage.trial.crew.kill(name, signal.SIGCONT)


def publisher_killed(stage: Stage) -> None:
    stage.kill(SENDER)
    stage.start(SENDER)


def everything_killed(stage: Stage) -> None:
    """As when the machine loses its power, but for the disk's cache."""
    roles, servers = list(stage.trial.crew.roles), list(stage.trial.crew.servers)
    stage.kill(*roles, *servers, SENDER)
    stage.start(*servers)
    stage.start(*roles, SENDER)


CASES: dict[str, Case] = {
    case.__name__: case
    for case in (
        influxdb_stopped,
        influxdb_paused,
        influxdb_answers_503,
        influxdb_answers_429,
        influxdb_stores_and_does_not_say_so,
        kafka_stopped,
        kafka_paused,
        broker_killed_with_empty_queues,
        broker_killed_with_full_queues,
        broker_stopped_with_full_queues,
        collector_killed_for_good,
        collectors_come_and_go,
        a_process_of_each_role_frozen,
        publisher_killed,
        everything_killed,
    )
}

SHORT = (influxdb_answers_503, influxdb_stores_and_does_not_say_so, kafka_paused, broker_killed_with_full_queues)
