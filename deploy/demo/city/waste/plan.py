"""Transfer stations with their machines, and the containers that belong to them."""

from dataclasses import dataclass

from deploy.demo.city.chance import dice
from deploy.demo.city.district import District
from deploy.demo.city.geo import Plane

SUMP_DEPTH_M = 2.5
SUMP_START_M, SUMP_STOP_M = 1.5, 0.4
_PLACES = ("Gate", "Market", "Bus stop", "School", "Park", "Clinic", "Yard", "Canteen")
_PLACES_ZH = ("门口", "市场", "公交站", "学校", "公园", "诊所", "小区院内", "食堂")


@dataclass(frozen=True)
class Transfer:
    """A station; `number` counts from 1, `daily_kg` is what comes on an average day."""

    id: str
    number: int
    zone: str
    lat: float
    lon: float
    name: str
    compactors: tuple[str, ...]
    bridge: str
    air: str
    sump: str
    daily_kg: float


@dataclass(frozen=True)
class Bin:
    """`daily_kg` is thrown into it on an average day."""

    id: str
    zone: str
    lat: float
    lon: float
    name: str
    station: str
    daily_kg: float


@dataclass(frozen=True)
class WastePlan:
    stations: tuple[Transfer, ...]
    bins: tuple[Bin, ...]


def plan_waste(district: District, plane: Plane) -> WastePlan:
    part = district.waste
    stations = []
    share = {zone.id: zone.residents + 0.3 * zone.jobs for zone in district.zones}
    owner = {zone.id: _nearest(district, plane, zone.lat, zone.lon) for zone in district.zones}
    daily_kg = district.residents * part.kg_a_resident_day
    for number, place in enumerate(part.stations, 1):
        # A zone with a station of its own brings its waste there, shared between them; the others go to the nearest
        own = [each for each in part.stations if each.zone == place.zone]
        weight = share[place.zone] / len(own)
        weight += sum(share[zone] for zone in share if owner[zone] == place.id and all(s.zone != zone for s in part.stations))
        compactors = tuple(
            f"WC-{(number - 1) * part.compactors_a_station + each + 1:03d}" for each in range(part.compactors_a_station)
        )
        stations.append(
            Transfer(
                place.id, number, place.zone, place.lat, place.lon, f"{place.en} {place.zh}", compactors,
                f"WB-{number:03d}", f"WA-{number:03d}", f"WL-{number:03d}", daily_kg * weight / sum(share.values()),
            )
        )  # fmt: skip
    return WastePlan(tuple(stations), _bins(district, plane))


def _bins(district: District, plane: Plane) -> tuple[Bin, ...]:
    random = dice(district.layout_seed, "bins")
    part = district.waste
    roomy_kg = part.bin_m3 * part.kg_m3
    bins: list[Bin] = []
    for zone_id, count in part.bins.items():
        zone = district.by_zone[zone_id]
        for _ in range(count):
            lat, lon = plane.scatter(random, zone.lat, zone.lon, zone.radius_km)
            place = random.randrange(len(_PLACES))
            number = len(bins) + 1
            bins.append(
                Bin(
                    f"WN-{number:04d}", zone_id, lat, lon, f"{_PLACES[place]} {number} {zone.zh}{_PLACES_ZH[place]}",
                    _nearest(district, plane, lat, lon), roomy_kg * min(0.78, max(0.18, random.gauss(0.45, 0.16))),
                )
            )  # fmt: skip
    return tuple(bins)


def _nearest(district: District, plane: Plane, lat: float, lon: float) -> str:
    return min(district.waste.stations, key=lambda s: plane.distance_km((lat, lon), (s.lat, s.lon))).id
