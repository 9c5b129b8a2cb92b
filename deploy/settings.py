"""Every setting of a deployment, in one flat list: from `HANAN_*` in the environment, else `hanan.toml`, else as here."""

import os
import re
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from schemas.instants import parse_rfc3339

PREFIX = "HANAN_"
FILE = "hanan.toml"


class SettingsError(ValueError):
    """What is wrong with the settings, in one line that names them."""


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100  # no symlink is resolved: the user's name for it stays


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "hanan"


def _url(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in schemes or not parts.hostname:
            wanted = " or ".join(f"{scheme}://host:port" for scheme in schemes)
            raise ValueError(f"wanted {wanted}")
        _ = parts.port  # ValueError when it is no port
        return value.rstrip("/")

    return AfterValidator(check)


def _bootstrap(value: str) -> str:
    if value and not re.fullmatch(r"[^\s,]+:\d+(,[^\s,]+:\d+)*", value):
        raise ValueError("wanted host:port, or several with commas between")
    return value


def _heap(value: str) -> str:
    if not re.fullmatch(r"[1-9]\d*[mMgG]", value):
        raise ValueError("wanted a size such as 512m or 2g")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("wanted a time zone's name such as Asia/Shanghai") from error
    return value


def _instant(value: str) -> str:
    if value:
        parse_rfc3339(value)
    return value


def _text(value: object) -> object:
    """A TOML date stands for itself without quotes; inside it is text like the one from the environment."""
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else value


Port = Annotated[int, Field(ge=1, le=65535)]
Place = Annotated[Path, AfterValidator(_absolute)]


class Settings(BaseSettings):
    """Flat on purpose: one name is one environment variable, one line of `hanan.toml`, one row of the documentation."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, toml_file=FILE, extra="forbid", frozen=True, validate_default=True, env_ignore_empty=False
    )

    home: Place = Field(Path(".hanan"), description="Data, logs, secrets and pid files of the native servers")
    cache: Place = Field(
        default_factory=_default_cache, description="Installed servers, keyed by version and shared between clones"
    )
    registry: Place = Field(
        Path(__file__).parent / "demo" / "devices.yaml", description="The device registry: what may report, and from where"
    )

    kafka_bootstrap: Annotated[str, AfterValidator(_bootstrap)] = Field(
        "", description="host:port[,host:port] of a Kafka of your own; empty starts a native one"
    )
    kafka_port: Port = Field(19092, description="Port of the native Kafka; further brokers take every second one after it")
    kafka_controller_port: Port = Field(19093, description="Port of the native Kafka's controller; further ones likewise")
    kafka_brokers: Annotated[int, Field(ge=1, le=5)] = Field(1, description="Native brokers; three for failover")
    kafka_heap: Annotated[str, AfterValidator(_heap)] = Field("512m", description="Memory of each native broker (-Xmx)")
    kafka_client: Literal["confluent", "kafka-python"] = Field("confluent", description="Client library of the hot path")
    kafka_partitions: Annotated[int, Field(ge=1, le=1000)] = Field(4, description="Partitions of raw, reading and the rest")
    kafka_replication: Annotated[int, Field(ge=1, le=5)] = Field(1, description="Copies of every record")
    kafka_session_timeout_ms: Annotated[int, Field(ge=6_000, le=300_000)] = Field(
        10_000, description="Silence after which a group gives a process's partitions to others; Kafka takes 6 s at least"
    )
    raw_retention_hours: Annotated[int, Field(ge=1)] = Field(168, description="How long raw bytes stay for a replay")

    mqtt_url: Annotated[str, _url("mqtt")] = Field("", description="mqtt://host:port of a broker of your own; empty: native")
    mqtt_port: Port = Field(11883, description="Port of the native MQTT broker")
    mqtt_broker: Literal["mosquitto", "rabbitmq"] = Field(
        "mosquitto", description="Which native MQTT broker: the light one, or the one that loses nothing it acknowledged"
    )
    mqtt_admin_port: Port = Field(11884, description="Port of RabbitMQ's management and metrics")
    mqtt_user: str = Field("", description="User name on a broker of your own")
    mqtt_password: SecretStr = Field(SecretStr(""), description="Password on a broker of your own")

    influx_url: Annotated[str, _url("http", "https")] = Field("", description="URL of an InfluxDB 2 of your own; empty: native")
    influx_port: Port = Field(18086, description="Port of the native InfluxDB")
    influx_org: Annotated[str, Field(min_length=1)] = Field("hanan", description="InfluxDB organisation")
    influx_token: SecretStr = Field(SecretStr(""), description="Token for the InfluxDB of influx_url; the native one has its own")
    readings_retention_days: Annotated[int, Field(ge=1)] = Field(30, description="How long single readings are kept")
    aggregates_retention_days: Annotated[int, Field(ge=1)] = Field(
        1826, description="How long aggregates, alerts and operations' data are kept"
    )

    alert_rules: Place = Field(
        Path(__file__).parents[1] / "processors" / "rules" / "packs",
        description="The folder of the rule packs; a changed file is taken up within seconds",
    )
    alert_routes: Place = Field(
        Path(__file__).parents[1] / "processors" / "notify" / "routes.yaml",
        description="Who is told of which alert: a YAML file; the one that comes along tells nobody",
    )

    grafana_url: Annotated[str, _url("http", "https")] = Field(
        "", description="URL of a Grafana of your own, for `hanan grafana`"
    )
    grafana_token: SecretStr = Field(SecretStr(""), description="Token of an editor's service account there")
    grafana_tiles: str = Field("", description="Tile server of the maps, https://…/{z}/{x}/{y}.png; empty: outlines only")

    time_zone: Annotated[str, AfterValidator(_zone)] = Field("Asia/Shanghai", description="Where days begin and people read")
    clock_start: Annotated[str, BeforeValidator(_text), AfterValidator(_instant)] = Field(
        "", description="RFC 3339 time at which the deployment's simulated clock starts; empty: the real one"
    )
    clock_rate: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)] = Field(
        1.0, description="Simulated seconds in a real one"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.kafka_bootstrap and self.kafka_replication > self.kafka_brokers:
            raise ValueError(
                f"kafka_replication={self.kafka_replication} needs as many brokers, and kafka_brokers={self.kafka_brokers}"
            )
        if self.influx_url and not self.influx_token.get_secret_value():
            raise ValueError("influx_url names an InfluxDB of your own, and influx_token is empty")
        taken: dict[int, str] = {}
        for port, name in self.native_ports():
            if port in taken:
                raise ValueError(f"{name} and {taken[port]} both come to port {port}")
            taken[port] = name
        return self

    def as_environment(self) -> dict[str, str]:
        """What makes a child process see exactly these settings, whatever file or environment they came from."""
        return {f"{PREFIX}{name.upper()}": _plain(value) for name, value in self.model_dump().items()}

    def native_ports(self) -> list[tuple[int, str]]:
        """Each port a native server will listen on, and the setting that moves it."""
        ports = []
        if not self.kafka_bootstrap:
            for broker in range(self.kafka_brokers):
                ports.append((self.kafka_port + 2 * broker, "kafka_port"))
                ports.append((self.kafka_controller_port + 2 * broker, "kafka_controller_port"))
        if not self.mqtt_url:
            ports.append((self.mqtt_port, "mqtt_port"))
            if self.mqtt_broker == "rabbitmq":
                ports.append((self.mqtt_admin_port, "mqtt_admin_port"))
        if not self.influx_url:
            ports.append((self.influx_port, "influx_port"))
        return ports

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def load_settings(**given: object) -> Settings:
    """The settings in force: `given`, else the environment, else the file. SettingsError says what is wrong."""
    try:
        return Settings(**given)  # type: ignore[arg-type]  # checked by pydantic, whose complaint is translated below
    except TOMLDecodeError as error:
        raise SettingsError(f"{FILE} is not valid TOML: {error}") from error
    except ValidationError as error:
        raise SettingsError("; ".join(_complaint(one, given) for one in error.errors())) from None


def _complaint(error: object, given: dict[str, object]) -> str:
    assert isinstance(error, dict)
    reason = str(error["msg"]).removeprefix("Value error, ").replace("Input should be ", "wanted ").rstrip(".")
    if not error["loc"]:
        return f"the settings contradict each other: {reason}"
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return f"{name} in {FILE} is not a setting of Hanan"
    variable = f"{PREFIX}{name.upper()}"
    source = "the caller" if name in given else variable if variable in os.environ else FILE
    value = "..." if "password" in name or "token" in name else error["input"]
    return f"{name}={value} (from {source}) is not usable: {reason}"
