"""What stands where in the heat network: boiler houses, exchange stations along their trunk pipes, rooms with a thermometer."""

from dataclasses import dataclass
from math import atan2, pi

from deploy.demo.city.chance import dice
from deploy.demo.city.district import District
from deploy.demo.city.geo import Plane
from deploy.demo.city.heat.design import WATER_KG_M3, HeatDesign

Curve = tuple[tuple[float, float], ...]
_TRUNKS = 3  # pipes that leave a boiler house
_SPARE = 1.3  # of a boiler house over the design load: cold mornings, reheating after a stop
_DETOUR = 1.3  # streets against the straight line
_PA_M = 45.0  # friction the pipes are laid for [P: economic 30 to 70]
_ROUGHNESS_M = 0.0005  # of steel pipes of hot water [P: CJJ 34]
_RESERVE = 1.02


@dataclass(frozen=True)
class Plant:
    id: str
    zone: str
    lat: float
    lon: float
    name: str
    rated_kw: float
    design_flow_m3_h: float
    curve: Curve


@dataclass(frozen=True)
class Exchange:
    """`upstream` is the station before it on its trunk, or the plant; `length_m` and `diameter_m` are the pipe's from there."""

    id: str
    zone: str
    lat: float
    lon: float
    name: str
    plant: str
    upstream: str
    length_m: float
    diameter_m: float
    area_m2: float
    design_flow_m3_h: float  # secondary
    curve: Curve


@dataclass(frozen=True)
class Room:
    """`emission` and `loss` are against the building's average: a corner flat under the roof loses more."""

    id: str
    exchange: str
    zone: str
    lat: float
    lon: float
    name: str
    emission: float
    loss: float
    hours: float  # time constant of its walls


@dataclass(frozen=True)
class HeatPlan:
    design: HeatDesign
    plants: tuple[Plant, ...]
    exchanges: tuple[Exchange, ...]  # upstream ones first
    rooms: tuple[Room, ...]


def plan_heat(district: District, plane: Plane) -> HeatPlan:
    design = HeatDesign(district.heat)
    sites = _sites(district, plane)
    groups = _share_out(sites, district, plane)
    exchanges = [one for plant, members in groups.items() for one in _trunks(plant, members, design, district, plane)]
    exchanges.sort(key=lambda one: one.id)
    return HeatPlan(design, _plants(district, design, exchanges), _upstream_first(exchanges), _rooms(district, plane, exchanges))


@dataclass(frozen=True)
class _Site:
    id: str
    zone: str
    lat: float
    lon: float
    name: str
    area_m2: float


def _sites(district: District, plane: Plane) -> list[_Site]:
    random = dice(district.layout_seed, "exchanges")
    sites: list[_Site] = []
    for zone_id, count in district.heat.exchanges.items():
        zone = district.by_zone[zone_id]
        for number in range(1, count + 1):
            lat, lon = plane.scatter(random, zone.lat, zone.lon, 0.85 * zone.radius_km)
            area = round(random.uniform(*district.heat.area_m2), -3)
            name = f"{zone.en} {number} {zone.zh}{number}号换热站"
            sites.append(_Site(f"HX-{len(sites) + 1:03d}", zone_id, lat, lon, name, area))
    return sites


def _share_out(sites: list[_Site], district: District, plane: Plane) -> dict[str, list[_Site]]:
    """Each to the nearest boiler house that can still carry it, the nearest ones first."""
    part = district.heat
    left_w = {plant.id: plant.rated_mw * 1e6 / _SPARE for plant in part.plants}
    groups: dict[str, list[_Site]] = {plant.id: [] for plant in part.plants}

    def distance(site: _Site, plant: str) -> float:
        place = next(each for each in part.plants if each.id == plant)
        return plane.distance_km((site.lat, site.lon), (place.lat, place.lon))

    for site in sorted(sites, key=lambda site: min(distance(site, plant) for plant in groups)):
        need = site.area_m2 * part.load_w_m2
        for plant in sorted(groups, key=lambda plant: distance(site, plant)):
            if left_w[plant] >= need or plant == max(left_w, key=lambda name: left_w[name]):
                left_w[plant] -= need
                groups[plant].append(site)
                break
    return groups


def _trunks(plant_id: str, members: list[_Site], design: HeatDesign, district: District, plane: Plane) -> list[Exchange]:
    """Three pipes in three directions; along each the stations hang one after the other, the pipe growing thinner."""
    plant = next(each for each in district.heat.plants if each.id == plant_id)
    px, py = plane.km(plant.lat, plant.lon)

    def angle(site: _Site) -> float:
        x, y = plane.km(site.lat, site.lon)
        return atan2(x - px, y - py) % (2 * pi)

    ordered = sorted(members, key=angle)
    size = -(-len(ordered) // _TRUNKS) if ordered else 1
    made: list[Exchange] = []
    for start in range(0, len(ordered), size):
        trunk = sorted(
            ordered[start : start + size], key=lambda site: plane.distance_km((site.lat, site.lon), (plant.lat, plant.lon))
        )
        before, here = plant_id, (plant.lat, plant.lon)
        for place, site in enumerate(trunk):
            kg_s = sum(after.area_m2 for after in trunk[place:]) * design.primary_kg_s_m2
            length = max(120.0, plane.distance_km(here, (site.lat, site.lon)) * 1000 * _DETOUR)
            flow = site.area_m2 * design.secondary_kg_s_m2 * 3600 / WATER_KG_M3
            made.append(
                Exchange(
                    site.id, site.zone, site.lat, site.lon, site.name, plant_id, before, round(length), diameter_for(kg_s),
                    site.area_m2, round(flow, 1), design.curve(),
                )
            )  # fmt: skip
            before, here = site.id, (site.lat, site.lon)
    return made


def diameter_for(kg_s: float) -> float:
    """The next larger of the usual diameters, in m, that keeps friction at what pipes are laid for."""
    for diameter in (0.10, 0.125, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50, 0.60, 0.70, 0.80, 0.90, 1.0):
        if resistance(1.0, diameter) * kg_s**2 <= _PA_M:
            return diameter
    return 1.2


def resistance(length_m: float, diameter_m: float) -> float:
    """Pa for each (kg/s)^2, fully rough: friction 0.11 (k/d)^0.25 (Shifrinson), a third more for bends and valves."""
    friction = 0.11 * float((_ROUGHNESS_M / diameter_m) ** 0.25)
    area = pi * diameter_m**2 / 4
    return 1.3 * friction * length_m / diameter_m / (2 * WATER_KG_M3 * area**2)


def _plants(district: District, design: HeatDesign, exchanges: list[Exchange]) -> tuple[Plant, ...]:
    made = []
    for part in district.heat.plants:
        area = sum(one.area_m2 for one in exchanges if one.plant == part.id)
        flow = area * design.primary_kg_s_m2 * 3600 / WATER_KG_M3
        name = f"{part.en} {part.zh}"
        made.append(
            Plant(part.id, part.zone, part.lat, part.lon, name, part.rated_mw * 1e3, round(flow, 0), district.heat.primary)
        )
    return tuple(made)


def _upstream_first(exchanges: list[Exchange]) -> tuple[Exchange, ...]:
    """Ordered so that what feeds a station comes before it."""
    depth: dict[str, int] = {}
    by_id = {one.id: one for one in exchanges}

    def steps(one: Exchange) -> int:
        if one.id not in depth:
            depth[one.id] = 1 + steps(by_id[one.upstream]) if one.upstream in by_id else 0
        return depth[one.id]

    return tuple(sorted(exchanges, key=lambda one: (one.plant, steps(one), one.id)))


def _rooms(district: District, plane: Plane, exchanges: list[Exchange]) -> tuple[Room, ...]:
    random = dice(district.layout_seed, "rooms")
    rooms = []
    for number in range(district.heat.rooms):
        station = exchanges[number % len(exchanges)]
        block, floor, door = random.randint(1, 24), random.randint(1, 18), random.randint(1, 4)
        lat, lon = plane.scatter(random, station.lat, station.lon, 0.35)
        loss = min(1.045, max(0.955, random.gauss(1.0, 0.025)))
        emission = loss * min(1.13, max(0.955, random.gauss(_RESERVE, 0.045)))  # the larger radiator stands in the colder room
        name = f"Block {block}, flat {floor}{door:02d} {block}号楼{floor}{door:02d}"
        rooms.append(
            Room(f"HI-{number + 1:04d}", station.id, station.zone, lat, lon, name, emission, loss, random.uniform(45, 90))
        )  # fmt: skip
    return tuple(rooms)
