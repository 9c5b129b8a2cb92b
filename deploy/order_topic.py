"""Work orders as they stand in Kafka, for whoever shows them, and what people say to them."""

from deploy import standing
from deploy.settings import Settings
from deploy.standing import Standing
from schemas import workorder
from schemas.ports import OutRecord
from schemas.workorder import EVENT, WORKORDER, Command, Order


class OrdersNow(Standing[Order]):
    """By place."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, WORKORDER, workorder.decode)


def send(settings: Settings, command: Command) -> None:
    record = OutRecord(EVENT, command.place.encode(), workorder.encode_event(command), (), command.at_ms, 0)
    standing.send(settings, "hanan-dispatch", record)
