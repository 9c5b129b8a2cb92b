"""The fleet's MQTT connections: one for each gateway, and one for each device that reports through none, under its own name.

To the feed it looks like one publisher. A connection that is down holds back its own messages and no others'.
"""

import time
from collections.abc import Callable, Iterable, Mapping

from deploy.demo.publisher import Acknowledged, Broker, BrokerError, Publisher
from deploy.demo.recordings.recording import Message
from schemas.device import Device

_LIMIT = 1_000  # unacknowledged in all
_SERVE_ALL_S = 1.0  # those with nothing to wait for are looked after this often: keep-alives, lost connections
_NAP_S = 0.01


def speakers(devices: Iterable[Device]) -> dict[str, str]:
    """device_id -> who speaks for it."""
    return {device.device_id: device.gateway or device.device_id for device in devices}


class Connections:
    """`broker_of` says with which login a gateway or device comes; `speaker_of` who speaks for which device."""

    def __init__(self, speaker_of: Mapping[str, str], broker_of: Callable[[str], Broker], acknowledged: Acknowledged) -> None:
        self._speaker_of = speaker_of
        names = sorted(set(speaker_of.values()))
        self._publishers = {name: Publisher(broker_of(name), acknowledged, limit=_LIMIT, client_id=name) for name in names}
        self._busy: dict[str, Publisher] = {}
        self._next_all = 0.0

    def __len__(self) -> int:
        return len(self._publishers)

    @property
    def unacked(self) -> int:
        return sum(publisher.unacked for publisher in self._busy.values())

    @property
    def room(self) -> int:
        return max(0, _LIMIT - self.unacked)

    @property
    def reconnects(self) -> int:
        return sum(publisher.reconnects for publisher in self._publishers.values())

    @property
    def trouble(self) -> str:
        down = [f"{name}: {why}" for name, publisher in self._publishers.items() if (why := publisher.trouble)]
        return f"{len(down)} connections are down, first {down[0]}" if down else ""

    def connect(self, patience_s: float = 10.0) -> None:
        """All of them; BrokerError names the first that does not come in time."""
        deadline = time.monotonic() + patience_s
        waiting = dict(self._publishers)
        while waiting:
            for name, publisher in list(waiting.items()):
                publisher.serve(0.0)
                if publisher.room > 0:
                    del waiting[name]
            if waiting and time.monotonic() > deadline:
                name, publisher = next(iter(waiting.items()))
                raise BrokerError(
                    f"{len(waiting)} of {len(self)} do not get through, first {name}: {publisher.trouble or 'no answer'}"
                )
            time.sleep(_NAP_S)

    def send(self, message: Message) -> None:
        device = message.topic.device_id
        name = self._speaker_of[device]
        publisher = self._publishers[name]
        publisher.send(message)
        self._busy[name] = publisher

    def serve(self, timeout_s: float) -> None:
        now = time.monotonic()
        everyone = now >= self._next_all
        if everyone:
            self._next_all = now + _SERVE_ALL_S
        for publisher in list((self._publishers if everyone else self._busy).values()):
            publisher.serve(0.0)
        self._busy = {name: publisher for name, publisher in self._busy.items() if publisher.unacked}
        time.sleep(min(timeout_s, _NAP_S if self._busy else timeout_s))

    def close(self) -> None:
        for publisher in self._publishers.values():
            publisher.close()
