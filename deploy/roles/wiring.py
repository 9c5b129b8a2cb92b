"""What the roles' wirings share."""

from deploy.clock import deployment_clock, monotonic_ms
from deploy.metrics import PrometheusMeter
from deploy.native.endpoints import endpoints
from deploy.settings import Settings
from processors.io import clients
from processors.io.kafka_common import MAX_POLL_INTERVAL_MS
from processors.runner import Runner
from processors.task import Tasks
from schemas.ports import PointWriter, RecordSink, RecordSource


def open_source(settings: Settings, group: str, name: str, max_poll_interval_ms: int = MAX_POLL_INTERVAL_MS) -> RecordSource:
    bootstrap = endpoints(settings).kafka_bootstrap
    timeout_ms = settings.kafka_session_timeout_ms
    return clients.open_source(settings.kafka_client, bootstrap, group, name, timeout_ms, max_poll_interval_ms)


def open_sink(settings: Settings, name: str) -> RecordSink:
    return clients.open_sink(settings.kafka_client, endpoints(settings).kafka_bootstrap, name)


def runner(
    name: str,
    settings: Settings,
    meter: PrometheusMeter,
    group: str,
    tasks: Tasks,
    writer: PointWriter | None = None,
) -> Runner:
    return Runner(
        open_source(settings, group, name),
        clients.open_batch_sink(settings.kafka_client, endpoints(settings).kafka_bootstrap, name),
        tasks,
        clock=deployment_clock(settings),
        meter=meter,
        monotonic_ms=monotonic_ms,
        writer=writer,
    )
