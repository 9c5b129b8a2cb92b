"""How far a partition is in time, and from where a successor must read.

A partition's clock moves in turns: at the first record of each second that is later than all before. At a turn what is over
is written, what changed is written again, and what can change no more is closed; between turns nothing is written. So what a
task writes depends on the log alone, and not on how it was cut into batches.
"""

from schemas.instants import SECOND_MS
from schemas.ports import Position


def next_second(ms: int) -> int:
    return (ms // SECOND_MS + 1) * SECOND_MS


class Progress:
    """Of a task that is built up again from its own log: what it commits is the oldest offset that an open window needs.

    With it goes the clock of the last turn. A successor begins there with that clock, so what was closed stays closed, and is
    `muted` until it meets the record of that turn again: the first that is not earlier than the clock, as it was the first
    time. All that was written by then was safe before the commit; from there on everything is written.
    """

    __slots__ = ("_turn_offset", "clock_ms", "heard_ms", "muted", "next_turn_ms", "oldest")

    def __init__(self, position: Position) -> None:
        self.clock_ms = position.clock_ms
        self.heard_ms = 0  # the latest record that moved time, which the clock of a successor is ahead of at first
        self.next_turn_ms = 0  # a record of this time or later makes the next turn
        self.muted = position.clock_ms > 0
        self.oldest: dict[int, int] = {}  # start of each open window -> offset of the first record in any of its devices'
        self._turn_offset = position.offset

    def turn(self, stamp_ms: int, offset: int) -> bool:
        """False while it is a repetition of what was done before."""
        self.heard_ms, self.next_turn_ms = stamp_ms, next_second(stamp_ms)
        if stamp_ms < self.clock_ms:
            return False
        self.clock_ms, self.muted, self._turn_offset = stamp_ms, False, offset
        return True

    def position(self) -> Position:
        return Position(min([self._turn_offset, *self.oldest.values()]), self.clock_ms)
