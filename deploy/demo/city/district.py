"""The district's file: numbers and places, checked when it is read. `hanan.yaml` beside this package is the default."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from schemas.device import first_problem

DEFAULT = Path(__file__).parent.parent / "hanan.yaml"
_MONTHS = 12


class DistrictError(ValueError):
    """What is wrong with a district's file, in one line."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _month_day(value: Any) -> Any:
    """`10-20` as the days before it in a leap year's first months would be a riddle: month * 100 + day, which compares."""
    if isinstance(value, str) and len(value) == len("10-20") and value[2] == "-":
        month, day = int(value[:2]), int(value[3:])
        date(2024, month, day)
        return month * 100 + day
    return value


MonthDay = Annotated[int, BeforeValidator(_month_day), Field(ge=101, le=1231)]
Monthly = Annotated[tuple[float, ...], Field(min_length=_MONTHS, max_length=_MONTHS)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Name(_Part):
    en: str
    zh: str


class Zone(Name):
    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
    lat: float
    lon: float
    radius_km: Positive
    residents: int
    jobs: int


class Place(Name):
    zone: str
    lat: float
    lon: float


class Span(_Part):
    """Of every year, from the beginning of one day to the beginning of another, over New Year where `to` is the earlier."""

    model_config = ConfigDict(populate_by_name=True)
    since: MonthDay = Field(alias="from")
    to: MonthDay

    def holds(self, month_day: int) -> bool:
        if self.since <= self.to:
            return self.since <= month_day < self.to
        return month_day >= self.since or month_day < self.to


class CalendarPart(_Part):
    heating: Span
    bikes_away: Span
    holidays: tuple[date, ...] = ()


class ColdSpell(Span):
    mean_c: float


class StormPart(_Part):
    """A storm that comes every year: `07-21T15:40`, local time."""

    at: Annotated[str, Field(pattern=r"^\d\d-\d\dT\d\d:\d\d$")]
    depth_mm: Positive
    minutes: Positive


class RecordedRain(_Part):
    model_config = ConfigDict(populate_by_name=True)
    file: Path
    time: str
    mm: str
    since: date = Field(alias="from")


class WeatherPart(_Part):
    mean_c: Monthly
    swing_k: Monthly
    synoptic_k: Monthly
    rain_mm: Monthly
    wet_days: Monthly
    cold_spells: tuple[ColdSpell, ...] = ()
    storms: tuple[StormPart, ...] = ()
    recorded_rain: RecordedRain | None = None


class Depot(_Part):
    lat: float
    lon: float


class BikePart(_Part):
    stations: dict[str, int]
    docks: tuple[int, int]
    bikes: int
    reporting_bikes: int
    trips_a_day: float
    km_h: Positive
    trucks: int
    breaks_a_trip: Share
    depot: Depot


class TransferStation(Place):
    id: str


class WastePart(_Part):
    kg_a_resident_day: float
    at_the_roadside: Share
    bins: dict[str, int]
    bin_m3: Positive
    kg_m3: Positive
    truck_kg: Positive
    truck_tare_kg: Positive
    container_kg: Positive
    stations: tuple[TransferStation, ...]
    compactors_a_station: Annotated[int, Field(ge=1, le=8)]


class PlantPart(Place):
    id: str
    rated_mw: Positive


class HeatPart(_Part):
    plants: tuple[PlantPart, ...]
    exchanges: dict[str, int]
    rooms: int
    area_m2: tuple[float, float]
    load_w_m2: Positive
    design_outdoor_c: float
    room_c: float
    primary: tuple[tuple[float, float], ...]
    secondary_design_c: tuple[float, float]


class Basin(Place):
    id: str
    bearing_deg: float
    volume_m3: Positive


class DrainagePart(_Part):
    rain_gauges: tuple[Place, ...]
    manholes: int
    hectares_a_manhole: Positive
    litres_a_resident_day: float
    soil_points: int
    basins: Annotated[tuple[Basin, ...], Field(min_length=1)]
    underpasses: tuple[Place, ...]


class SensorPart(_Part):
    noise: Annotated[float, Field(ge=0)]
    outages_a_day: Annotated[float, Field(ge=0)]
    longest_outage: Annotated[int, Field(ge=1)]
    duplicates: Share
    sentinels: Share
    reboots_a_day: Annotated[float, Field(ge=0)]
    clock_s: Annotated[float, Field(ge=0)]


class District(_Part):
    name: Name
    lat: float
    lon: float
    utc_offset_h: float
    layout_seed: int
    zones: Annotated[tuple[Zone, ...], Field(min_length=1)]
    calendar: CalendarPart
    weather: WeatherPart
    bike: BikePart
    waste: WastePart
    heat: HeatPart
    drainage: DrainagePart
    intervals_s: dict[str, int] = {}
    sensors: SensorPart

    @property
    def by_zone(self) -> dict[str, Zone]:
        return {zone.id: zone for zone in self.zones}

    @property
    def residents(self) -> int:
        return sum(zone.residents for zone in self.zones)

    @model_validator(mode="after")
    def _zones_exist(self) -> Self:
        known = {zone.id for zone in self.zones}
        places: list[Place] = [*self.waste.stations, *self.heat.plants, *self.drainage.basins]
        places += [*self.drainage.rain_gauges, *self.drainage.underpasses]
        named = {place.zone for place in places} | {*self.bike.stations, *self.waste.bins, *self.heat.exchanges}
        if strange := sorted(named - known):
            raise ValueError(f"zone {strange[0]} is used and not described under zones")
        return self


def load_district(path: Path = DEFAULT) -> District:
    """DistrictError names the file and the field."""
    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DistrictError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DistrictError(f"{path}: {str(error).splitlines()[0]}") from error
    try:
        return District.model_validate(body)
    except ValidationError as error:
        raise DistrictError(f"{path}: {first_problem(error)}") from error
