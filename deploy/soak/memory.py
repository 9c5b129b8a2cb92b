"""The memory of each process over its life: sampled, its slope, and a picture of it."""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from deploy.soak.crew import Crew, resident_mb

_SETTLED = 0.5  # of a life, after which memory should be what it will be
_LEAST_S = 120.0  # a shorter life has no slope worth the name
_BLOCKS = " ▁▂▃▄▅▆▇█"
_WIDTH = 46


class Sample(NamedTuple):
    at_s: float
    name: str
    pid: int
    mb: float


class Life(NamedTuple):
    """One process from its first sample to its last."""

    name: str
    pid: int
    seconds: float
    first_mb: float
    most_mb: float
    last_mb: float
    slope_mb_h: float | None  # of its second half; None when it was too short


class Memory:
    def __init__(self, crew: Crew) -> None:
        self.samples: list[Sample] = []
        self._crew = crew

    def sample(self, at_s: float) -> None:
        for name, pid in self._crew.pids().items():
            if (mb := resident_mb(pid)) is not None:
                self.samples.append(Sample(at_s, name, pid, mb))

    def longest_lives(self) -> list[Life]:
        """Of each name the process that lived longest."""
        lives: dict[tuple[str, int], list[Sample]] = defaultdict(list)
        for sample in self.samples:
            lives[sample.name, sample.pid].append(sample)
        longest: dict[str, Life] = {}
        for (name, pid), samples in sorted(lives.items()):
            life = _life(name, pid, samples)
            if name not in longest or life.seconds > longest[name].seconds:
                longest[name] = life
        return list(longest.values())

    def write_csv(self, path: Path) -> None:
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["seconds", "process", "pid", "resident_mb"])
            writer.writerows((f"{s.at_s:.1f}", s.name, s.pid, f"{s.mb:.2f}") for s in self.samples)

    def series(self) -> Mapping[str, Sequence[tuple[float, float]]]:
        found: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for sample in self.samples:
            found[sample.name].append((sample.at_s, sample.mb))
        return found


def _life(name: str, pid: int, samples: Sequence[Sample]) -> Life:
    seconds = samples[-1].at_s - samples[0].at_s
    settled = [s for s in samples if s.at_s - samples[0].at_s >= _SETTLED * seconds]
    rise = slope([(s.at_s, s.mb) for s in settled]) if seconds >= _LEAST_S else None
    per_hour = None if rise is None else rise * 3_600
    return Life(name, pid, seconds, samples[0].mb, max(s.mb for s in samples), samples[-1].mb, per_hour)


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Of the straight line that fits best; None when there is none."""
    count = len(points)
    mean_x = sum(x for x, _ in points) / max(1, count)
    mean_y = sum(y for _, y in points) / max(1, count)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else None


def chart(series: Mapping[str, Sequence[tuple[float, float]]]) -> list[str]:
    """A line of blocks for each process, from 0 to its own maximum: the fallback where nothing can draw."""
    lines = []
    for name, points in sorted(series.items()):
        end, most = max(at for at, _ in points) or 1.0, max(mb for _, mb in points) or 1.0
        cells: list[list[float]] = [[] for _ in range(_WIDTH)]
        for at, mb in points:
            cells[min(_WIDTH - 1, int(at / end * _WIDTH))].append(mb)
        means = [sum(cell) / len(cell) if cell else 0.0 for cell in cells]
        drawn = "".join(_BLOCKS[min(len(_BLOCKS) - 1, round(mean / most * (len(_BLOCKS) - 1)))] for mean in means)
        lines.append(f"{name:12} {drawn} {most:6.0f} MB at most")
    return lines


def draw(series: Mapping[str, Sequence[tuple[float, float]]], path: Path) -> bool:
    """A picture, where matplotlib is installed."""
    try:
        matplotlib: Any = import_module("matplotlib")
        matplotlib.use("Agg")
        pyplot: Any = import_module("matplotlib.pyplot")
    except ImportError:
        return False
    figure, axes = pyplot.subplots(figsize=(10, 6))
    for name, points in sorted(series.items()):
        axes.plot([at / 60 for at, _ in points], [mb for _, mb in points], label=name, linewidth=1)
    axes.set_xlabel("minutes")
    axes.set_ylabel("resident memory, MB")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize="small", ncols=2)
    axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True
