"""What windows must know of a device: its zone and how often it reports. A tenth of the registry's memory."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.device import Device, Registry


class Post(NamedTuple):
    stream: str
    kind: str
    zone: str
    interval_ms: int


class Roster:
    """Kept current from the compacted `device` topic. `version` grows with every change."""

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self._posts: dict[str, Post] = {}
        self._same: dict[Post, Post] = {}  # thousands of devices share a post
        self.version = 0
        for device in devices:
            self._put(device)

    def apply(self, device_id: str, value: bytes | None) -> str | None:
        """Takes one record of the topic. Returns what is wrong with it, if anything."""
        self.version += 1
        if value is None:
            self._posts.pop(device_id, None)
            return None
        checked = Registry()
        problem = checked.apply(device_id, value)
        for device in checked:
            self._put(device)
        return problem

    def _put(self, device: Device) -> None:
        post = Post(device.stream, device.kind, device.zone, device.interval_s * 1_000)
        self._posts[device.device_id] = self._same.setdefault(post, post)

    def get(self, device_id: str) -> Post | None:
        return self._posts.get(device_id)

    def posts(self) -> Iterable[Post]:
        return self._posts.values()
