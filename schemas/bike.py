"""Public bicycles 公共自行车: stations with docks, and the locks of the bicycles themselves.

Names are those of GBFS v3 where it has one. A vehicle here is the operator's own bicycle with its fixed id, for its crew;
the rotating ids that GBFS asks of public feeds are the business of whoever publishes one.
"""

from collections.abc import Mapping
from typing import Any

from schemas.kind import Kind, Parameter, Stream
from schemas.metric import LOGGER_SENTINELS, Check, Metric, Param, Range, gauge, label, state
from schemas.reason import Flag

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

STREAM = Stream(name="bike", en="Public bicycles", zh="公共自行车", kinds=(STATION, VEHICLE))
