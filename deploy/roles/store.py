"""From Kafka into InfluxDB."""

from deploy.metrics import PrometheusMeter
from deploy.native.endpoints import endpoints
from deploy.roles import groups
from deploy.roles.wiring import runner
from deploy.settings import Settings
from deploy.stop import Stop
from processors.io.influx import InfluxWriter
from processors.store import StoreTasks


def run(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    places = endpoints(settings)
    writer = InfluxWriter(places.influx_url, places.influx_token, places.influx_org)
    runner(name, settings, meter, groups.STORE, StoreTasks(), writer).run(stop)
