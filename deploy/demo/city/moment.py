"""Local time by arithmetic: weekday, hour and season of a moment, without a time-zone database in the inner loop."""

from collections.abc import Collection
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from schemas.instants import DAY_MS, HOUR_MS

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_MONDAY = 3  # 1970-01-01 was a Thursday
_SATURDAY = 5


class Day(NamedTuple):
    """A local day. `number` counts days since 1970, `weekday` is 0 on Mondays, `free` on weekends and holidays."""

    number: int
    date: date
    weekday: int
    month_day: int
    of_year: float
    free: bool


class Moment(NamedTuple):
    ms: int
    day: Day
    hour: float  # 0 to 24, local


class Times:
    """Turns milliseconds into local moments of one district."""

    def __init__(self, utc_offset_h: float, holidays: Collection[date] = ()) -> None:
        self.offset_ms = round(utc_offset_h * HOUR_MS)
        self._holidays = frozenset(holidays)
        self._day = lru_cache(maxsize=64)(self._make_day)

    def at(self, ms: int) -> Moment:
        number, rest = divmod(ms + self.offset_ms, DAY_MS)
        return Moment(ms, self._day(number), rest / HOUR_MS)

    def day(self, number: int) -> Day:
        return self._day(number)

    def start_ms(self, day: Day) -> int:
        """Local midnight at the day's beginning."""
        return day.number * DAY_MS - self.offset_ms

    def _make_day(self, number: int) -> Day:
        when = date.fromordinal(_EPOCH_ORDINAL + number)
        weekday = (number + _MONDAY) % 7
        free = weekday >= _SATURDAY or when in self._holidays
        return Day(number, when, weekday, when.month * 100 + when.day, float(when.timetuple().tm_yday), free)
