"""Every point of a device, whole and quickly: the library's records cost a hundred times more than its CSV rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.dialect import Dialect

from deploy.native.endpoints import Endpoints
from schemas.fields import AGGREGATES, READINGS
from schemas.instants import format_rfc3339

_PATIENCE_MS = 300_000
_TYPED = Dialect(annotations=["datatype"])  # type: ignore[no-untyped-call]
_DATATYPE = "#datatype"
_KEPT = 3  # the columns before: annotation, result, table
_PARSE: Mapping[str, Callable[[str], Any]] = {
    "boolean": lambda text: text == "true",
    "long": int,
    "double": float,
    "string": str,
}

Stored = dict[int, dict[str, Any]]
"""A point's time in ns -> its fields."""


class Place(NamedTuple):
    """Of a window: its device or its zone, the other being empty, and its start."""

    device_id: str
    zone: str
    ns: int


class PointReader:
    def __init__(self, places: Endpoints) -> None:
        self._client = InfluxDBClient(places.influx_url, places.influx_token, org=places.influx_org, timeout=_PATIENCE_MS)

    def read(self, measurement: str, device_id: str, from_ms: int, to_ms: int) -> Stored:
        flux = f"""
            from(bucket: "{READINGS}")
              |> range(start: {format_rfc3339(from_ms)}, stop: {format_rfc3339(to_ms)})
              |> filter(fn: (r) => r._measurement == "{measurement}" and r.device_id == "{device_id}")
              |> drop(columns: ["_start", "_stop", "_measurement", "device_id"])
              |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
              |> map(fn: (r) => ({{r with _time: int(v: r._time)}}))
        """
        return {row.pop("_time"): row for row in self._rows(flux)}

    def read_windows(self, measurement: str, level: str, from_ms: int, to_ms: int) -> dict[Place, dict[str, Any]]:
        flux = f"""
            from(bucket: "{AGGREGATES}")
              |> range(start: {format_rfc3339(from_ms)}, stop: {format_rfc3339(to_ms)})
              |> filter(fn: (r) => r._measurement == "{measurement}" and r.window == "{level}")
              |> drop(columns: ["_start", "_stop", "_measurement", "window"])
              |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
              |> map(fn: (r) => ({{r with _time: int(v: r._time)}}))
        """
        return {Place(row.pop("device_id", ""), row.pop("zone", ""), row.pop("_time")): row for row in self._rows(flux)}

    def _rows(self, flux: str) -> Iterator[dict[str, Any]]:
        columns: list[tuple[str, Callable[[str], Any]]] = []
        types: Sequence[str] = ()
        for row in self._client.query_api().query_csv(flux, dialect=_TYPED):
            if not row:
                continue
            if row[0] == _DATATYPE:
                types, columns = row[_KEPT:], []
            elif not columns:
                columns = [(name, _PARSE[kind]) for name, kind in zip(row[_KEPT:], types, strict=True)]
            else:
                pairs = zip(columns, row[_KEPT:], strict=True)
                yield {name: parse(text) for (name, parse), text in pairs if text}  # nothing stored is empty

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]
