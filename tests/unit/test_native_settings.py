"""What is wrong with a setting is said in one line that names it and where it came from."""

from pathlib import Path

import pytest

from deploy.settings import SettingsError, load_settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory of its own, without the developer's `hanan.toml` and environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", {"HOME": str(tmp_path)})


def test_the_defaults_make_a_deployment() -> None:
    settings = load_settings()
    assert settings.home == Path.cwd() / ".hanan"
    assert settings.native_ports() == [
        (19092, "kafka_port"),
        (19093, "kafka_controller_port"),
        (11883, "mqtt_port"),
        (18086, "influx_port"),
    ]
    assert settings.registry.name == "devices.yaml"


def test_every_setting_is_described() -> None:
    assert all(field.description for field in type(load_settings()).model_fields.values())


def test_the_caller_wins_over_the_environment_and_that_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("hanan.toml").write_text("kafka_port = 1111\nmqtt_port = 2222\ninflux_port = 3333\nclock_start = 2026-01-01T00:00:00Z\n")
    monkeypatch.setenv("HANAN_MQTT_PORT", "4444")
    monkeypatch.setenv("HANAN_INFLUX_PORT", "5555")
    settings = load_settings(influx_port=6666)
    assert (settings.kafka_port, settings.mqtt_port, settings.influx_port) == (1111, 4444, 6666)
    assert settings.clock_start == "2026-01-01T00:00:00+00:00"


def test_the_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load_settings().cache == tmp_path / ".cache" / "hanan"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/me")
    assert load_settings().cache == Path("/var/cache/me/hanan")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("KAFKA_PORT", "abc", "kafka_port=abc (from HANAN_KAFKA_PORT) is not usable: wanted a valid integer"),
        ("KAFKA_PORT", "70000", "kafka_port=70000 (from HANAN_KAFKA_PORT) is not usable: wanted less than or equal to 65535"),
        ("KAFKA_HEAP", "5", "kafka_heap=5 (from HANAN_KAFKA_HEAP) is not usable: wanted a size such as 512m or 2g"),
        ("KAFKA_CLIENT", "x", "kafka_client=x (from HANAN_KAFKA_CLIENT) is not usable: wanted 'confluent' or 'kafka-python'"),
        ("MQTT_BROKER", "x", "mqtt_broker=x (from HANAN_MQTT_BROKER) is not usable: wanted 'mosquitto'"),
        ("MQTT_URL", "broker", "mqtt_url=broker (from HANAN_MQTT_URL) is not usable: wanted mqtt://host:port"),
        ("INFLUX_URL", "db:8086", "wanted http://host:port or https://host:port"),
        ("TIME_ZONE", "Mars", "time_zone=Mars (from HANAN_TIME_ZONE) is not usable: wanted a time zone's name"),
        ("CLOCK_START", "2026-01-01T00:00:00", "has no offset from UTC"),
        ("CLOCK_RATE", "nan", "clock_rate=nan (from HANAN_CLOCK_RATE) is not usable"),
        ("KAFKA_REPLICATION", "3", "kafka_replication=3 needs as many brokers, and kafka_brokers=1"),
        ("KAFKA_BOOTSTRAP", "kafka", "kafka_bootstrap=kafka (from HANAN_KAFKA_BOOTSTRAP) is not usable: wanted host:port"),
        ("INFLUX_URL", "http://db:8086", "influx_url names an InfluxDB of your own, and influx_token is empty"),
        ("INFLUX_PORT", "19092", "influx_port and kafka_port both come to port 19092"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(f"HANAN_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_no_setting_is_told_apart() -> None:
    Path("hanan.toml").write_text("kafka_prt = 3\n")
    with pytest.raises(SettingsError, match=r"^kafka_prt in hanan\.toml is not a setting of Hanan$"):
        load_settings()


def test_a_file_that_is_no_toml_is_named() -> None:
    Path("hanan.toml").write_text("kafka_port 3\n")
    with pytest.raises(SettingsError, match=r"hanan\.toml is not valid TOML"):
        load_settings()


def test_secrets_stay_out_of_messages_and_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANAN_INFLUX_TOKEN", "hush")
    assert "hush" not in repr(load_settings())
    with pytest.raises(SettingsError) as caught:
        load_settings(influx_token=["hush"])
    assert "hush" not in str(caught.value)


def test_three_brokers_take_every_second_port() -> None:
    settings = load_settings(kafka_brokers=3, kafka_replication=3)
    assert [port for port, _ in settings.native_ports()][:6] == [19092, 19093, 19094, 19095, 19096, 19097]


def test_a_server_of_ones_own_needs_no_port() -> None:
    settings = load_settings(
        kafka_bootstrap="k:9092", mqtt_url="mqtt://m:1883", influx_url="http://i:8086", influx_token="t", kafka_replication=3
    )
    assert settings.native_ports() == []
