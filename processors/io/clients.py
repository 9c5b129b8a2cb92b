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
    sink: RecordSink = _MODULES[client].Sink(bootstrap, client_id=client_id)
    return sink
