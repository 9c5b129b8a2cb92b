"""The indicators and the work orders."""

from functools import partial

from deploy.metrics import PrometheusMeter
from deploy.native.endpoints import endpoints
from deploy.roles import groups
from deploy.roles.wiring import runner
from deploy.settings import Settings
from deploy.stop import Stop
from processors.city.role import CityTasks
from processors.io.influx import InfluxWriter
from processors.io.kafka_read import TableReader
from schemas import topics


def run(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    places = endpoints(settings)
    table = TableReader(places.kafka_bootstrap, topics.DEVICE)
    tasks = CityTasks(table, partial(TableReader, places.kafka_bootstrap), settings.time_zone, settings.kafka_partitions)
    writer = InfluxWriter(places.influx_url, places.influx_token, places.influx_org)
    runner(name, settings, meter, groups.CITY, tasks, writer).run(stop)
