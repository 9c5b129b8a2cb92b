"""The one weather that drives all four systems: a function of the seed and the moment, the same whenever a run begins."""

from functools import lru_cache
from math import cos, exp, pi, radians, sin, sqrt
from typing import NamedTuple

from deploy.demo.city.chance import dice
from deploy.demo.city.district import District
from deploy.demo.city.moment import Moment, Times
from deploy.demo.city.storms import Rain
from schemas.instants import DAY_MS, HOUR_MS

_YEAR_DAYS = 365.25
# Weather systems pass in three days to three weeks: sines of these periods with chance phases add up to weather [P]
_PERIODS_DAYS = (2.7, 3.6, 4.9, 6.8, 9.7, 14.3, 21.1)
_FREEZES_C = 0.5
_WARMEST_HOUR = 14.5
_GROUND_MEAN_C = 6.5


class Air(NamedTuple):
    """What all systems see of the weather.

    outdoor_c   Cel
    ground_c    Cel at 10 cm depth
    humidity    % relative
    sun         0 to 1 of the sun overhead in a clear sky
    rain_mm_h   over the district's middle, as water whether it falls as snow or not
    snow        it falls as snow
    """

    outdoor_c: float
    ground_c: float
    humidity: float
    sun: float
    rain_mm_h: float
    snow: bool


class Weather:
    def __init__(self, district: District, seed: int, times: Times) -> None:
        self._part, self._times = district.weather, times
        self._latitude = radians(district.lat)
        random = dice(seed, "weather")
        self._phases = [[random.uniform(0, 2 * pi) for _ in _PERIODS_DAYS] for _ in range(2)]
        self.rain = Rain(district.weather, times, seed)
        self._hourly = lru_cache(maxsize=256)(self._hour)

    def at(self, moment: Moment) -> Air:
        hour, rest = divmod(moment.ms, HOUR_MS)
        share = rest / HOUR_MS
        (cold_a, cloud_a), (cold_b, cloud_b) = self._hourly(hour), self._hourly(hour + 1)
        # a breath of a few minutes, so that no thermometer stands still
        breath = 0.18 * sin(moment.ms / 437_000) + 0.12 * sin(moment.ms / 191_000 + 1)
        outdoor = cold_a + share * (cold_b - cold_a) + breath
        rain = self.rain.at(moment, 0.0, 0.0)
        cloud = max(cloud_a + share * (cloud_b - cloud_a), min(1.0, rain / 2))
        warmth = cos(2 * pi * (moment.hour - _WARMEST_HOUR) / 24)
        dry = 62 + 12 * sin(2 * pi * (moment.day.of_year - 110) / _YEAR_DAYS) ** 2 - 14 * warmth + 10 * (cloud - 0.5)
        humidity = min(99.0, dry + min(30.0, 12 * rain))
        return Air(outdoor, self._ground(moment), humidity, self._sun(moment, cloud), rain, outdoor < _FREEZES_C)

    def outdoor(self, moment: Moment) -> float:
        return self.at(moment).outdoor_c

    def _hour(self, hour: int) -> tuple[float, float]:
        """Temperature and cloud at a full hour (of UTC, which shares its hours with Harbin)."""
        moment = self._times.at(hour * HOUR_MS)
        days = moment.ms / DAY_MS
        front, cloudiness = (self._sines(phases, days) for phases in self._phases)
        cloud = 1 / (1 + exp(-1.3 * cloudiness))
        part = self._part
        mean = monthly(part.mean_c, moment) + front * monthly(part.synoptic_k, moment)
        for spell in part.cold_spells:
            mean += self._inside(spell.since, spell.to, moment) * (spell.mean_c + 1.2 * front - mean)
        swing = monthly(part.swing_k, moment) * (1.25 - 0.55 * cloud)
        return mean + 0.5 * swing * cos(2 * pi * (moment.hour - _WARMEST_HOUR) / 24), cloud

    @staticmethod
    def _sines(phases: list[float], days: float) -> float:
        """Mean 0, standard deviation 1."""
        total = sum(sin(2 * pi * days / period + phase) for period, phase in zip(_PERIODS_DAYS, phases, strict=True))
        return total * sqrt(2 / len(_PERIODS_DAYS))

    def _inside(self, since: int, to: int, moment: Moment) -> float:
        """0 outside a spell, 1 in it; it comes and goes within the day before and the day after."""
        day = moment.day.number
        inside = [_between(self._times.day(day + shift).month_day, since, to) for shift in (-1, 0, 1)]
        if inside[1]:
            return 1.0
        share = moment.hour / 24
        return max(inside[2] * share, inside[0] * (1 - share))

    def _ground(self, moment: Moment) -> float:
        """Lags the seasons by three weeks, and is kept from deep frost by snow [P]."""
        three_weeks_ago = monthly(self._part.mean_c, self._times.at(moment.ms - 21 * DAY_MS))
        season = _GROUND_MEAN_C + 0.75 * (three_weeks_ago - _GROUND_MEAN_C)
        daily = cos(2 * pi * (moment.hour - 17.5) / 24)
        return season + 1.6 * daily if season > 0 else 0.45 * season + 0.3 * daily

    def _sun(self, moment: Moment, cloud: float) -> float:
        tilt = radians(-23.44) * cos(2 * pi * (moment.day.of_year + 10) / _YEAR_DAYS)
        height = sin(self._latitude) * sin(tilt) + cos(self._latitude) * cos(tilt) * cos(pi * (moment.hour - 11.6) / 12)
        return max(0.0, height) * (1 - 0.75 * cloud)


def monthly(values: tuple[float, ...], moment: Moment) -> float:
    """Between the middles of two months."""
    position = (moment.day.of_year + moment.hour / 24 - 1) / _YEAR_DAYS * 12 - 0.5
    month, share = divmod(position, 1)
    here, after = values[int(month) % 12], values[int(month + 1) % 12]
    return here + share * (after - here)


def _between(month_day: int, since: int, to: int) -> bool:
    return since <= month_day < to if since <= to else month_day >= since or month_day < to
