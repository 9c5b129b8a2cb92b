"""`hanan servers` at the terminal: its exit codes and its help."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli.servers import app


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return CliRunner(env={"HANAN_HOME": str(tmp_path / "home")})


@pytest.mark.parametrize("command", ["start", "stop", "status", "install"])
def test_every_command_has_an_example(runner: CliRunner, command: str) -> None:
    shown = runner.invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert "Example: " in shown.output


def test_a_wrong_setting_is_usage(runner: CliRunner) -> None:
    ended = runner.invoke(app, ["start"], env={"HANAN_MQTT_PORT": "none"})
    assert ended.exit_code == 2
    assert ended.stderr.startswith("mqtt_port=none (from HANAN_MQTT_PORT) is not usable: ")
    assert len(ended.stderr.splitlines()) == 1


def test_what_does_not_run_is_three(runner: CliRunner, tmp_path: Path) -> None:
    ended = runner.invoke(app, ["status", "--json"], env={"HANAN_KAFKA_BOOTSTRAP": "k:9092"})
    assert ended.exit_code == 3
    rows = {row["name"]: row for row in json.loads(ended.stdout)}
    assert rows["kafka"] == {"name": "kafka", "state": "yours", "address": "k:9092"}
    assert rows["influxdb"]["pid"] is None
    assert rows["influxdb"]["log"] == str(tmp_path / "home" / "logs" / "influxdb.log")


def test_servers_of_ones_own_are_no_failure(runner: CliRunner) -> None:
    own = {
        "HANAN_KAFKA_BOOTSTRAP": "k:9092",
        "HANAN_MQTT_URL": "mqtt://m:1883",
        "HANAN_INFLUX_URL": "http://i:8086",
        "HANAN_INFLUX_TOKEN": "t",
    }
    ended = runner.invoke(app, ["status"], env=own)
    assert ended.exit_code == 0
    assert "mqtt://m:1883" in ended.stdout


def test_nothing_to_stop_is_fine(runner: CliRunner) -> None:
    ended = runner.invoke(app, ["stop"])
    assert ended.exit_code == 0
    assert "nothing was running" in ended.stderr


def test_missing_tools_are_one(runner: CliRunner, tmp_path: Path) -> None:
    ended = runner.invoke(
        app, ["install"], env={"PATH": str(tmp_path), "HANAN_CACHE": str(tmp_path / "cache"), "HANAN_MQTT_URL": "mqtt://m"}
    )
    assert ended.exit_code == 1
    last = ended.stderr.splitlines()[-2:]
    assert last[0].startswith("kafka: `java` not found on PATH")
    assert last[1].startswith("influxdb: `go`, ")


def test_a_home_that_cannot_be_is_one_line(runner: CliRunner) -> None:
    ended = runner.invoke(app, ["stop"], env={"HANAN_HOME": "/proc/none"})
    assert ended.exit_code == 1
    assert ended.stderr.startswith("/proc/none")
    assert ended.stderr.rstrip().endswith("or set HANAN_HOME or HANAN_CACHE to where there is room and right")
