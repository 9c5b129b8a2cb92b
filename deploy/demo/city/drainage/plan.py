"""The sewers: to each basin a trunk of manholes from one direction, with a branch at every one, and what hangs on them."""

from dataclasses import dataclass, field
from math import cos, radians, sin

from deploy.demo.city.chance import dice
from deploy.demo.city.district import Basin, District
from deploy.demo.city.geo import Plane

_SPACING_KM = 0.18
_FALL = 0.0022  # m/m of the trunk
_BRANCH_FALL = 0.004
# Diameters in m along a trunk, from the top to the basin; branches are of the first [P: sized for a storm of one to two years]
_TRUNK_M = (0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.6, 1.8, 1.8)
_BRANCH_M = 0.6
TANK_DEPTH_M = 5.5  # bed to weir
SUMP_DEPTH_M = 2.0  # of it, where it is narrow
SUMP_AREA_M2 = 420.0
START_1_M, STOP_1_M, START_2_M, STOP_2_M = 1.3, 0.5, 2.2, 1.3
PUMP_M3_S = 0.16  # each of two
WARN_M, CLOSE_M = 0.15, 0.27  # P: ponding standards; 15 cm is a kerb, 27 cm the exhaust of a car


@dataclass(frozen=True)
class Gauge:
    id: str
    zone: str
    lat: float
    lon: float
    name: str


@dataclass(frozen=True)
class Manhole:
    """`below` is the next manhole, or the inlet of the basin; the pipe to it is `length_m` long."""

    id: str
    zone: str
    basin: str
    lat: float
    lon: float
    name: str
    below: str
    length_m: float
    diameter_m: float
    bed_m: float  # elevation
    depth_m: float
    residents: float
    hectares: float


@dataclass(frozen=True)
class Tank:
    id: str
    zone: str
    lat: float
    lon: float
    name: str
    volume_m3: float
    bed_m: float
    inlet_m: float  # elevation of the inlet chamber's bed


@dataclass(frozen=True)
class Underpass:
    id: str
    zone: str
    lat: float
    lon: float
    name: str
    manhole: str
    hectares: float


@dataclass(frozen=True)
class Soil:
    id: str
    zone: str
    lat: float
    lon: float
    name: str
    manhole: str


@dataclass(frozen=True)
class DrainagePlan:
    gauges: tuple[Gauge, ...]
    manholes: tuple[Manhole, ...]
    tanks: tuple[Tank, ...]
    underpasses: tuple[Underpass, ...]
    soils: tuple[Soil, ...]
    litres_a_day: float
    gauge_of: dict[str, str] = field(default_factory=dict)  # manhole -> rain gauge


def plan_drainage(district: District, plane: Plane) -> DrainagePlan:
    part = district.drainage
    gauges = tuple(Gauge(f"DR-{n:03d}", p.zone, p.lat, p.lon, f"{p.en} {p.zh}") for n, p in enumerate(part.rain_gauges, 1))
    manholes: list[Manhole] = []
    tanks = []
    for place, basin in enumerate(part.basins):
        count = part.manholes // len(part.basins) + (place < part.manholes % len(part.basins))
        inlet_m = 120.0
        manholes += _sewer(district, plane, basin, count, inlet_m, len(manholes))
        name = f"{basin.en} {basin.zh}"
        tanks.append(Tank(basin.id, basin.zone, basin.lat, basin.lon, name, basin.volume_m3, inlet_m - 4.3, inlet_m))
    trunk = [hole for hole in manholes if hole.diameter_m > _BRANCH_M]

    def nearest(lat: float, lon: float) -> str:
        return min(trunk, key=lambda hole: plane.distance_km((lat, lon), (hole.lat, hole.lon))).id

    random = dice(district.layout_seed, "underpasses")
    underpasses = tuple(
        Underpass(
            f"DU-{n:03d}", p.zone, p.lat, p.lon, f"{p.en} {p.zh}", nearest(p.lat, p.lon), round(random.uniform(0.38, 0.6), 2)
        )
        for n, p in enumerate(part.underpasses, 1)
    )
    gauge_of = {
        hole.id: min(gauges, key=lambda g: plane.distance_km((hole.lat, hole.lon), (g.lat, g.lon))).id for hole in manholes
    }
    soils = _soils(district, plane, manholes)
    return DrainagePlan(gauges, tuple(manholes), tuple(tanks), underpasses, soils, part.litres_a_resident_day, gauge_of)


def _sewer(district: District, plane: Plane, basin: Basin, count: int, inlet_m: float, done: int) -> list[Manhole]:
    """The trunk from its top down, then its branches, each of one manhole at the side."""
    random = dice(district.layout_seed, "sewer", basin.id)
    trunk = min(len(_TRUNK_M), count)
    widths = _TRUNK_M[len(_TRUNK_M) - trunk :]
    zone = district.by_zone[basin.zone]
    basins = [each for each in district.drainage.basins if each.zone == basin.zone]
    residents = zone.residents / len(basins) / count
    angle = radians(basin.bearing_deg)
    ids = [f"DL-{done + n + 1:03d}" for n in range(count)]
    made = []
    for n in range(count):
        branch = n >= trunk
        along = n - trunk if branch else n  # the trunk manhole it stands beside
        steps = trunk - along
        east, north = steps * _SPACING_KM * sin(angle), steps * _SPACING_KM * cos(angle)
        bed = inlet_m + 0.05 + steps * _SPACING_KM * 1000 * _FALL
        side = 0.0
        if branch:
            side = _SPACING_KM * random.choice((-1, 1)) * random.uniform(0.7, 1.1)
            bed += 0.25 + _SPACING_KM * 1000 * _BRANCH_FALL
        lat, lon = plane.shift(basin.lat, basin.lon, east + side * cos(angle), north - side * sin(angle))
        below = ids[along] if branch else ids[n + 1] if n + 1 < trunk else f"IN-{basin.id}"
        cover = inlet_m + 4.6 + steps * _SPACING_KM * 1000 * _FALL * 0.75 + (0.9 if branch else 0.0)
        made.append(
            Manhole(
                ids[n], basin.zone, basin.id, lat, lon, f"Manhole {n + 1}, {basin.en} {basin.zh[:-3]}{n + 1}号井", below,
                round(_SPACING_KM * 1000 * random.uniform(0.9, 1.1)), _BRANCH_M if branch else widths[n],
                round(bed, 3), round(cover - bed, 1), residents * random.uniform(0.6, 1.4),
                round(district.drainage.hectares_a_manhole * random.uniform(0.7, 1.3), 2),
            )
        )  # fmt: skip
    return made


def _soils(district: District, plane: Plane, manholes: list[Manhole]) -> tuple[Soil, ...]:
    random = dice(district.layout_seed, "soil")
    kinds = (("Rain garden", "雨水花园"), ("Permeable car park", "透水停车场"), ("Sunken green", "下沉式绿地"))
    chosen = random.sample(manholes, min(district.drainage.soil_points, len(manholes)))
    soils = []
    for number, hole in enumerate(sorted(chosen, key=lambda hole: hole.id), 1):
        lat, lon = plane.scatter(random, hole.lat, hole.lon, 0.08)
        en, zh = random.choice(kinds)
        soils.append(Soil(f"DS-{number:03d}", hole.zone, lat, lon, f"{en} {number} {zh}{number}", hole.id))
    return tuple(soils)
