"""What others call the native InfluxDB by. Apart from its server, since every role reads this at its start."""

from deploy.native import ports
from deploy.settings import Settings

ADMIN, ROLES, GRAFANA = "influx-admin", "influx-roles", "influx-grafana"
"""Names of the tokens, in the vault and in InfluxDB."""


def url(settings: Settings) -> str:
    return f"http://{ports.LOOPBACK}:{settings.influx_port}"
