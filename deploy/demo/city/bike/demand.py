"""Who wants to ride from where to where: by hour, weekday, weather and season.

Gravity: a trip is the likelier the more live or work at its ends and the nearer they are. Mornings lead from homes to
work, evenings back, the rest of the day both ways [P].
"""

from bisect import bisect
from itertools import accumulate
from math import exp
from random import Random

from deploy.demo.city.bike.plan import Station
from deploy.demo.city.geo import Plane
from deploy.demo.city.moment import Moment
from deploy.demo.city.weather import Air

# Trips by hour of the day, in thousandths [P: two commuting peaks; a wide afternoon on free days]
_WORKDAY = (4, 2, 1, 1, 4, 16, 52, 108, 86, 44, 36, 44, 52, 44, 38, 42, 66, 112, 96, 60, 42, 28, 14, 8)
_FREE_DAY = (6, 3, 2, 1, 2, 6, 16, 30, 46, 62, 72, 72, 66, 68, 76, 80, 78, 74, 68, 60, 50, 34, 18, 10)
_OUT, _BACK, _OTHER = 0, 1, 2
_REACH_KM = 1.5  # the distance over which the wish to cycle falls to a third
_DETOUR = 1.25
_HANDLING_MIN = 2.0


class Demand:
    def __init__(self, stations: tuple[Station, ...], plane: Plane, trips_a_day: float, km_h: float) -> None:
        self.trips_a_day = trips_a_day
        places = [(one.lat, one.lon) for one in stations]
        self.km = [[plane.distance_km(a, b) * _DETOUR for b in places] for a in places]
        self.minutes = [[_HANDLING_MIN + km / km_h * 60 for km in row] for row in self.km]
        self.nearest = [sorted(range(len(places)), key=lambda n, row=row: row[n])[1:] for row in self.km]  # type: ignore[misc]
        home, work = [one.home for one in stations], [one.work for one in stations]
        both = [h + w for h, w in zip(home, work, strict=True)]
        self._starts = [list(accumulate(weights)) for weights in (home, work, both)]
        self._ends = [[self._towards(n, weights) for n in range(len(places))] for weights in (work, home, both)]

    def _towards(self, origin: int, weights: list[float]) -> list[float]:
        pull = [w * exp(-km / _REACH_KM) for w, km in zip(weights, self.km[origin], strict=True)]
        pull[origin] *= 0.05  # round trips are few
        return list(accumulate(pull))

    def rate(self, moment: Moment, air: Air) -> float:
        """Trips in a minute."""
        profile = _FREE_DAY if moment.day.free else _WORKDAY
        hour = int(moment.hour)
        share = moment.hour - hour
        now = profile[hour] * (1 - share) + profile[(hour + 1) % 24] * share
        week = 0.9 if moment.day.free else 1.0
        return self.trips_a_day * week * now / sum(profile) / 60 * comfort(air)

    def draw(self, moment: Moment, random: Random) -> tuple[int, int]:
        purpose = self._purpose(moment, random.random())
        origin = _pick(self._starts[purpose], random.random())
        return origin, _pick(self._ends[purpose][origin], random.random())

    @staticmethod
    def _purpose(moment: Moment, luck: float) -> int:
        if moment.day.free:
            return _OTHER
        morning, evening = 6 <= moment.hour < 9.5, 16.5 <= moment.hour < 20  # noqa: PLR2004 - hours
        if morning:
            return _OUT if luck < 0.8 else _OTHER  # noqa: PLR2004
        if evening:
            return _BACK if luck < 0.75 else _OTHER  # noqa: PLR2004
        return _OTHER


def comfort(air: Air) -> float:
    """The share of fine-weather trips that are still made: best about 22 Cel and dry [P]."""
    warm = exp(-(((air.outdoor_c - 22) / (13 if air.outdoor_c < 22 else 12)) ** 2))  # noqa: PLR2004
    return warm / (1 + 1.8 * air.rain_mm_h) if air.rain_mm_h > 0 else warm


def _pick(sums: list[float], luck: float) -> int:
    return min(len(sums) - 1, bisect(sums, luck * sums[-1]))
