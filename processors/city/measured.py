"""Windows of one level as a stream's indicators see them: what each device adds, and what is remembered for it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from processors.windows.calendar import Calendar
from schemas.aggregate import DAY, LEVELS, MINUTE, QUARTER, Window
from schemas.device import Registry
from schemas.indicator import Amount, Detail
from schemas.instants import HOUR_MS, MINUTE_MS
from schemas.kind import Stream
from schemas.view import View, measure

QUARTER_MS = 15 * MINUTE_MS
PAST_MS = 2 * HOUR_MS  # how old the window before may be


def is_taken(amount: Amount, level: str) -> bool:
    """Whether the amount is measured on windows of that level."""
    return amount.base == level if amount.base else level != MINUTE


def levels_of(stream: Stream) -> tuple[str, ...]:
    """What must be read for a stream's indicators."""
    wanted = {amount.base for amount in stream.amounts} - {""}
    for row in stream.indicators:
        if any(not amount.base for amount in row.amounts):
            wanted.update(row.windows)
    for detail in stream.details:
        if not detail.amount.base:
            wanted.update(detail.windows)
    return tuple(level for level in LEVELS if level in wanted)


class Measured(NamedTuple):
    """Of one window of a device: its readings, and what it adds by the places of `Sight.amounts[kind]`."""

    readings: int
    values: tuple[float | None, ...]


class Sight:
    """Of one level of one stream. Params are those of the registry when a window is looked at."""

    def __init__(self, stream: Stream, level: str, calendar: Calendar, registry: Registry) -> None:
        self._stream, self._calendar, self._registry = stream, calendar, registry
        self.level = level
        self.span_level = QUARTER if level == MINUTE else level  # minutes are added up to quarters
        taken = [amount for amount in stream.amounts if is_taken(amount, level)]
        self.amounts: Mapping[str, tuple[Amount, ...]] = {
            kind.name: found for kind in stream.kinds if (found := tuple(amount for amount in taken if amount.kind == kind.name))
        }
        self.details: Mapping[str, tuple[tuple[Detail, int], ...]] = {
            kind: tuple(
                (row, amounts.index(row.amount))
                for row in stream.details
                if row.amount in amounts and (row.amount.base or level in row.windows)
            )
            for kind, amounts in self.amounts.items()
        }
        self._inputs = {kind: {name for amount in amounts for name in amount.inputs} for kind, amounts in self.amounts.items()}
        self.looks_back = {kind for kind, amounts in self.amounts.items() if any(amount.past for amount in amounts)}

    @property
    def memory_ms(self) -> int:
        """How long before its clock the oldest record was written that a task must know again."""
        past = PAST_MS + QUARTER_MS if self.looks_back else 0
        minutes = QUARTER_MS if self.level == MINUTE else 0
        return self._stream.lateness_ms + minutes + past + MINUTE_MS

    def slim(self, window: Window) -> Window:
        """Without what no amount reads."""
        wanted = self._inputs[window["kind"]]
        slim: Any = window | {"metrics": {name: part for name, part in window["metrics"].items() if name in wanted}}
        found: Window = slim
        return found

    def measured(self, window: Window, before: Window | None) -> Measured:
        kind = self._stream.by_name[window["kind"]]
        device = self._registry.get(window["device_id"])
        params = device.params if device else {}
        day = self._calendar.span(DAY, window["start"])
        past = View(kind, before, params) if before else None
        view = View(kind, window, params, (window["start"] - day.start) / HOUR_MS, past)
        return Measured(window["readings"], tuple(measure(amount, view) for amount in self.amounts[kind.name]))
