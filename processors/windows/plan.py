"""How readings of one kind are kept: as rows of numbers, one place for each metric that is aggregated.

A row takes 8 bytes a metric, a tenth of what the reading is as objects. Words are kept as their number among the declared
states, whole numbers are exact to 2**53, and NaN stands for a value that is missing or suspect. The time comes first; that of
a reading with any suspect value is negative.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from struct import Struct
from typing import Any, NamedTuple

from schemas.kind import Kind
from schemas.metric import Aggregation, Nature
from schemas.numbers import NAN, Numbers

BOOLS = ("false", "true")
FIRST = 1  # place of the first metric, after the time


class Column(NamedTuple):
    """One metric as windows see it."""

    name: str
    place: int
    nature: Nature
    whole: bool
    words: tuple[str, ...]
    sketched: bool
    wraps_at: float | None
    tallied: bool  # a state of an event lasts no time: it is counted

    def value(self, number: float) -> float | str:
        """The number of a row as the metric's own value."""
        if self.words:
            return self.words[int(number)]
        return int(number) if self.whole else number


class Plan:
    """Derived once from a kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind.name
        self.event = kind.event
        self.columns = tuple(
            Column(
                metric.name,
                place,
                metric.nature,
                metric.type == "int",
                BOOLS if metric.type == "bool" else metric.states,
                Aggregation.P95 in metric.extra,
                metric.wraps_at,
                kind.event and metric.nature is Nature.STATE,
            )
            for place, metric in enumerate(kind.metrics, FIRST)
        )
        self.by_name = {column.name: column for column in self.columns}
        self.names = tuple(self.by_name)
        # For the hot path: name, place, whether a gauge of floats, whether a state that lasts, and the whole column
        self.steps = tuple(
            (
                column.name,
                column.place,
                column.nature is Nature.GAUGE and not column.whole,
                column.nature is Nature.STATE and not column.tallied,
                column,
            )
            for column in self.columns
        )
        # What a window must know of the time before it
        self.remembered = tuple(
            column.place
            for column in self.columns
            if column.nature is Nature.COUNTER or (column.nature is Nature.STATE and not column.tallied)
        )
        self.width = FIRST + len(self.columns)
        self.row = Struct(f"<{self.width}d")
        self._places = {column.name: column.place - FIRST for column in self.columns}
        self._pick = attrgetter(*self.names) if len(self.names) > 1 else None
        self._codes = [
            (column.place - FIRST, {None: NAN} | {word: float(code) for code, word in enumerate(column.words)})
            for column in self.columns
            if column.words is not BOOLS and column.words
        ]
        self._several: dict[int, Struct] = {}

    def several(self, count: int) -> Struct:
        """So many rows on end. Few counts are asked for, again and again."""
        found = self._several.get(count)
        if found is None:
            found = self._several[count] = Struct(f"<{count * self.width}d")
        return found

    def pack(self, ts_ms: int, values: Mapping[str, Any], flags: Mapping[str, str]) -> bytes:
        """A reading's row. TypeError, KeyError or struct.error where a value is not of its metric's type."""
        numbers = [None if name in flags else values.get(name) for name in self.names]
        for place, codes in self._codes:
            numbers[place] = codes[numbers[place]]
        return self.row.pack(-ts_ms if flags else ts_ms, *[NAN if number is None else number for number in numbers])

    def pack_numbers(self, found: Numbers) -> bytes:
        """The same, for the hot path."""
        values, flags = found.values, found.flags
        numbers: Sequence[float] = self._pick(values) if self._pick else (getattr(values, self.names[0]),)
        if not flags and not self._codes:
            return self.row.pack(found.ts, *numbers)
        row: list[Any] = list(numbers)
        for place, codes in self._codes:
            row[place] = codes[row[place]]
        for name in flags:
            if name in self._places:
                row[self._places[name]] = NAN
        return self.row.pack(-found.ts if flags else found.ts, *row)
