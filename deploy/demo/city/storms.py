"""Rain: storms that cross the district, made by chance from the month's figures, named in its file, or recorded elsewhere."""

import csv
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from math import cos, exp, radians, sin
from random import Random
from typing import NamedTuple

from deploy.demo.city.chance import dice
from deploy.demo.city.district import DistrictError, RecordedRain, StormPart, WeatherPart
from deploy.demo.city.moment import Day, Moment, Times
from schemas.instants import HOUR_MS, MINUTE_MS

# Chicago hyetograph on Harbin's intensity-duration curve i ~ 1 / (t + 10)^0.88, peak at 0.4 of the duration [P: 1980s formula]
_B_MIN, _N, _PEAK = 10.0, 0.88, 0.4
_SHOWER_KM, _FRONT_KM = 5.0, 40.0  # half width of a thunderstorm cell, of a front [P]
_SHOWER_KM_H, _FRONT_KM_H = 25.0, 40.0
_LONGEST_DAYS = 2


class Storm(NamedTuple):
    """`mm_h` is the intensity in each minute at the middle of its track, `x_km` how far that is from the district's middle."""

    start_ms: int
    mm_h: Sequence[float]
    bearing_deg: float
    km_h: float
    x_km: float
    half_width_km: float

    def at(self, ms: int, east_km: float, north_km: float) -> float:
        """mm/h at a place: the storm arrives later down its way, and weaker to the sides."""
        angle = radians(self.bearing_deg)
        along = east_km * sin(angle) + north_km * cos(angle)
        minute = int((ms - self.start_ms) / MINUTE_MS - along / self.km_h * 60)
        if not 0 <= minute < len(self.mm_h):
            return 0.0
        beside = east_km * cos(angle) - north_km * sin(angle) - self.x_km
        return self.mm_h[minute] * exp(-0.5 * (beside / self.half_width_km) ** 2)


def hyetograph(depth_mm: float, minutes: float) -> list[float]:
    """mm/h for each minute; its sum is the depth."""
    count = max(5, round(minutes))
    shape = []
    for minute in range(count):
        after = (minute + 0.5) - _PEAK * count
        t = after / (1 - _PEAK) if after > 0 else -after / _PEAK
        shape.append(((1 - _N) * t + _B_MIN) / (t + _B_MIN) ** (1 + _N))
    scale = depth_mm * 60 / sum(shape)
    return [value * scale for value in shape]


class Rain:
    """mm/h anywhere in the district at any moment; a day's storms depend on the seed and the day alone."""

    def __init__(self, part: WeatherPart, times: Times, seed: int) -> None:
        self._part, self._times, self._seed = part, times, seed
        self._recorded = _Recorded(part.recorded_rain, times) if part.recorded_rain else None
        self.storms_of = lru_cache(maxsize=32)(self._storms_of)

    def at(self, moment: Moment, east_km: float, north_km: float) -> float:
        if self._recorded:
            return self._recorded.at(moment.ms, east_km, north_km)
        today = moment.day.number
        nearby = (storm for number in range(today - _LONGEST_DAYS + 1, today + 1) for storm in self.storms_of(number))
        return sum(storm.at(moment.ms, east_km, north_km) for storm in nearby)

    def _storms_of(self, number: int) -> tuple[Storm, ...]:
        day = self._times.day(number)
        named = [part for part in self._part.storms if part.at[:5] == f"{day.date:%m-%d}"]
        if named:  # on such a day the file says all
            return tuple(self._named(part, day) for part in named)
        random = dice(self._seed, "storms", number)
        month = day.date.month - 1
        wet_days = self._part.wet_days[month]
        if random.random() >= wet_days / 30.4:
            return ()
        depth_mm = random.expovariate(wet_days / self._part.rain_mm[month])
        summer = 5 <= day.date.month <= 9  # noqa: PLR2004 - months
        if random.random() < (0.65 if summer else 0.15):
            hour = random.gauss(16.0, 3.0)  # convection of the afternoon
            return (self._shower(random, self._ms(day, hour), depth_mm, random.uniform(30, 110)),)
        front = hyetograph(depth_mm, random.uniform(240, 720))
        flat = [0.5 * mm_h + 0.5 * depth_mm * 60 / len(front) for mm_h in front]
        return (Storm(self._ms(day, random.uniform(0, 16)), flat, random.gauss(80, 25), _FRONT_KM_H, 0.0, _FRONT_KM),)

    def _named(self, part: StormPart, day: Day) -> Storm:
        hour = int(part.at[6:8]) + int(part.at[9:]) / 60
        # As deep as the file says over the district's middle, and nearly so all over it
        return Storm(self._ms(day, hour), hyetograph(part.depth_mm, part.minutes), 70.0, _SHOWER_KM_H, 0.0, 2 * _SHOWER_KM)

    def _shower(self, random: Random, start_ms: int, depth_mm: float, minutes: float) -> Storm:
        bearing, beside = random.gauss(70, 30), random.uniform(-6, 6)
        return Storm(start_ms, hyetograph(1.4 * depth_mm, minutes), bearing, _SHOWER_KM_H, beside, _SHOWER_KM)

    def _ms(self, day: Day, hour: float) -> int:
        return self._times.start_ms(day) + round(hour * HOUR_MS)


class _Recorded:
    """Hourly sums as a file has them, evenly over each hour; after its end it begins again."""

    def __init__(self, part: RecordedRain, times: Times) -> None:
        try:
            with part.file.open(encoding="utf-8", newline="") as stream:
                rows = [(datetime.fromisoformat(row[part.time]), float(row[part.mm] or 0)) for row in csv.DictReader(stream)]
        except (OSError, KeyError, ValueError) as error:
            raise DistrictError(f"recorded_rain {part.file}: {error!r}") from error
        if not rows:
            raise DistrictError(f"recorded_rain {part.file}: no rows")
        first = rows[0][0]
        self._mm = {round((when - first) / timedelta(hours=1)): mm for when, mm in rows}
        self._hours = max(self._mm) + 1
        self._start_ms = times.start_ms(times.day((part.since - datetime(1970, 1, 1).date()).days))  # noqa: DTZ001 - a date

    def at(self, ms: int, east_km: float, north_km: float) -> float:
        hour = (ms - self._start_ms) // HOUR_MS % self._hours
        patchy = 1 + 0.2 * sin(1.7 * east_km + 0.9 * north_km + hour)
        return self._mm.get(hour, 0.0) * patchy
