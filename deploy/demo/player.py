"""Plays recordings: where in time each is put, what of it is played, and how they run beside each other. Pure.

Time is moved, never bent: all that one recording says lies the same whole number of weeks later, so hours and weekdays are as
they were, and what was absurd in it stays absurd. What then lies beyond retention is sent all the same, to be refused as that.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import NamedTuple

from deploy.demo.recordings.recording import Message, Period, Recording
from schemas.instants import DAY_MS, WEEK_MS


class Due(NamedTuple):
    """A message and when it is due, in milliseconds of the feed's own time since it began."""

    at_ms: int
    message: Message


@dataclass(frozen=True)
class Track:
    """A recording put into the present: everything `shift_ms` later, and only what was sent from `from_ms` on (in moved time)."""

    recording: Recording
    shift_ms: int
    from_ms: int | None = None

    @property
    def period(self) -> Period:
        """The part that is played, moved."""
        recorded = self.recording.period
        first_ms = recorded.first_ms + self.shift_ms
        return Period(max(first_ms, self.from_ms or first_ms), recorded.last_ms + self.shift_ms)

    def messages(self) -> Iterator[Message]:
        messages = self.recording.messages(self.shift_ms)
        return (message for message in messages if self.from_ms is None or message.at_ms >= self.from_ms)

    def days_before(self, moment_ms: int) -> float:
        """How much of the part that is played lies before a moment, such as the end of what the store keeps."""
        period = self.period
        return max(0, min(moment_ms, period.last_ms) - period.first_ms) / DAY_MS


def whole_weeks(last_ms: int, now_ms: int) -> int:
    """The shift that brings a moment into the week that ends now."""
    return (now_ms - last_ms) // WEEK_MS * WEEK_MS


def put(recording: Recording, now_ms: int, *, last_days: float | None = None, keep_time: bool = False) -> Track:
    """`last_days` counts back from the recording's own end; `keep_time` leaves it in the past it comes from."""
    last_ms = recording.period.last_ms
    shift_ms = 0 if keep_time else whole_weeks(last_ms, now_ms)
    return Track(recording, shift_ms, None if last_days is None else last_ms + shift_ms - round(last_days * DAY_MS))


def together(tracks: Sequence[Track]) -> Iterator[Due]:
    """All tracks side by side, each from its own first message.

    The ends of the recordings lie on different days of the week. Merged by the calendar they would follow each other, with days
    of silence between them; begun together they flow together. The times they speak of are not touched by this.
    """
    return merge(*(_from_zero(track.messages()) for track in tracks), key=lambda due: due.at_ms)


def _from_zero(messages: Iterable[Message]) -> Iterator[Due]:
    first_ms: int | None = None
    for message in messages:
        first_ms = message.at_ms if first_ms is None else first_ms
        yield Due(message.at_ms - first_ms, message)
