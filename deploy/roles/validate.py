"""From raw records to readings."""

from deploy.metrics import PrometheusMeter
from deploy.native.endpoints import endpoints
from deploy.roles import groups
from deploy.roles.wiring import runner
from deploy.settings import Settings
from deploy.stop import Stop
from processors.io.kafka_read import TableReader
from processors.validate import ValidateTasks
from schemas import topics


def run(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    table = TableReader(endpoints(settings).kafka_bootstrap, topics.DEVICE)
    runner(name, settings, meter, groups.VALIDATE, ValidateTasks(table, settings.readings_retention_days)).run(stop)
