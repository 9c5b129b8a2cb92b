"""Places on a plane: kilometres east and north of the district's middle, and back. Good to a metre over ten kilometres."""

from math import cos, hypot, pi, radians, sin, sqrt
from random import Random

_KM_A_DEGREE = 111.2


class Plane:
    def __init__(self, lat: float, lon: float) -> None:
        self._lat, self._lon = lat, lon
        self._shrink = cos(radians(lat))

    def km(self, lat: float, lon: float) -> tuple[float, float]:
        """East and north of the middle."""
        return (lon - self._lon) * _KM_A_DEGREE * self._shrink, (lat - self._lat) * _KM_A_DEGREE

    def shift(self, lat: float, lon: float, east_km: float, north_km: float) -> tuple[float, float]:
        """A place so far from another, in degrees of six decimals, which is a hand's breadth."""
        return (
            round(lat + north_km / _KM_A_DEGREE, 6),
            round(lon + east_km / (_KM_A_DEGREE * self._shrink), 6),
        )

    def scatter(self, random: Random, lat: float, lon: float, radius_km: float) -> tuple[float, float]:
        """Evenly over a disc."""
        angle, distance = random.uniform(0, 2 * pi), radius_km * sqrt(random.random())
        return self.shift(lat, lon, distance * sin(angle), distance * cos(angle))

    def distance_km(self, a: tuple[float, float], b: tuple[float, float]) -> float:
        (ax, ay), (bx, by) = self.km(*a), self.km(*b)
        return hypot(ax - bx, ay - by)
