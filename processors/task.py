"""What a role is: a pure task for each partition. The loop in runner.py does the rest."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

from schemas.ports import OutRecord, Partition, Position, Record


class Point(NamedTuple):
    """One line of line protocol, and the record that it came from should the database refuse it."""

    bucket: str
    line: str
    source: Record


new_point = partial(tuple.__new__, Point)  # a third of the price of the constructor


@dataclass(slots=True)
class Output:
    """What came of a batch. `counts` are (name, stream, reason or "") -> how many."""

    records: list[OutRecord] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)


class Task(Protocol):
    """The work on one partition. Records come in order of offset, each exactly once unless the partition is started anew."""

    def warm(self, records: Sequence[Record]) -> None:
        """Records from before the start: to remember, not to answer."""
        ...

    def feed(self, records: Sequence[Record]) -> Output: ...

    def position(self) -> Position:
        """Where a successor must start once all output so far is safe: never past a record that is still needed."""
        ...


class Tasks(Protocol):
    """Makes the tasks of a role."""

    @property
    def topics(self) -> Sequence[str]: ...

    def memory_ms(self, partition: Partition) -> int:
        """How far before its start a task must be warmed; 0 for tasks without memory."""
        ...

    def start(self, partition: Partition, position: Position) -> Task: ...

    def refresh(self, *, up_to_now: bool = False) -> None:
        """Called before each batch: takes up what changed in the tables the role looks things up in.

        With `up_to_now` before partitions are started: also what whoever had them before wrote a moment ago.
        """
        ...
