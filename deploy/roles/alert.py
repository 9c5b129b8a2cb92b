"""The alerts."""

from deploy.metrics import PrometheusMeter
from deploy.native.endpoints import endpoints
from deploy.roles import groups
from deploy.roles.shelf import rules
from deploy.roles.wiring import runner
from deploy.settings import Settings
from deploy.stop import Stop
from processors.alert import AlertTasks
from processors.io.kafka_read import TableReader
from schemas import topics
from schemas.alert import COMMAND


def run(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    bootstrap = endpoints(settings).kafka_bootstrap
    devices, alerts, commands = (TableReader(bootstrap, topic) for topic in (topics.DEVICE, topics.ALERT, COMMAND))
    tasks = AlertTasks(
        rules(settings), devices, alerts, commands, settings.time_zone, settings.kafka_partitions, levels=groups.JUDGED_LEVELS
    )
    runner(name, settings, meter, groups.ALERT, tasks).run(stop)
