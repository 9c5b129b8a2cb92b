"""How much at once, and how long to wait. Times are of the machine's monotonic clock, not of the deployment's."""

import random
from collections.abc import Callable
from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Pace:
    """`window` bounds each slot. The broker's own limit (Mosquitto: max_inflight_messages) is best at or below it."""

    window: int = 2_000
    window_bytes: int = 64 * MIB
    batch: int = 500
    gather_ms: int = 10  # after a small batch: a step for each message would cost more than the message; Kafka lingers as long
    idle_ms: int = 100
    follow_ms: int = 100  # between looks at the group
    tick_ms: int = 100  # ticks of a clock that runs faster come no oftener than this
    flush_ms: int = 5_000  # the group waits for a revocation, so it is bounded
    stall_ms: int = 5_000  # after a failure: long enough for what is still on its way to arrive
    recall_ms: int = 10_000  # for a slot's memory; then it goes on without
    drained_ms: int = 5_000  # a retired session that was silent so long has nothing left


DEFAULT_PACE = Pace()


class Backoff:
    """Waits between attempts: doubling from `low_ms` to `high_ms`, each drawn from its upper half so that clients spread."""

    def __init__(self, low_ms: int = 500, high_ms: int = 30_000, draw: Callable[[], float] = random.random) -> None:
        self._low_ms, self._high_ms, self._draw = low_ms, high_ms, draw
        self._attempts = 0

    def next_ms(self) -> int:
        span = min(self._high_ms, self._low_ms << min(self._attempts + 1, 20))
        self._attempts += 1
        return max(self._low_ms, int(span * (0.5 + self._draw() / 2)))

    def reset(self) -> None:
        self._attempts = 0
