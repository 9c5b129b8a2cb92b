"""When a rule is in force: days of the year and hours of the day on the city's clocks."""

from functools import lru_cache
from zoneinfo import ZoneInfo

from processors.rules.model import Hours, Season
from schemas.instants import MINUTE_MS, from_ms

_QUARTER_MS = 15 * MINUTE_MS  # no zone's clock differs from UTC by anything finer


class CityClock:
    def __init__(self, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)
        self._quarter = lru_cache(maxsize=1_024)(self._look_up)

    def _look_up(self, quarter: int) -> tuple[int, int]:
        local = from_ms(quarter * _QUARTER_MS).astimezone(self._zone)
        return local.month * 100 + local.day, local.hour * 60 + local.minute

    def holds(self, season: Season | None, hours: Hours | None, ms: int) -> bool:
        month_day, minute = self._quarter(ms // _QUARTER_MS)
        minute += ms % _QUARTER_MS // MINUTE_MS
        return (season is None or _within(season.since, season.to, month_day)) and (
            hours is None or _within(hours.since, hours.to, minute)
        )


def _within(since: int, to: int, now: int) -> bool:
    if since <= to:
        return since <= now < to
    return now >= since or now < to
