"""The deployment's clock: the real time, or one that starts elsewhere and runs faster, the same in every process."""

import json
import time
from pathlib import Path
from typing import Any

from deploy.settings import Settings
from schemas.instants import parse_rfc3339


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class SystemClock:
    """`start_ms` at the real time `anchor_ms`, and `rate` deployment seconds in each real one from there.

    A clock that starts in the past ends in the present: once it has caught up with the real time it goes on with it. One that
    starts in the future was asked for with eyes open, and runs at its own rate for good.
    """

    def __init__(self, start_ms: int = 0, anchor_ms: int = 0, rate: float = 1.0) -> None:
        self._start_ms, self._anchor_ms, self._rate = start_ms, anchor_ms, rate

    def now_ms(self) -> int:
        real_ms = wall_ms()
        simulated_ms = self._start_ms + int((real_ms - self._anchor_ms) * self._rate)
        return min(simulated_ms, real_ms) if self._start_ms < self._anchor_ms else simulated_ms


def deployment_clock(settings: Settings) -> SystemClock:
    """The clock the settings ask for. A simulated one is anchored by whoever asks first; the others read the anchor."""
    if not settings.clock_start and settings.clock_rate == 1.0:
        return SystemClock()
    wanted = {"start": settings.clock_start, "rate": settings.clock_rate}
    path = settings.home / "clock.json"
    kept = _read(path)
    if {name: kept.get(name) for name in wanted} != wanted:
        kept = {**wanted, "anchor_ms": wall_ms()}
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(kept))
        fresh.replace(path)
    anchor_ms = int(kept["anchor_ms"])
    start_ms = parse_rfc3339(settings.clock_start) if settings.clock_start else anchor_ms
    return SystemClock(start_ms, anchor_ms, settings.clock_rate)


def _read(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
