"""The registry as it stands in Kafka."""

from contextlib import closing

import structlog

from deploy.native.endpoints import endpoints
from deploy.settings import Settings
from processors.io.kafka_read import TableReader
from schemas import topics
from schemas.device import Device, Registry

log = structlog.get_logger()


def read_registry(settings: Settings) -> list[Device]:
    """All devices registered now. An entry that this version cannot read is said and passed over."""
    registry = Registry()
    with closing(TableReader(endpoints(settings).kafka_bootstrap, topics.DEVICE)) as table:
        for key, value in table.changes():
            problem = registry.apply(key.decode(errors="replace"), value)
            if problem:
                log.warning("registry_entry_unreadable", why=problem)
    return list(registry)
