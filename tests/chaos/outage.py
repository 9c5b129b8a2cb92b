"""InfluxDB away for ten minutes at a thousand readings a second: does all arrive, and how fast does the backlog drain.

`python -m tests.chaos.outage [--seconds 600] [--rate 1000] [--client kafka-python]`
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from deploy import children, logs
from deploy.clock import wall_ms
from deploy.roles import groups
from deploy.soak.crew import resident_mb
from deploy.soak.oracle import Verdict
from deploy.soak.trial import Plan, Trial, trial
from deploy.watch import scrape
from processors.io.kafka_admin import Admin
from schemas import topics
from schemas.ports import RetryLater
from schemas.streams import BY_NAME
from tests.servers import guarded_stack

_WARM_S, _EACH_S, _PATIENCE_S = 15.0, 1.0, 1_800.0
_CAUGHT_UP_S = 2.0  # a lag of so much is what a store role at work has anyway


@dataclass
class Figures:
    seconds: float
    rate: float  # readings a second that are sent, all the time: the live rate
    live_per_s: float = 0.0  # readings stored before the outage; more than are sent where there was something to catch up with
    backlog: int = 0  # readings when InfluxDB answers again
    drain_s: float = 0.0
    drained_per_s: float = 0.0  # readings stored while the backlog lasts, those that come meanwhile included
    memory_before_mb: dict[str, float] = field(default_factory=dict)
    memory_most_mb: dict[str, float] = field(default_factory=dict)
    lost: int = 0
    wrong: int = 0
    readings: int = 0

    @property
    def times_live(self) -> float:
        return self.drained_per_s / self.rate

    def lines(self) -> list[str]:
        memory = ", ".join(
            f"{name} {self.memory_before_mb[name]:.0f} -> {most:.0f}" for name, most in self.memory_most_mb.items()
        )
        return [
            f"InfluxDB away for {self.seconds:.0f} s at {self.rate:,.0f} readings/s: a backlog of {self.backlog:,}",
            f"drained in {self.drain_s:.1f} s at {self.drained_per_s:,.0f} readings/s, {self.times_live:.1f} times the live rate",
            f"memory in MB before and at most: {memory}",
            f"{self.readings:,} readings acknowledged, lost {self.lost}, wrong {self.wrong}",
        ]


def measure(seconds: float, rate: float, client: str, workers: int, say: Callable[[str], None]) -> tuple[Figures, Verdict]:
    figures = Figures(seconds, rate)
    with guarded_stack(kafka_client=client) as stack, trial(stack, Plan(rate, workers, plain=True)) as running:
        with closing(Admin(stack.endpoints().kafka_bootstrap)) as admin:
            _caught_up(running, admin, rate)
            began, before = time.monotonic(), _stored(running)
            _until(running, began + _WARM_S)
            figures.live_per_s = (_stored(running) - before) / (time.monotonic() - began)
            figures.memory_before_mb = _memory(running)
            say(f"{figures.live_per_s:,.0f} readings/s are stored; InfluxDB is stopped")
            stack.stop(["influxdb"])
            until, said = time.monotonic() + seconds, time.monotonic()
            while time.monotonic() < until:
                _until(running, time.monotonic() + _EACH_S)
                for name, mb in _memory(running).items():
                    figures.memory_most_mb[name] = max(mb, figures.memory_most_mb.get(name, 0.0))
                if time.monotonic() - said > 60:
                    said = time.monotonic()
                    say(f"{until - said:.0f} s to go, {_lag(admin):,} records wait, {figures.memory_most_mb}")
            stack.restart("influxdb")
            began, before = time.monotonic(), _stored(running)
            figures.backlog = _lag(admin)
            say(f"InfluxDB answers again; {figures.backlog:,} records wait")
            _caught_up(running, admin, rate)
            figures.drain_s = time.monotonic() - began
            figures.drained_per_s = (_stored(running) - before) / figures.drain_s
            for name, mb in _memory(running).items():
                figures.memory_most_mb[name] = max(mb, figures.memory_most_mb.get(name, 0.0))
        running.until_flowing(wall_ms())
        verdict = running.finish()
    figures.lost, figures.wrong, figures.readings = len(verdict.lost), len(verdict.wrong), verdict.readings
    return figures, verdict


def _until(running: Trial, at: float) -> None:
    while time.monotonic() < at:
        running.crew.tend()
        time.sleep(min(0.2, max(0.0, at - time.monotonic())))


def _caught_up(running: Trial, admin: Admin, rate: float) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while _lag(admin) > rate * _CAUGHT_UP_S:
        running.crew.tend()
        assert time.monotonic() < deadline, "the backlog does not drain"
        time.sleep(0.2)


def _lag(admin: Admin) -> int:
    try:
        return sum(admin.lag(groups.STORE, map(topics.reading, BY_NAME)).values())
    except RetryLater:
        return sys.maxsize


def _stored(running: Trial) -> int:
    found = children.running(running.settings.home)
    series = scrape(one.metrics_port for one in found if one.role == "store")
    return int(sum(value for (name, _), value in series.items() if name == "hanan_points_total"))


def _memory(running: Trial) -> dict[str, float]:
    pids = running.crew.pids()
    return {name: round(mb, 1) for name in running.crew.roles if (mb := resident_mb(pids[name])) is not None}


def main(
    seconds: Annotated[float, typer.Option(help="How long InfluxDB is away.")] = 600.0,
    rate: Annotated[float, typer.Option(help="Readings a second.")] = 1_000.0,
    client: Annotated[str, typer.Option(help="confluent | kafka-python")] = "confluent",
    workers: Annotated[int, typer.Option(min=1, help="Processes of each role.")] = 1,
    as_json: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    """Exit code 1 when anything is lost or wrong, or the backlog drains at less than three times the live rate."""
    logs.quiet()
    figures, _ = measure(seconds, rate, client, workers, lambda line: sys.stderr.write(line + "\n") and None)
    sys.stdout.write("\n".join([*figures.lines(), ""]))
    if as_json:
        as_json.write_text(json.dumps(asdict(figures) | {"times_live": figures.times_live}, indent=2))
    raise typer.Exit(1 if figures.lost or figures.wrong or figures.times_live < 3 else 0)


if __name__ == "__main__":
    typer.run(main)
