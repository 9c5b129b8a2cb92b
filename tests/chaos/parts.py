"""The parts of the suite, each with servers of its own."""

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from deploy.clock import wall_ms
from deploy.native.stack import Stack
from deploy.soak.crew import SENDER
from deploy.soak.memory import Memory
from deploy.soak.strikes import PAIRS, Striker, schedule
from deploy.soak.trial import Plan, Trial, TrialError, trial
from tests.chaos.cases import CASES, Stage
from tests.chaos.disks import may_mount, small_disk
from tests.chaos.proxy import proxy_to
from tests.chaos.report import Report
from tests.servers import guarded_stack

Say = Callable[[str], None]

_SAMPLE_S = 5.0
_DISK_MIB: Mapping[str, int] = {"kafka": 192, "influxdb": 48}


@dataclass(frozen=True)
class Choice:
    """What is run, and on what."""

    kills: int = 200
    seed: int = 1
    broker: str = "mosquitto"
    client: str = "confluent"
    rate: float = 150.0
    workers: int = 2
    lasting_s: float = 25.0
    cases: Sequence[str] = tuple(CASES)
    most_s: float = math.inf
    pairs: float = PAIRS
    patience_ms: int = 10_000
    spare: bool = False

    @property
    def plan(self) -> Plan:
        return Plan(self.rate, self.workers, self.seed)

    @property
    def settings(self) -> dict[str, object]:
        return {"mqtt_broker": self.broker, "kafka_client": self.client, "kafka_session_timeout_ms": self.patience_ms}


def kills(choice: Choice, say: Say) -> Report:
    """Every role, every server and the publisher, one and two at a time; where asked for, not the first process of each role."""
    with _running("kills", choice, say) as (running, report):
        spared = [name for name in running.crew.roles if choice.spare and name.endswith("-1")]
        candidates = [name for name in [*running.crew.roles, *running.crew.servers, SENDER] if name not in spared]
        memory, began, at = Memory(running.crew), time.monotonic(), time.monotonic()

        def look() -> None:
            nonlocal at
            if time.monotonic() >= at:
                at = time.monotonic() + _SAMPLE_S
                memory.sample(time.monotonic() - began)

        _strike(running, report, candidates, choice, say, look)
        report.lives = [life for life in memory.longest_lives() if life.name in spared]
    return report


def cases(choice: Choice, say: Say) -> Report:
    """Roles reach InfluxDB through a proxy that can misbehave."""
    return mixed(choice, say, 0, "cases")


def mixed(choice: Choice, say: Say, kills: int, name: str) -> Report:
    with _servers(choice) as stack, proxy_to(stack.endpoints().influx_url) as proxy:
        through = {"influx_url": proxy.url, "influx_token": SecretStr(stack.endpoints().influx_token)}
        report, began = Report(name), time.monotonic()
        with trial(stack, choice.plan, stack.settings.model_copy(update=through)) as running:
            if kills:
                few = Choice(kills, choice.seed)
                _strike(running, report, [*running.crew.roles, *running.crew.servers, SENDER], few, say)
            stage = Stage(running, proxy, choice.lasting_s)
            for case in choice.cases:
                outcome = stage.play(case, CASES[case])
                say(f"     {case}: readings flow again {outcome.recovery_s:.1f} s after it")
            report.outcomes = stage.outcomes
            _judge(running, report, began)
    return report


def cluster(choice: Choice, say: Say) -> Report:
    """Three Kafka brokers, each record on all, of which one or two are killed."""
    with _running("three brokers", choice, say, kafka_brokers=3, kafka_replication=3) as (running, report):
        brokers = [name for name in running.crew.servers if name.startswith("kafka")]
        few = Choice(max(3, choice.kills // 10), choice.seed)
        _strike(running, report, [*brokers, *brokers, *running.crew.roles], few, say)
    return report


def full_disk(server: str, choice: Choice, say: Say) -> Report:
    name = f"full disk for {server}"
    with _servers(choice) as stack:
        if why_not := may_mount(stack.settings.home):
            return Report(name, skipped=why_not)
        report, began = Report(name), time.monotonic()
        with small_disk(stack, server, _DISK_MIB[server]) as disk, trial(stack, choice.plan) as running:
            disk.fill()
            say(f"     the disk of {server} is full")
            until = time.monotonic() + choice.lasting_s
            while time.monotonic() < until:
                running.crew.tend()
                disk.fill()
                time.sleep(0.5)
            disk.free()
            running.crew.start(server)  # Kafka stops itself when it cannot write; InfluxDB must be, or it shows what it refused
            running.until_flowing(wall_ms())
            say(f"     {server} has room again, and readings flow")
            _judge(running, report, began)
    return report


PARTS: Mapping[str, Callable[[Choice, Say], Report]] = {
    "kills": kills,
    "cases": cases,
    "cluster": cluster,
    "disk-kafka": lambda choice, say: full_disk("kafka", choice, say),
    "disk-influxdb": lambda choice, say: full_disk("influxdb", choice, say),
}


@contextmanager
def _servers(choice: Choice, **given: object) -> Iterator[Stack]:
    """Their logs are kept when something went wrong."""
    with guarded_stack(**choice.settings | given) as stack:
        try:
            yield stack
        except Exception as error:
            kept = Path(tempfile.mkdtemp(prefix="hanan-chaos-")) / "logs"
            shutil.copytree(stack.settings.home / "logs", kept)
            raise TrialError(f"{error}; kept in {kept}") from error


@contextmanager
def _running(name: str, choice: Choice, say: Say, **given: object) -> Iterator[tuple[Trial, Report]]:
    report, began = Report(name), time.monotonic()
    with _servers(choice, **given) as stack, trial(stack, choice.plan) as running:
        say(f"{name}: readings flow, {time.monotonic() - began:.0f} s after the start")
        yield running, report
        _judge(running, report, began)


def _strike(
    running: Trial,
    report: Report,
    candidates: Sequence[str],
    choice: Choice,
    say: Say,
    look: Callable[[], None] = lambda: None,
) -> None:
    striker, until = Striker(running, say), time.monotonic() + choice.most_s
    for stroke in schedule(candidates, choice.kills, choice.seed, choice.pairs):
        if time.monotonic() > until:
            say(f"     time is up after {striker.kills.total()} kills")
            break
        striker.strike(stroke, look)
    running.until_flowing(wall_ms())
    report.kills, report.recoveries = striker.kills, striker.recoveries


def _judge(running: Trial, report: Report, began: float) -> None:
    report.verdict = running.finish()
    report.ledger = running.ledger_problems()
    report.gone = running.crew.gone
    report.seconds = time.monotonic() - began
