"""`hanan devices load` brings the registry to Kafka and to InfluxDB, and takes away what it removes."""

from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli.main import app
from deploy.demo.city.registry import write_registry
from deploy.native.progress import QuietProgress
from deploy.native.stack import Stack
from deploy.prepare import ensure_topics
from deploy.registry_topic import read_registry
from processors.io.influx import InfluxReader
from processors.io.kafka_admin import Admin
from schemas.device import Device

pytestmark = pytest.mark.servers


def shown(stack: Stack) -> dict[str, str]:
    """Device -> name, as Grafana would find them."""
    places = stack.endpoints()
    flux = """
        from(bucket: "ops") |> range(start: 2000-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)
          |> filter(fn: (r) => r._measurement == "heat_indoor" and (r._field == "name" or r._field == "zone"))
          |> last() |> pivot(rowKey: ["device_id"], columnKey: ["_field"], valueColumn: "_value")
          |> filter(fn: (r) => r.zone == "load-test")
    """
    with closing(InfluxReader(places.influx_url, places.influx_token, places.influx_org)) as influx:
        return {row["device_id"]: row["name"] for row in influx.rows(flux)}


def room(device_id: str, name: str) -> Device:
    fixed = {"stream": "heat", "kind": "indoor", "zone": "load-test", "site": "s", "lat": 45.6, "lon": 126.6}
    return Device.model_validate(fixed | {"device_id": device_id, "name": name})


def test_what_is_loaded_is_shown_and_what_is_removed_is_not(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stack.settings.as_environment().items():
        monkeypatch.setenv(name, value)
    with closing(Admin(stack.endpoints().kafka_bootstrap)) as admin:
        ensure_topics(stack.settings, admin, QuietProgress())

    def load(devices: list[Device], *arguments: str) -> None:
        path = tmp_path / "devices.yaml"
        write_registry(path, devices)
        done = CliRunner().invoke(app, ["devices", "load", str(path), *arguments])
        assert done.exit_code == 0, done.output

    others = read_registry(stack.settings)  # of other tests: they stay
    load([room("LOAD-1", "one"), room("LOAD-2", "two")], "--dry-run")
    assert shown(stack) == {}
    load([room("LOAD-1", "one"), room("LOAD-2", "two")])
    assert shown(stack) == {"LOAD-1": "one", "LOAD-2": "two"}
    load([*others, room("LOAD-2", "other")], "--replace")
    assert shown(stack) == {"LOAD-2": "other"}
    assert {device.device_id for device in read_registry(stack.settings)} == {"LOAD-2", *(one.device_id for one in others)}
