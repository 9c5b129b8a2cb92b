"""How readings of one kind are kept: as rows of numbers, one place for each metric that is aggregated.

A row takes 8 bytes a metric, a tenth of what the reading is as objects. Words are kept as their number among the declared
states, whole numbers are exact to 2**53, and NaN stands for a value that is missing or suspect. The time comes first; that of
a reading with any suspect value is negative.
"""

from collections.abc import Mapping
from operator import itemgetter
from struct import Struct
from typing import Any, NamedTuple

from schemas.kind import Kind
from schemas.metric import Aggregation, Nature

NAN = float("nan")
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
    simple: bool  # a gauge of floats, without a sketch

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
                metric.nature is Nature.GAUGE and metric.type == "float" and Aggregation.P95 not in metric.extra,
            )
            for place, metric in enumerate(kind.metrics, FIRST)
        )
        self.by_name = {column.name: column for column in self.columns}
        self.names = tuple(self.by_name)
        self.singles = tuple((column.name, column.place, column.nature is Nature.GAUGE, column.whole) for column in self.columns)
        # What a window must know of the time before it
        self.remembered = tuple(
            column.place
            for column in self.columns
            if column.nature is Nature.COUNTER or (column.nature is Nature.STATE and not column.tallied)
        )
        self.width = FIRST + len(self.columns)
        self.row = Struct(f"<{self.width}d")
        self._pick = itemgetter(*self.names) if len(self.names) > 1 else None
        self._codes = [
            (column.place - FIRST, {word: float(code) for code, word in enumerate(column.words)})
            for column in self.columns
            if column.words is not BOOLS and column.words
        ]

    def pack(self, ts_ms: int, values: Mapping[str, Any], flags: Mapping[str, str]) -> bytes:
        """A reading's row. TypeError, KeyError or struct.error where a value is not of its metric's type."""
        if flags:
            values = {name: value for name, value in values.items() if name not in flags}
        try:
            numbers = self._pick(values) if self._pick else [values.get(name, NAN) for name in self.names]
        except KeyError:  # not every metric is there
            numbers = [values.get(name, NAN) for name in self.names]
        if self._codes:
            numbers = list(numbers)
            for place, codes in self._codes:
                word = numbers[place]
                if word is not NAN:
                    numbers[place] = codes[word]
        return self.row.pack(-ts_ms if flags else ts_ms, *numbers)
