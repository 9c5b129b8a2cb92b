"""Where the servers are and how to get in: native ones, or those named in the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from deploy.native import mqtt, ports, vault
from deploy.native.influxdb import names as influxdb
from deploy.native.kafka import config as kafka
from deploy.native.problems import NativeError
from deploy.settings import Settings

_MQTT_PORT = 1883


@dataclass(frozen=True)
class Credential:
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Endpoints:
    """Everything a role needs to connect; secrets stay out of its repr."""

    kafka_bootstrap: str
    mqtt_host: str
    mqtt_port: int
    mqtt_passwords: Mapping[str, str] = field(repr=False)
    mqtt_own: Credential | None
    influx_url: str
    influx_org: str
    influx_token: str = field(repr=False)
    influx_admin_token: str = field(repr=False)
    influx_grafana_token: str = field(repr=False)

    def mqtt_login(self, user: str) -> Credential:
        """For `collector`, `gateway`, `observer` or an admitted device; on a broker of one's own everyone is its user."""
        if self.mqtt_own is not None:
            return self.mqtt_own
        if user not in self.mqtt_passwords:
            raise NativeError(f"the MQTT broker knows no user {user}", "admit it first (deploy.native.Stack.admit)")
        return Credential(user, self.mqtt_passwords[user])


def endpoints(settings: Settings) -> Endpoints:
    """Starts nothing. NativeError when a native server has never been started, since its secrets are made then."""
    own_mqtt = urlsplit(settings.mqtt_url) if settings.mqtt_url else None
    return Endpoints(
        kafka_bootstrap=settings.kafka_bootstrap or kafka.bootstrap(settings),
        mqtt_host=own_mqtt.hostname or "" if own_mqtt else ports.LOOPBACK,
        mqtt_port=own_mqtt.port or _MQTT_PORT if own_mqtt else settings.mqtt_port,
        mqtt_passwords={}
        if own_mqtt
        else {user: mqtt.password(settings, user) for user in mqtt.STAFF} | mqtt.passwords(settings),
        mqtt_own=Credential(settings.mqtt_user, settings.mqtt_password.get_secret_value()) if own_mqtt else None,
        influx_url=settings.influx_url or influxdb.url(settings),
        influx_org=settings.influx_org,
        influx_token=_influx_token(settings, influxdb.ROLES),
        influx_admin_token=_influx_token(settings, influxdb.ADMIN),
        influx_grafana_token=_influx_token(settings, influxdb.GRAFANA),
    )


def _influx_token(settings: Settings, name: str) -> str:
    if settings.influx_url:
        return settings.influx_token.get_secret_value()
    found = vault.read(settings.home, name)
    if found is None:
        raise NativeError(f"influxdb: there is no token {name} in {settings.home}", "run `hanan servers start` first")
    return found
