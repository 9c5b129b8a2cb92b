"""The fleet's gateway: a process that publishes what is due at QoS 1 and writes down what the broker has acknowledged.

It may be killed at any moment. Started again, it sends first what was due and is not known to be acknowledged, and goes on.
"""

import json
import signal
import sys
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy import children
from deploy.clock import monotonic_ms, wall_ms
from deploy.demo.publisher import Broker, BrokerError, Publisher
from deploy.demo.recordings.recording import Message
from deploy.native.endpoints import endpoints
from deploy.registry_file import load_devices
from deploy.settings import load_settings
from deploy.soak.acks import Acks, read_acks
from deploy.soak.fleet import Fleet, Pattern, some_of_each_kind

_WAIT_S = 0.02
_DRAIN_MS = 90_000
_LIMIT = 500


@dataclass(frozen=True)
class Order:
    """What to send, and where to write down what came of it."""

    pattern: Pattern
    devices_of_a_kind: int
    acks: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Order":
        kept: dict[str, Any] = json.loads(text)
        return Order(**kept | {"pattern": Pattern(**kept["pattern"])})


class Sender:
    def __init__(self, fleet: Fleet, broker: Broker, path: Path) -> None:
        self._fleet = fleet
        self._acks = Acks(path)
        self._known = read_acks(path).keys()
        self._next = 0
        self._again: deque[int] = deque()
        self._numbers: dict[int, int] = {}  # of what is on its way, by the message object
        self._fresh: list[int] = []
        self._publisher = Publisher(broker, self._acknowledged, limit=_LIMIT)

    def run(self) -> int:
        """Until SIGTERM; then waits for what is on its way. Returns how many messages are still without an answer."""
        asked: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _frame: asked.append(number))
        while not asked:
            self._turn(self._fleet.last_due(wall_ms()))
        last, until_ms = self._next - 1, monotonic_ms() + _DRAIN_MS
        while (self._again or self._numbers) and monotonic_ms() < until_ms:
            self._turn(last)
        self._publisher.close()
        self._acks.close()
        return len(self._again) + len(self._numbers)

    def _turn(self, last: int) -> None:
        room = self._publisher.room
        while room > 0 and (number := self._take(last)) is not None:
            made = self._fleet.message(number)
            message = Message(made.due_ms, made.topic, made.payload, made.readings, ())
            self._numbers[id(message)] = number
            self._publisher.send(message)
            room -= 1
        self._publisher.serve(_WAIT_S)
        if self._fresh:
            self._acks.add(self._fresh, wall_ms())
            self._fresh.clear()

    def _take(self, last: int) -> int | None:
        if self._again:
            return self._again.popleft()
        while self._next <= last:
            self._next += 1
            if self._next - 1 not in self._known:
                return self._next - 1
        return None

    def _acknowledged(self, message: Message, why_not: str) -> None:
        """What the broker acknowledged and threw away, since it had lost the session it was for, is sent again."""
        number = self._numbers.pop(id(message))
        if why_not:
            self._again.append(number)
        else:
            self._fresh.append(number)


def main() -> None:
    """The process. The settings come in its environment, its order as the first argument."""
    children.end_with_parent()
    order = Order.from_json(sys.argv[1])
    settings = load_settings()
    places = endpoints(settings)
    login = places.mqtt_login("gateway")
    broker = Broker(places.mqtt_host, places.mqtt_port, login.user, login.password)
    fleet = Fleet(order.pattern, list(some_of_each_kind(load_devices(settings.registry), order.devices_of_a_kind)))
    try:
        left = Sender(fleet, broker, Path(order.acks)).run()
    except BrokerError as refusal:  # whoever runs us starts us again
        sys.exit(str(refusal))
    sys.exit(f"{left} messages were not acknowledged" if left else 0)


if __name__ == "__main__":
    main()
