"""A larger window of a device, from its smaller ones in order of time."""

from typing import Any

from processors.windows import parts
from processors.windows.plan import Column, Plan
from schemas.aggregate import Part, Window, expected_readings, silence_ms
from schemas.metric import Nature

Child = list[Any]  # [start, end, readings, suspect, [part or null, …]]: what a larger window keeps of a smaller one
START, END, READINGS, SUSPECT, PARTS = range(5)


def child_of(plan: Plan, window: Window) -> Child:
    found = window["metrics"].get
    return [window["start"], window["end"], window["readings"], window["suspect"], [found(name) for name in plan.names]]


class Fold:
    """Smaller windows taken in one after the other. As `kept` it is a child itself, of all that it has taken in."""

    __slots__ = ("_parts", "_plan", "_silence", "_start", "end", "readings", "suspect")

    def __init__(self, plan: Plan, start: int, interval_ms: int, kept: Child | None = None) -> None:
        self._plan, self._start, self._silence = plan, start, silence_ms(interval_ms)
        self.end = start if kept is None else kept[END]
        self.readings: int = kept[READINGS] if kept else 0
        self.suspect: int = kept[SUSPECT] if kept else 0
        self._parts: list[Part | None] = kept[PARTS] if kept else [None] * len(plan.columns)

    def add(self, child: Child) -> None:
        """The next window in time. What it holds is not changed."""
        span = (child[START] - self._start, child[END] - self._start)
        for index, (column, part) in enumerate(zip(self._plan.columns, child[PARTS], strict=True)):
            if part is not None:
                self._parts[index] = self._extended(column, self._parts[index], part, span)
        self.readings += child[READINGS]
        self.suspect += child[SUSPECT]
        self.end = child[END]

    def _extended(self, column: Column, acc: Part | None, part: Part, span: tuple[int, int]) -> Part:
        shift = span[0]
        if column.nature is Nature.GAUGE:
            return parts.extend_gauge(acc, part, column, shift)
        if column.nature is Nature.COUNTER:
            return parts.extend_counter(acc, part, column, shift)
        if column.tallied:
            return parts.extend_tally(acc, part, shift)
        if column.nature is Nature.STATE:
            return parts.extend_state(acc, part, span, self._silence)
        return [part[0] + (acc[0] if acc else 0), part[1], part[2] + shift]

    def kept(self) -> Child:
        return [self._start, self.end, self.readings, self.suspect, self._parts]

    def window(self, end: int, device_id: str, zone: str, interval_ms: int) -> Window:
        """The window that ends at `end`; nothing is added afterwards."""
        return {
            "kind": self._plan.kind,
            "device_id": device_id,
            "zone": zone,
            "start": self._start,
            "end": end,
            "readings": self.readings,
            "suspect": self.suspect,
            "expected": 0 if self._plan.event else expected_readings(self._start, end, interval_ms),
            "devices": 1,
            "interval_ms": interval_ms,
            "metrics": self._metrics(end),
        }

    def _metrics(self, end: int) -> dict[str, Part]:
        found: dict[str, Part] = {}
        for column, part in zip(self._plan.columns, self._parts, strict=True):
            if part is None:
                continue
            if column.nature is Nature.GAUGE:
                part = parts.short_gauge(part)  # noqa: PLW2901
            elif column.nature is Nature.STATE and not column.tallied:
                part = parts.end_state(part, end - self._start, self._silence)  # noqa: PLW2901
            found[column.name] = part
        return found
