"""What is remembered of one device: the windows its rules ask for, since when values are what they are, when it spoke last.

Nothing in it depends on more than the warm-up brings back, so a restarted task sees what one that never stopped sees.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from processors.rules.terms import Term
from schemas.instants import HOUR_MS

STILL_CAP_MS = HOUR_MS  # still() and same() count no further


class Past:
    """`needs` are the metrics whose past is asked for, with how long; 0 where only since when it is what it is."""

    __slots__ = ("_kept", "_traced", "interval_ms", "recent", "series", "since")

    def __init__(self, needs: Mapping[str, int], traced: Iterable[str], recent: int, interval_ms: int) -> None:
        self.interval_ms = interval_ms
        self.series: dict[str, deque[tuple[int, float]]] = {name: deque() for name, span in needs.items() if span}
        self._kept = [(name, self.series[name], span + 2 * interval_ms) for name, span in needs.items() if span]
        self._traced = tuple(traced)
        self.since: dict[str, list[Any]] = {}  # value, first seen, last seen
        self.recent: deque[int] | None = deque(maxlen=recent) if recent else None

    def note(self, ts: int, good: Mapping[str, Any]) -> None:
        """A reading newer than all before it."""
        if self.recent is not None:
            self.recent.append(ts)
        for name in self._traced:
            value = good.get(name)
            if value is not None:
                before = self.since.get(name)
                if before is None or before[0] != value or ts - before[2] > STILL_CAP_MS:
                    self.since[name] = [value, ts, ts]
                else:
                    before[2] = ts
        for name, series, span in self._kept:
            value = good.get(name)
            if value is not None:
                series.append((ts, value))
                oldest = ts - span
                while series[0][0] < oldest:
                    series.popleft()

    def quick(self, term: Term) -> Callable[[int], Any] | None:
        """How to ask for a term that is known without looking through a window; None for the others."""
        if term.name == "span":
            return partial(self.span, int(term.arguments[0]))  # type: ignore[arg-type]
        return partial(self.held_s, str(term.arguments[0])) if term.name in {"still", "same"} else None

    def window(self, name: str, span_ms: int, ts: int) -> list[float] | None:
        """The values of the last `span_ms`; None unless they reach back so far."""
        series = self.series[name]
        if not series or series[0][0] > ts - span_ms + 2 * self.interval_ms:
            return None
        start = ts - span_ms
        return [value for at, value in series if at > start]

    def held_s(self, name: str, ts: int) -> float | None:
        """For how long the value has not changed."""
        known = self.since.get(name)
        return None if known is None or known[2] != ts else min(ts - known[1], STILL_CAP_MS) / 1_000

    def span(self, count: int, ts: int) -> float | None:
        """How many of its intervals the last `count` readings took; None where it was more than three times their due."""
        if self.recent is None or len(self.recent) < count:
            return None
        taken = ts - self.recent[-count]
        return None if taken > 3 * count * self.interval_ms else taken / self.interval_ms
