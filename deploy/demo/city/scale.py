"""More devices than the district has, cheaply: copies that say later what the original said, under their own names.

The physics run once. A copy of number n repeats the reading that its original sent n reports before, with a time stamp of its own
some seconds after the original's newest: so copies differ, each is consistent in itself and with its registry entry, and a copy
costs a microsecond or two. Catch-up arrays are not repeated.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from deploy.demo.recordings.recording import Message
from schemas.device import Device
from schemas.instants import MINUTE_MS
from schemas.topics import MqttTopic

_HEAD = b'{"ts":'
_TS_END = len(_HEAD) + 13  # digits of milliseconds until the year 2286
_MEMORY = 24


def copy_name(device_id: str, number: int) -> str:
    return f"{device_id}-{number:03d}"


def scaled_devices(devices: Iterable[Device], scale: int) -> Iterator[Device]:
    """The district's own, then its copies."""
    own = list(devices)
    yield from own
    for number in range(1, scale):
        for device in own:
            gateway = copy_name(device.gateway, number) if device.gateway else ""
            names = {"device_id": copy_name(device.device_id, number), "site": copy_name(device.site, number), "gateway": gateway}
            yield device.model_copy(update=names)


class Copies:
    def __init__(self, scale: int) -> None:
        self._scale = scale
        self._shifts = [number * MINUTE_MS // max(1, scale) for number in range(scale)]
        self._topics: dict[str, list[MqttTopic]] = {}
        self._said: dict[str, deque[bytes]] = {}
        self._last: dict[str, int] = {}
        self._later: list[Message] = []

    def minutes(self, minutes: Iterable[list[Message]], start_ms: int) -> Iterator[list[Message]]:
        """Of the city's minutes, those of the enlarged city."""
        if self._scale == 1:
            yield from minutes
            return
        for number, minute in enumerate(minutes, 1):
            made = self._later + minute
            for message in minute:
                made += self._repeat(message)
            made.sort(key=_at)
            end_ms = start_ms + number * MINUTE_MS
            now = [message for message in made if message.at_ms < end_ms]
            self._later = made[len(now) :]
            yield now

    def _repeat(self, message: Message) -> list[Message]:
        id_ = message.topic.device_id
        if len(message.times) != 1 or self._last.get(id_) == message.times[0] or not message.payload.startswith(_HEAD):
            return []
        self._last[id_] = ts = message.times[0]
        topics = self._topics.get(id_)
        if topics is None:
            topics = self._topics[id_] = [message.topic._replace(device_id=copy_name(id_, n)) for n in range(self._scale)]
            self._said[id_] = deque(maxlen=_MEMORY)
        said, at_ms = self._said[id_], message.at_ms
        said.appendleft(message.payload[_TS_END:])
        known = len(said)
        made = []
        for number in range(1, self._scale):
            shift = self._shifts[number]
            payload = b"%s%d%s" % (_HEAD, ts + shift, said[number % known])
            made.append(Message(at_ms + shift, topics[number], payload, 1, (ts + shift,)))
        return made


def _at(message: Message) -> int:
    return message.at_ms
