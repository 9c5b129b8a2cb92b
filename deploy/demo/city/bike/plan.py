"""Where the bicycle stations stand and how large they are."""

from dataclasses import dataclass

from deploy.demo.city.chance import dice
from deploy.demo.city.district import District
from deploy.demo.city.geo import Plane


@dataclass(frozen=True)
class Station:
    """`home` and `work` say how many live and work around it, against an average station of the district."""

    id: str
    zone: str
    lat: float
    lon: float
    name: str
    docks: int
    home: float
    work: float


@dataclass(frozen=True)
class BikePlan:
    stations: tuple[Station, ...]
    bikes: int
    reporting: int  # of the bikes, the first ones


def vehicle_id(number: int) -> str:
    """Of the bicycle of that number, counted from 0."""
    return f"BV-{number + 1:05d}"


def plan_bike(district: District, plane: Plane) -> BikePlan:
    random = dice(district.layout_seed, "stations")
    part = district.bike
    total = max(1, sum(part.stations.values()))
    jobs = sum(zone.jobs for zone in district.zones)
    stations: list[Station] = []
    for zone_id, count in part.stations.items():
        zone = district.by_zone[zone_id]
        home = zone.residents / district.residents * total / max(1, count)
        work = zone.jobs / jobs * total / max(1, count)
        for number in range(1, count + 1):
            lat, lon = plane.scatter(random, zone.lat, zone.lon, zone.radius_km)
            size = random.triangular(0, 1, 0.35)
            docks = 2 * round((part.docks[0] + size * (part.docks[1] - part.docks[0])) / 2)
            name = f"{zone.en} {number} {zone.zh}{number}号站"
            lean = random.lognormvariate(0, 0.35)  # a gate, a bus stop, a quiet corner
            stations.append(
                Station(
                    f"BK-{len(stations) + 1:04d}", zone_id, lat, lon, name, docks, home * lean * (0.6 + size),
                    work * lean * (0.6 + size),
                )
            )  # fmt: skip
    return BikePlan(tuple(stations), part.bikes, min(part.bikes, part.reporting_bikes))
