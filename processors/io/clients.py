"""The choice between the two Kafka clients: a setting, and nothing else in the house knows."""

from collections.abc import Mapping
from types import ModuleType
from typing import Literal

from processors.io import confluent, kafka_python
from schemas.ports import RecordSink, RecordSource

Client = Literal["confluent", "kafka-python"]

_MODULES: Mapping[str, ModuleType] = {"confluent": confluent, "kafka-python": kafka_python}


def open_source(client: Client, bootstrap: str, group: str, client_id: str) -> RecordSource:
    source: RecordSource = _MODULES[client].Source(bootstrap, group, client_id=client_id)
    return source


def open_sink(client: Client, bootstrap: str, client_id: str) -> RecordSink:
    """A sink that says of each record when it is safe."""
    sink: RecordSink = _MODULES[client].Sink(bootstrap, client_id=client_id)
    return sink


def open_batch_sink(client: Client, bootstrap: str, client_id: str) -> RecordSink:
    """A sink for those who send a batch and flush it, and never ask for a single record."""
    if client == "confluent":
        return confluent.Sink(bootstrap, client_id=client_id, reports=False)
    return open_sink(client, bootstrap, client_id)
