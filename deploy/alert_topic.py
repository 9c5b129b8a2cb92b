"""Alerts as they stand in Kafka, for whoever shows them."""

from collections.abc import Iterable, Iterator
from typing import Any

from deploy.native.endpoints import endpoints
from deploy.settings import Settings
from deploy.standing import Standing
from processors.io.kafka_read import TableReader
from schemas import alert as alerts
from schemas import codec, topics
from schemas.alert import CLOCK_KEY, COMMAND, DELIVERY, Alert, Command, Verb


class AlertsNow(Standing[Alert]):
    """By slot."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, topics.ALERT, alerts.decode, skip=CLOCK_KEY)

    def open(self) -> list[Alert]:
        return gravest_first(one for one in self.all if one.is_open)


def gravest_first(some: Iterable[Alert]) -> list[Alert]:
    return sorted(some, key=lambda one: (not one.is_open, -one.severity.rank, one.onset_ms))


def deliveries(settings: Settings) -> Iterator[dict[str, Any]]:
    """What was handed over, and by which route."""
    for _, value in _whole(settings, DELIVERY):
        yield codec.loads(value)


def silences(settings: Settings, now_ms: int) -> list[Command]:
    """Those that are in force or will be."""
    found = [alerts.decode_command(value) for key, value in _whole(settings, COMMAND) if key.startswith(b"silence/")]
    return sorted((one for one in found if one.verb is Verb.SILENCE and one.until_ms > now_ms), key=lambda one: one.until_ms)


def _whole(settings: Settings, topic: str) -> Iterator[tuple[bytes, bytes]]:
    table = TableReader(endpoints(settings).kafka_bootstrap, topic)
    try:
        yield from [(key, value) for key, value in table.changes() if value is not None]
    finally:
        table.close()
