"""`hanan soak`: a deployment of its own under steady load, in which something dies now and then; at the end the verdict."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from deploy.clock import wall_ms
from deploy.native.ports import BASES, first_of_free
from deploy.native.progress import Progress
from deploy.native.stack import Stack
from deploy.settings import Settings, load_settings
from deploy.soak.memory import Life, Memory, chart, draw
from deploy.soak.oracle import Verdict
from deploy.soak.strikes import Striker, Stroke, summary
from deploy.soak.trial import Plan, trial

_SAMPLE_S, _SAY_S = 2.0, 60.0
_LONGEST_ABSENCE_S = 5.0
_PORTS = 12

Say = Callable[[str], None]


@dataclass
class Soak:
    """What came of it. `files` are where the figures are kept."""

    minutes: float
    verdict: Verdict = field(default_factory=Verdict)
    lives: Sequence[Life] = ()
    kills: Counter[str] = field(default_factory=Counter)
    recoveries: Sequence[tuple[str, int, float, float, float]] = ()
    gone: Sequence[str] = ()
    picture: Sequence[str] = ()
    files: Sequence[Path] = ()

    @property
    def good(self) -> bool:
        return self.verdict.good and not self.gone


def soak(settings: Settings, minutes: float, plan: Plan, every_s: float, progress: Progress, say: Say, *, keep: bool) -> Soak:
    """The first process of each role is never killed, so that its memory can be looked at over the whole time."""
    home = settings.home / "soak"
    found = Soak(minutes)
    with _servers(settings, home, progress, keep=keep) as stack, trial(stack, plan) as running:
        memory, striker = Memory(running.crew), Striker(running, say)
        random = Random(f"soak/{plan.seed}")  # noqa: S311  # seeded play
        victims = [name for name in running.crew.roles if not name.endswith("-1")] + list(running.crew.servers)
        began = time.monotonic()
        end, sample_at, kill_at, say_at = began + 60 * minutes, began, began + every_s, began + _SAY_S

        def look() -> None:
            nonlocal sample_at
            if time.monotonic() >= sample_at:
                sample_at = time.monotonic() + _SAMPLE_S
                memory.sample(time.monotonic() - began)

        while (now := time.monotonic()) < end:
            running.crew.tend()
            look()
            if every_s and now >= kill_at:
                absence_s = random.uniform(0, _LONGEST_ABSENCE_S)
                striker.strike(Stroke((random.choice(victims),), (absence_s,), 0.0, wait=True), look)
                kill_at = time.monotonic() + random.uniform(0.5, 1.5) * every_s
            if now >= say_at:
                say_at = now + _SAY_S
                say(f"{(end - now) / 60:.0f} minutes to go, {striker.kills.total()} kills")
            time.sleep(0.2)
        running.until_flowing(wall_ms())
        found.verdict = running.finish()
        found.gone = [f"{gone.name} ended by itself with code {gone.code}" for gone in running.crew.gone]
        found.kills, found.recoveries, found.lives = striker.kills, summary(striker.recoveries), memory.longest_lives()
        found.picture, found.files = chart(memory.series()), _keep_figures(settings.home, memory)
    return found


def _keep_figures(home: Path, memory: Memory) -> list[Path]:
    base = home / f"soak-{wall_ms() // 1_000}"
    files = [base.with_suffix(".csv")]
    memory.write_csv(files[0])
    if draw(memory.series(), base.with_suffix(".png")):
        files.append(base.with_suffix(".png"))
    return files


@contextmanager
def _servers(settings: Settings, home: Path, progress: Progress, *, keep: bool) -> Iterator[Stack]:
    """Native servers of their own on free ports, so that nothing of the deployment's is touched."""
    base = first_of_free(_PORTS, BASES)
    given = {
        "home": home,
        "kafka_bootstrap": "",
        "kafka_port": base,
        "kafka_controller_port": base + 1,
        "mqtt_url": "",
        "mqtt_port": base + 10,
        "mqtt_admin_port": base + 9,
        "influx_url": "",
        "influx_port": base + 11,
        "influx_token": "",
        "clock_start": "",
        "clock_rate": 1.0,
        "cache": settings.cache,
        "kafka_client": settings.kafka_client,
        "mqtt_broker": settings.mqtt_broker,
    }
    shutil.rmtree(home, ignore_errors=True)
    stack = Stack(load_settings(**given), progress)
    try:
        stack.start()
        yield stack
    except BaseException:
        keep = True  # for whoever is to find out why
        raise
    finally:
        stack.stop()
        if not keep:
            shutil.rmtree(home, ignore_errors=True)
