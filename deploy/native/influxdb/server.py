"""The native InfluxDB."""

from influxdb_client.client.influxdb_client import InfluxDBClient

from deploy.native import ports
from deploy.native.influxdb.names import url
from deploy.native.influxdb.program import InfluxProgram
from deploy.native.influxdb.setup import set_up
from deploy.native.progress import Step
from deploy.native.server import Found, Launch
from deploy.settings import Settings

_PROBE_MS = 1_000


class InfluxServer:
    """`influxd` on loopback. Every write reaches the disk before its 204: `storage-wal-fsync-delay` stays at its default, 0."""

    name = "influxdb"
    start_seconds = 120.0
    patience_seconds = 20.0

    def __init__(self, settings: Settings, program: InfluxProgram) -> None:
        self.program = program
        self._settings = settings
        self._home = settings.home / self.name
        self.ports = ((settings.influx_port, "influx_port"),)

    def prepare(self, found: Found, step: Step) -> Launch:
        step.waiting("preparing its directories")
        data = self._home / "data"
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        options = {
            "http-bind-address": f"{ports.LOOPBACK}:{self._settings.influx_port}",
            "bolt-path": data / "influxd.bolt",
            "sqlite-path": data / "influxd.sqlite",
            "engine-path": data / "engine",
            "log-level": "warn",
        }
        flags = [word for option, value in options.items() for word in (f"--{option}", str(value))]
        return Launch((str(found.path), "run", *flags, "--reporting-disabled", "--pprof-disabled"), self._home)

    def ready(self) -> bool:
        if not ports.accepts(self._settings.influx_port):
            return False
        with InfluxDBClient(url(self._settings), "", timeout=_PROBE_MS) as client:
            return bool(client.ping())

    def settle(self, step: Step) -> None:
        step.waiting("organisation, buckets and tokens")
        set_up(self._settings, url(self._settings))

    def explain(self) -> str:
        return ""
