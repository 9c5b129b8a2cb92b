"""What the servers are told, without starting them."""

import stat
from pathlib import Path

import pytest

from deploy.native import mqtt, vault
from deploy.native.endpoints import Credential, endpoints
from deploy.native.influxdb import setup
from deploy.native.kafka import config
from deploy.native.mosquitto.program import MosquittoProgram
from deploy.native.mosquitto.server import MosquittoServer
from deploy.native.problems import NativeError
from deploy.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home")


def test_one_broker_is_its_own_quorum(settings: Settings) -> None:
    given = config.properties(settings, 1, Path("/data"))
    assert given["listeners"] == "PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093"
    assert given["controller.quorum.voters"] == "1@127.0.0.1:19093"
    assert given["auto.create.topics.enable"] == "false"
    assert {given[name] for name in given if "replication.factor" in name} == {1}


def test_three_brokers_know_each_other(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, kafka_brokers=3, kafka_replication=3)
    given = config.properties(settings, 3, Path("/data"))
    assert given["listeners"] == "PLAINTEXT://127.0.0.1:19096,CONTROLLER://127.0.0.1:19097"
    assert given["controller.quorum.voters"] == "1@127.0.0.1:19093,2@127.0.0.1:19095,3@127.0.0.1:19097"
    assert {given[name] for name in given if "replication.factor" in name} == {3}
    assert {given[name] for name in given if "min." in name and "is" in name} == {2}
    assert config.bootstrap(settings) == "127.0.0.1:19092,127.0.0.1:19094,127.0.0.1:19096"


def test_places_are_remembered_as_long_as_there_is_something_to_read(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, raw_retention_hours=1000)
    assert config.properties(settings, 1, tmp_path)["offsets.retention.minutes"] == 1024 * 60


def test_properties_escape_backslashes() -> None:
    assert config.render({"log.dirs": r"/a\b"}) == "log.dirs=/a\\\\b\n"


@pytest.mark.parametrize(("euid", "line"), [(0, "user root\n"), (1000, "")])
def test_mosquitto_keeps_to_loopback_and_to_its_home(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, euid: int, line: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: euid)
    text = MosquittoServer(settings, MosquittoProgram(settings.cache))._configuration(Path("/data"), Path("/acl"))
    assert "\nlistener 11883 127.0.0.1\n" in text
    assert ("user root" in text) == bool(line)
    assert f"password_file {settings.home}/mosquitto/passwords\n" in text
    assert "\npersistence_location /data/\n" in text
    assert "$" not in text


def test_a_simulated_past_is_kept_for_ever(tmp_path: Path) -> None:
    real = load_settings(home=tmp_path)
    assert setup.retention_seconds(real) == {
        "readings": 30 * 86_400,
        "aggregates": 1826 * 86_400,
        "alerts": 1826 * 86_400,
        "ops": 1826 * 86_400,
    }
    simulated = load_settings(home=tmp_path, clock_start="2026-01-01T00:00:00Z")
    assert set(setup.retention_seconds(simulated).values()) == {0}


def test_secrets_are_made_once_and_for_their_owner_alone(settings: Settings) -> None:
    secret = vault.ensure(settings.home, "mqtt/collector")
    assert vault.ensure(settings.home, "mqtt/collector") == secret
    path = settings.home / "secrets" / "mqtt" / "collector"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)} == {0o700}
    assert mqtt.passwords(settings) == {"collector": secret}


def test_before_the_first_start_there_is_no_way_in(settings: Settings) -> None:
    with pytest.raises(NativeError, match="run `hanan servers start` first"):
        endpoints(settings)


def test_servers_of_ones_own_need_no_secrets_here(tmp_path: Path) -> None:
    settings = load_settings(
        home=tmp_path,
        kafka_bootstrap="k:9092",
        mqtt_url="mqtt://broker",
        mqtt_user="me",
        mqtt_password="mine",
        influx_url="https://db:8086/",
        influx_token="theirs",
    )
    places = endpoints(settings)
    assert (places.kafka_bootstrap, places.mqtt_host, places.mqtt_port) == ("k:9092", "broker", 1883)
    assert places.mqtt_login("collector") == Credential("me", "mine")
    assert (places.influx_url, places.influx_token, places.influx_grafana_token) == ("https://db:8086", "theirs", "theirs")
    assert not {"mine", "theirs"} & set(repr(places).split("'"))
