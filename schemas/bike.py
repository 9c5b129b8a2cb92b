"""Public bicycles 公共自行车: stations with docks, and the locks of the bicycles themselves.

Names are those of GBFS v3 where it has one. A vehicle here is the operator's own bicycle with its fixed id, for its crew;
the rotating ids that GBFS asks of public feeds are the business of whoever publishes one.
"""

from collections.abc import Mapping
from typing import Any

from schemas.aggregate import MINUTE
from schemas.indicator import Amount, Detail, Indicator, Target, mean, rate, ratio, share, total
from schemas.kind import Kind, Parameter, Stream
from schemas.metric import LOGGER_SENTINELS, Check, Metric, Param, Range, gauge, label, state
from schemas.reason import Flag
from schemas.view import View

_COUNTS = ("num_vehicles_available", "num_vehicles_disabled", "num_docks_available", "num_docks_disabled")


def _fits(values: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    """Bicycles and docks, usable or not, are at most the docks there are. Fewer is normal: some report only what is usable."""
    docks = params.get("docks")
    return docks is None or sum([values.get(name, 0) for name in _COUNTS]) <= docks


def _count(name: str, en: str, zh: str) -> Metric:
    return gauge(
        name,
        "1",
        en,
        zh,
        type="int",
        possible=Range(0, 10_000),
        plausible=Range(0, 1_000),  # more than this station has is the check's finding
        source="S: GBFS v3 station_status, >= 0; P: upper bounds",
    )


STATION = Kind(
    name="station",
    en="Bicycle station",
    zh="自行车站点",
    params=(Parameter("docks", "1", "Docks, usable or not", "车位总数"),),
    interval_s=60,
    metrics=(
        _count("num_vehicles_available", "Bicycles for hire", "可借车辆数"),
        _count("num_vehicles_disabled", "Bicycles out of order", "故障车辆数"),
        _count("num_docks_available", "Free docks", "可还车位数"),
        _count("num_docks_disabled", "Docks out of order", "故障车位数"),
        state("is_installed", "On the street", "已安装", source="S: GBFS v3 station_status"),
        state("is_renting", "Hires out", "可借车", source="S: GBFS v3 station_status"),
        state("is_returning", "Takes back", "可还车", source="S: GBFS v3 station_status"),
        gauge(
            "supply_v",
            "V",
            "Supply voltage",
            "供电电压",
            possible=Range(-1, 60),
            plausible=Range(9, 30),
            source="P: 12 V and 24 V systems, from a flat battery to one on charge",
        ),
    ),
    checks=(
        Check(
            Flag.OVER_CAPACITY,
            ("num_vehicles_available", "num_docks_available"),
            _fits,
            "Bicycles and docks, usable and out of order, together are at most the station's docks (param docks).",
        ),
    ),
)

# A bicycle strays about the city it belongs to: params home_lat and home_lon, its middle
_HALF_CITY_DEG = 0.4

VEHICLE = Kind(
    name="vehicle",
    en="Bicycle",
    zh="自行车",
    params=(
        Parameter("home_lat", "deg", "Latitude of the middle of its city", "所属城市中心纬度"),
        Parameter("home_lon", "deg", "Longitude of the middle of its city", "所属城市中心经度"),
    ),
    interval_s=300,
    metrics=(
        label(
            "lat",
            "deg",
            "Latitude",
            "纬度",
            possible=Range(-90, 90),
            plausible=Range(Param("home_lat", offset=-_HALF_CITY_DEG), Param("home_lat", offset=_HALF_CITY_DEG)),
            sentinels=(0.0, *LOGGER_SENTINELS),
            source="S: GBFS v3, WGS 84; P: box about the city, 0 is a receiver without a fix",
        ),
        label(
            "lon",
            "deg",
            "Longitude",
            "经度",
            possible=Range(-180, 180),
            plausible=Range(Param("home_lon", offset=-_HALF_CITY_DEG), Param("home_lon", offset=_HALF_CITY_DEG)),
            sentinels=(0.0, *LOGGER_SENTINELS),
            source="S: GBFS v3, WGS 84; P: box about the city, 0 is a receiver without a fix",
        ),
        gauge(
            "current_fuel_percent",
            "1",
            "Battery",
            "电池电量",
            possible=Range(0, 1.05),
            plausible=Range(0, 1),
            source="S: GBFS v3 vehicle_status, 0 to 1 in spite of its name",
        ),
        state("is_locked", "Locked", "已上锁", source="P: not in GBFS"),
        state("is_disabled", "Out of order", "故障停用", source="S: GBFS v3 vehicle_status"),
        state("is_reserved", "Reserved", "已预约", source="S: GBFS v3 vehicle_status"),
    ),
)

# The state of the city. A minute counts for a station when it reported in it.
_BIKES, _DOCKS = "num_vehicles_available", "num_docks_available"
_WITH_BIKE = Amount("station_with_bike", "station", (_BIKES,), lambda s: s.last(_BIKES) >= 1, MINUTE)
_WITH_DOCK = Amount("station_with_dock", "station", (_DOCKS,), lambda s: s.last(_DOCKS) >= 1, MINUTE)
_EMPTY = Amount("minutes_empty", "station", (_BIKES,), lambda s: (s.last(_BIKES) == 0) * s.spoken_hours * 60, MINUTE)
_FULL = Amount("minutes_full", "station", (_DOCKS,), lambda s: (s.last(_DOCKS) == 0) * s.spoken_hours * 60, MINUTE)


def _taken(station: View) -> float:
    """Bicycles fewer than a window before. Who takes one while another is brought back is not seen."""
    return float(max(0, station.past().last(_BIKES) - station.last(_BIKES)))


def _brought(station: View) -> float:
    return float(max(0, station.last(_BIKES) - station.past().last(_BIKES)))


def _unaccounted(station: View) -> float:
    return float(abs(station.param("docks") - sum(station.last(name) for name in _COUNTS)))


_SERVICE = Target(0.95, 0.85, "P: contracts of operators name 0.85 to 0.95 of stations in service")
_IDLE = Target(0.05, 0.15, "P: what is left of the service targets")

INDICATORS = (
    Indicator(
        name="stations_with_bike",
        unit="1",
        en="Stations with a bicycle",
        zh="有车可借站点占比",
        formula="minutes of stations with num_vehicles_available >= 1 / minutes of stations that reported",
        amounts=(_WITH_BIKE,),
        value=share,
        target=_SERVICE,
        source="S: num_vehicles_available of GBFS v3; P: availability by time",
    ),
    Indicator(
        name="stations_with_dock",
        unit="1",
        en="Stations with a free dock",
        zh="有位可还站点占比",
        formula="minutes of stations with num_docks_available >= 1 / minutes of stations that reported",
        amounts=(_WITH_DOCK,),
        value=share,
        target=_SERVICE,
        source="S: num_docks_available of GBFS v3; P: availability by time",
    ),
    Indicator(
        name="minutes_empty",
        unit="min",
        en="Minutes without a bicycle, all stations",
        zh="空站时长合计",
        formula="minutes of stations whose last num_vehicles_available is 0; a reading speaks for its interval",
        amounts=(_EMPTY,),
        value=total,
    ),
    Indicator(
        name="minutes_full",
        unit="min",
        en="Minutes without a free dock, all stations",
        zh="满站时长合计",
        formula="minutes of stations whose last num_docks_available is 0; a reading speaks for its interval",
        amounts=(_FULL,),
        value=total,
    ),
    Indicator(
        name="bikes_available",
        unit="1",
        en="Bicycles for hire",
        zh="可借车辆总数",
        formula="sum over stations of the mean of num_vehicles_available",
        amounts=(Amount("bikes_available", "station", (_BIKES,), lambda s: s.mean(_BIKES)),),
        value=total,
        source="S: GBFS v3",
    ),
    Indicator(
        name="bikes_disabled",
        unit="1",
        en="Bicycles out of order",
        zh="故障车辆总数",
        formula="sum over stations of the mean of num_vehicles_disabled",
        amounts=(Amount("bikes_disabled", "station", ("num_vehicles_disabled",), lambda s: s.mean("num_vehicles_disabled")),),
        value=total,
        source="S: GBFS v3",
    ),
    Indicator(
        name="rentals_per_hour",
        unit="1/h",
        en="Rentals an hour, at least",
        zh="每小时借车数（下限）",
        formula="sum over stations and minutes of how much num_vehicles_available fell since the minute before / hours",
        amounts=(Amount("rentals", "station", (_BIKES,), _taken, MINUTE, past=True),),
        value=rate,
        source="P: from changes of counts, so crews that take bicycles away count too",
    ),
    Indicator(
        name="returns_per_hour",
        unit="1/h",
        en="Returns an hour, at least",
        zh="每小时还车数（下限）",
        formula="sum over stations and minutes of how much num_vehicles_available rose since the minute before / hours",
        amounts=(Amount("returns", "station", (_BIKES,), _brought, MINUTE, past=True),),
        value=rate,
        source="P: from changes of counts, so crews that bring bicycles count too",
    ),
    Indicator(
        name="docks_unaccounted",
        unit="1",
        en="Docks that no count speaks of",
        zh="车位数不符占比",
        formula="sum over stations of |param docks - the last of all four counts together| / sum of param docks",
        amounts=(
            Amount("docks_unaccounted", "station", _COUNTS, _unaccounted, params=("docks",)),
            Amount("docks", "station", _COUNTS, lambda s: s.param("docks"), params=("docks",)),
        ),
        value=ratio,
        target=_IDLE,
        source="S: GBFS v3 capacity; P: as a share",
    ),
    Indicator(
        name="stations_suspect",
        unit="1",
        en="Stations with a suspect reading",
        zh="读数可疑站点占比",
        formula="stations with a reading flagged, by over_capacity above all / stations that reported",
        amounts=(Amount("stations_suspect", "station", (), lambda s: s.suspect > 0),),
        value=mean,
        target=_IDLE,
        source="S: GBFS v3, vehicles and docks are at most the capacity",
    ),
)

DETAILS = (
    Detail(name="minutes_empty", unit="min", en="Minutes without a bicycle", zh="空站时长", amount=_EMPTY),
    Detail(name="minutes_full", unit="min", en="Minutes without a free dock", zh="满站时长", amount=_FULL),
)

STREAM = Stream(
    name="bike",
    en="Public bicycles",
    zh="公共自行车",
    kinds=(STATION, VEHICLE),
    indicators=INDICATORS,
    details=DETAILS,
)
