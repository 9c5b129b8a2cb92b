"""Which window a time falls in. Minutes and quarters are those of UTC, hours and days those of the city's clock."""

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.aggregate import DAY, HOUR, MINUTE, QUARTER
from schemas.instants import HOUR_MS, MINUTE_MS, SECOND_MS, from_ms, to_ms

_LENGTH_MS = {MINUTE: MINUTE_MS, QUARTER: 15 * MINUTE_MS}


class Span(NamedTuple):
    start: int
    end: int


class Calendar:
    """The windows of every level. Those of one level follow each other without a gap, whatever the clocks do.

    A day is as long as the city makes it. An hour is 60 minutes; where clocks jump by half of one it is cut short by the jump.
    """

    def __init__(self, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)
        self.span = lru_cache(maxsize=4_096)(self._span)

    def _span(self, level: str, ms: int) -> Span:
        """The window of that level with `ms` in it."""
        if level == HOUR:
            return self._hour(ms)
        if level == DAY:
            today = from_ms(ms).astimezone(self._zone).date()
            return Span(self._midnight(today), self._midnight(today + timedelta(days=1)))
        length = _LENGTH_MS[level]
        start = ms - ms % length
        return Span(start, start + length)

    def year(self, ms: int) -> int:
        return from_ms(ms).astimezone(self._zone).year

    def _midnight(self, day: date) -> int:
        """Where clocks skip midnight, the day begins with the jump; where it strikes twice, with the first."""
        local = datetime.combine(day, time(), self._zone)
        return to_ms(local.astimezone(UTC))

    def _hour(self, ms: int) -> Span:
        start = ms - (ms + self._offset(ms)) % HOUR_MS
        if self._offset(start) % HOUR_MS != self._offset(ms) % HOUR_MS:
            start = self._jump(start, ms)
        end = start - (start + self._offset(start)) % HOUR_MS + HOUR_MS
        if self._offset(end) % HOUR_MS != self._offset(start) % HOUR_MS:
            end = self._jump(start, end)
        return Span(start, end)

    def _offset(self, ms: int) -> int:
        offset = from_ms(ms).astimezone(self._zone).utcoffset()
        assert offset is not None
        return round(offset.total_seconds()) * SECOND_MS

    def _jump(self, before: int, after: int) -> int:
        """The first second whose offset is that of `after`."""
        seconds = range(before // SECOND_MS, after // SECOND_MS + 1)
        new = self._offset(after)
        return seconds[bisect_left(seconds, x=True, key=lambda s: self._offset(s * SECOND_MS) == new)] * SECOND_MS
