"""The state of the city as InfluxDB line protocol, in the bucket of the windows.

    city_<stream>,window=15m,zone=<zone or district> <indicator>=… <start>
    city_<stream>_<kind>,device_id=…,window=15m <detail>=… <start>

All fields are floats, counts too, so that no field ever changes its type. An indicator that has nothing to say has no field.
"""

from collections.abc import Mapping

from schemas.indicator import measurement

_NS_PER_MS = 1_000_000


def indicator_line(stream: str, zone: str, level: str, start: int, fields: Mapping[str, float]) -> str:
    return f"{measurement(stream)},window={level},zone={zone} {_fields(fields)} {start * _NS_PER_MS}"


def detail_line(stream: str, kind: str, device_id: str, level: str, start: int, fields: Mapping[str, float]) -> str:
    return f"{measurement(stream, kind)},device_id={device_id},window={level} {_fields(fields)} {start * _NS_PER_MS}"


def _fields(fields: Mapping[str, float]) -> str:
    return ",".join([f"{name}={float(value)!r}" for name, value in fields.items()])
