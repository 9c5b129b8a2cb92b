"""Work orders as they stand in Kafka, for whoever shows them, and what people say to them."""

from collections.abc import Iterable
from contextlib import closing

import structlog

from deploy.native.endpoints import endpoints
from deploy.roles.wiring import open_sink
from deploy.settings import Settings
from processors.io.kafka_read import TableReader
from schemas import workorder
from schemas.ports import OutRecord
from schemas.workorder import EVENT, WORKORDER, Command, Order

log = structlog.get_logger()


class OrdersNow:
    """Kept current by `look`. An entry that this version cannot read is said and passed over."""

    def __init__(self, settings: Settings) -> None:
        self._table = TableReader(endpoints(settings).kafka_bootstrap, WORKORDER)
        self._orders: dict[str, Order] = {}

    def look(self) -> "OrdersNow":
        for key, value in self._table.changes():
            place = key.decode(errors="replace")
            try:
                self._orders[place] = workorder.decode(value or b"")
            except (ValueError, KeyError, TypeError) as error:
                log.warning("order_unreadable", place=place, why=repr(error))
        return self

    @property
    def all(self) -> Iterable[Order]:
        return self._orders.values()

    def find(self, target: str) -> Order | None:
        """By its id or its place."""
        return self._orders.get(target) or next((one for one in self.all if one.id == target), None)

    def close(self) -> None:
        self._table.close()


def send(settings: Settings, command: Command) -> None:
    with closing(open_sink(settings, "hanan-dispatch")) as sink:
        sink.send(OutRecord(EVENT, command.place.encode(), workorder.encode_event(command), (), command.at_ms, 0))
        sink.flush(10_000)
