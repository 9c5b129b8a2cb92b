"""The schedule: who is killed when, alone or with another, for how long, and how long it takes until readings flow again."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median

from deploy.clock import wall_ms
from deploy.soak.crew import SENDER
from deploy.soak.trial import Trial

PAIRS = 0.35  # of strikes hit two
_AT_ONCE = 0.25  # of strikes come before readings flow again after the one before
_LONG = 0.15  # of absences outlast a group's patience, so that others take over
_SHORT_S, _LONG_S = 3.0, 16.0
_APART_S = 1.5
_LOOK_S = 0.1
_AT_WORK_S = 30.0


@dataclass(frozen=True)
class Stroke:
    """One strike: its victims, and for how long each is away."""

    victims: tuple[str, ...]
    absences_s: tuple[float, ...]
    apart_s: float
    wait: bool  # until readings flow again, before the next


@dataclass(frozen=True)
class Recovery:
    victims: tuple[str, ...]
    after_kill_s: float
    after_restart_s: float


def schedule(candidates: Sequence[str], kills: int, seed: int, pairs: float = PAIRS) -> Iterator[Stroke]:
    """So many kills, each candidate about as often as the others; the same for the same seed. `pairs`: share that hits two."""
    random = Random(f"strikes/{seed}")  # noqa: S311  # seeded play
    deck: list[str] = []
    left = kills
    while left > 0:
        victims: list[str] = []
        for _ in range(2 if left > 1 and random.random() < pairs else 1):
            if not deck:
                deck = list(candidates)
                random.shuffle(deck)
            victims.append(next(name for name in reversed(deck) if name not in victims) if set(deck) - set(victims) else deck[-1])
            deck.remove(victims[-1])
        victims = list(dict.fromkeys(victims))
        left -= len(victims)
        absences = tuple(_absence(random) for _ in victims)
        yield Stroke(tuple(victims), absences, random.uniform(0, _APART_S), random.random() > _AT_ONCE or left <= 0)


def _absence(random: Random) -> float:
    return _LONG_S if random.random() < _LONG else random.uniform(0, _SHORT_S)


class Striker:
    """Carries a schedule out, and measures."""

    def __init__(self, trial: Trial, say: Callable[[str], None] = lambda _: None) -> None:
        self.kills: Counter[str] = Counter()
        self.recoveries: list[Recovery] = []
        self._trial = trial
        self._say = say

    def strike(self, stroke: Stroke, look: Callable[[], None] = lambda: None) -> None:
        """Returns when its victims are started again and, unless nobody waits for that, readings flow. `look` is called often."""
        crew = self._trial.crew
        self._until_at_work(stroke.victims)
        began, struck_ms = time.monotonic(), 0
        due: dict[str, float] = {}
        for name, absence_s in zip(stroke.victims, stroke.absences_s, strict=True):
            if due:
                self._until_time(time.monotonic() + stroke.apart_s)
            self._trial.kill(name)
            struck_ms = wall_ms()
            self.kills[name] += 1
            due[name] = time.monotonic() + absence_s

        def start_due() -> None:
            look()
            for name in [name for name, at in due.items() if time.monotonic() >= at]:
                del due[name]
                crew.start(name)

        restarted = time.monotonic() + max(stroke.absences_s)
        if stroke.wait:
            self._trial.until_flowing(struck_ms, tend=start_due)
            ended = time.monotonic()
            self.recoveries.append(Recovery(stroke.victims, ended - began, max(0.0, ended - restarted)))
            names = " and ".join(stroke.victims)
            self._say(f"{self.kills.total():4} kills: {names}; readings flow again after {ended - began:.1f} s")
        while due:
            self._until_time(min(due.values()))
            start_due()

    def _until_at_work(self, names: Sequence[str]) -> None:
        """A process that is killed while it begins shows nothing; but one that has nothing to do is not waited for for ever."""
        crew, deadline = self._trial.crew, time.monotonic() + _AT_WORK_S
        self._until(lambda: all(crew.is_up(name) for name in names))
        left = list(names)
        while left and time.monotonic() < deadline:
            left = [name for name in left if not crew.is_at_work(name)]
            crew.tend()
            time.sleep(_LOOK_S)

    def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._trial.crew.tend()
            time.sleep(_LOOK_S)

    def _until_time(self, at: float) -> None:
        self._until(lambda: time.monotonic() >= at)


def summary(recoveries: Sequence[Recovery]) -> list[tuple[str, int, float, float, float]]:
    """By what was killed: how often, p50 and the longest time until readings flowed again, and p50 after the restart."""
    rows: dict[str, list[Recovery]] = defaultdict(list)
    for one in recoveries:
        rows["two at once" if len(one.victims) > 1 else _class(one.victims[0])].append(one)
        rows["all"].append(one)
    return [
        (
            name,
            len(found),
            median(one.after_kill_s for one in found),
            max(one.after_kill_s for one in found),
            median(one.after_restart_s for one in found),
        )
        for name, found in sorted(rows.items(), key=lambda row: row[0] == "all")
    ]


def _class(name: str) -> str:
    return name if name == SENDER else name.rpartition("-")[0] or name
