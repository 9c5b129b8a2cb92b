"""The windows."""

from deploy.metrics import PrometheusMeter
from deploy.native.endpoints import endpoints
from deploy.roles.wiring import runner
from deploy.settings import Settings
from deploy.stop import Stop
from processors.aggregate import GROUP, AggregateTasks
from processors.io.kafka_read import LogReader, TableReader
from schemas import topics


def run(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    bootstrap = endpoints(settings).kafka_bootstrap
    table, history = TableReader(bootstrap, topics.DEVICE), LogReader(bootstrap)
    tasks = AggregateTasks(table, history, settings.time_zone, settings.kafka_partitions)
    runner(name, settings, meter, GROUP, tasks).run(stop)
