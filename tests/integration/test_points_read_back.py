"""A point as the store role writes it comes back from a Flux query as it was written."""

from contextlib import closing
from random import Random

import pytest

from deploy.clock import wall_ms
from deploy.native.endpoints import Endpoints
from processors.io.influx import InfluxReader, InfluxWriter
from processors.points import line
from processors.store import READINGS
from schemas.reading import Reading

pytestmark = pytest.mark.servers


def test_each_verdict_comes_back_beside_its_own_values(servers: Endpoints) -> None:
    """Flux (InfluxDB 2.7) loses empty text and moves the rows behind it up by one: influxdata/influxdb#26916."""
    random = Random(3)
    now_ms = wall_ms()
    verdicts = [{"temp_c": "out_of_range"} if random.random() < 0.7 else {} for _ in range(60)]
    verdicts[-1] = {"temp_c": "out_of_range"}
    readings = [
        Reading("heat", "indoor", "READ-BACK", now_ms - 60_000 + n, now_ms, {"temp_c": float(n)}, flags)
        for n, flags in enumerate(verdicts)
    ]
    with closing(InfluxWriter(servers.influx_url, servers.influx_token, servers.influx_org)) as writer:
        assert writer.write(READINGS, [line(reading) for reading in readings]) == []
    flux = f"""
        from(bucket: "{READINGS}") |> range(start: -5m) |> filter(fn: (r) => r.device_id == "READ-BACK")
          |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value") |> sort(columns: ["temp_c"])
    """
    with closing(InfluxReader(servers.influx_url, servers.influx_token, servers.influx_org)) as reader:
        rows = [(row["temp_c"], row["quality"], row["reasons"]) for row in reader.rows(flux)]
    told = {"temp_c": "out_of_range"}
    expected = [("suspect", "temp_c:out_of_range") if flags == told else ("good", "-") for flags in verdicts]
    assert rows == [(float(n), *verdict) for n, verdict in enumerate(expected)]
