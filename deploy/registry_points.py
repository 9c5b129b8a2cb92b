"""The registry as points in the bucket `ops`, for Grafana's variables, maps and tables.

`<stream>_<kind>,device_id=… name=…,zone=…,site=…,lat=…,lon=…,…`: a param that is a number is the field `param_<name>`, and
a curve has a measurement of its own, a point for each of its pairs. All are written at the beginning of the year, so that loading
the registry again overwrites it, and no retention of a year or more takes it away before the next year's.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime

from deploy.clock import wall_ms
from deploy.native.endpoints import endpoints
from deploy.settings import Settings
from processors.io.influx import InfluxWriter
from schemas.device import Device
from schemas.instants import from_ms
from schemas.ports import PointWriter

BUCKET = "ops"
_BATCH = 2_000


def store_registry(writer: PointWriter, devices: Iterable[Device], now_ms: int) -> int:
    """Writes what has changed and what has not; gives the number of points."""
    lines = [line for device in devices for line in points(device, now_ms)]
    for first in range(0, len(lines), _BATCH):
        writer.write(BUCKET, lines[first : first + _BATCH])
    return len(lines)


def show_registry(settings: Settings, devices: Iterable[Device], gone: Iterable[str] = ()) -> int:
    """Brings the registry to the InfluxDB of the settings, and takes `gone` away. RetryLater when it does not answer."""
    places = endpoints(settings)
    with closing(InfluxWriter(places.influx_url, places.influx_token, places.influx_org)) as writer:
        for device_id in gone:
            writer.forget(BUCKET, device_id)
        return store_registry(writer, devices, wall_ms())


def points(device: Device, now_ms: int) -> Iterator[str]:
    at = int(datetime(from_ms(now_ms).year, 1, 1, tzinfo=UTC).timestamp()) * 10**9
    name = f"{device.stream}_{device.kind}"
    fields = {
        "name": _text(device.name or device.device_id),
        "zone": _text(device.zone),
        "site": _text(device.site),
        "gateway": _text(device.gateway),
        "lat": repr(float(device.lat)),
        "lon": repr(float(device.lon)),
        "interval_s": f"{device.interval_s}i",
    }
    for param, value in device.params.items():
        if isinstance(value, tuple):
            yield from _curve(f"{name}_{param},device_id={device.device_id}", value, at)
        else:
            fields[f"param_{param}"] = repr(float(value))
    yield f"{name},device_id={device.device_id} {','.join(f'{key}={value}' for key, value in fields.items())} {at}"


def _curve(series: str, pairs: tuple[float, ...] | tuple[tuple[float, float], ...], at: int) -> Iterator[str]:
    for place, pair in enumerate(pairs):
        x, y = pair if isinstance(pair, tuple) else (place, pair)
        yield f"{series},place={place:03} x={float(x)!r},y={float(y)!r} {at}"


def _text(value: str) -> str:
    """Never empty: Flux loses empty text (influxdata/influxdb#26916)."""
    escaped = (value or "-").replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
