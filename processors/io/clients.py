"""The choice between the two Kafka clients: a setting, and nothing else in the house knows."""

from importlib import import_module
from types import ModuleType
from typing import Literal

from processors.io.kafka_common import MAX_POLL_INTERVAL_MS, SESSION_TIMEOUT_MS
from schemas.ports import RecordSink, RecordSource

Client = Literal["confluent", "kafka-python"]


def _module(client: Client) -> ModuleType:
    """Only the one that is used: importing both costs every role a tenth of a second and 8 MB."""
    return import_module("processors.io." + client.replace("-", "_"))


def open_source(
    client: Client,
    bootstrap: str,
    group: str,
    client_id: str,
    session_timeout_ms: int = SESSION_TIMEOUT_MS,
    max_poll_interval_ms: int = MAX_POLL_INTERVAL_MS,
) -> RecordSource:
    source: RecordSource = _module(client).Source(
        bootstrap, group, client_id=client_id, session_timeout_ms=session_timeout_ms, max_poll_interval_ms=max_poll_interval_ms
    )
    return source


def open_sink(client: Client, bootstrap: str, client_id: str) -> RecordSink:
    """A sink that says of each record when it is safe."""
    sink: RecordSink = _module(client).Sink(bootstrap, client_id=client_id)
    return sink


def open_batch_sink(client: Client, bootstrap: str, client_id: str) -> RecordSink:
    """A sink for those who send a batch and flush it, and never ask for a single record."""
    if client == "confluent":
        sink: RecordSink = _module(client).Sink(bootstrap, client_id=client_id, reports=False)
        return sink
    return open_sink(client, bootstrap, client_id)
