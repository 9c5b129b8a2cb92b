"""Ticks move time in the log: without them a quiet partition would stand still and its windows would never close."""

from collections.abc import Iterable

from schemas import topics
from schemas.instants import SECOND_MS
from schemas.ports import OutRecord

TICK = "tick"


class Ticker:
    """One tick a second of the deployment's clock to every raw partition of the streams that are held here."""

    def __init__(self, partitions: int, collector: str) -> None:
        self._partitions = range(partitions)
        self._collector = (topics.COLLECTOR_ID, collector.encode())
        self._second = 0

    def due(self, now_ms: int, streams: Iterable[str]) -> list[OutRecord]:
        """The ticks of this second, once. A clock set back ticks on from where it is; readers keep the largest time seen."""
        second = now_ms // SECOND_MS
        if second == self._second:
            return []
        self._second = second
        headers = ((TICK, b"1"), self._collector)
        return [
            OutRecord(topics.raw(stream), None, b"", headers, now_ms, partition)
            for stream in streams
            for partition in self._partitions
        ]
