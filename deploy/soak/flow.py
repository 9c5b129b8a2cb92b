"""Do readings flow: what is the newest that InfluxDB has of each device."""

from collections.abc import Collection
from contextlib import closing

from deploy.native.endpoints import Endpoints
from processors.io.influx import InfluxReader
from schemas.fields import READINGS
from schemas.instants import format_rfc3339
from schemas.ports import RetryLater

_PATIENCE_MS = 3_000


class Flow:
    """Asks the database itself, not through a proxy and not the roles' own figures."""

    def __init__(self, places: Endpoints, devices: Collection[str]) -> None:
        self._places, self._devices = places, frozenset(devices)

    def silent_since(self, from_ms: int) -> frozenset[str]:
        """Devices of which nothing is stored that was measured since then; all of them when there is no answer."""
        places = self._places
        flux = f"""
            from(bucket: "{READINGS}")
              |> range(start: {format_rfc3339(from_ms)})
              |> filter(fn: (r) => r._field == "quality")
              |> last()
              |> keep(columns: ["device_id"])
        """
        try:
            with closing(InfluxReader(places.influx_url, places.influx_token, places.influx_org, _PATIENCE_MS)) as influx:
                return self._devices - {str(row["device_id"]) for row in influx.rows(flux)}
        except RetryLater:
            return self._devices
