"""What stands in a compacted topic, for whoever shows it, and what people say to it: of alerts and of work orders."""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Generic, Protocol, Self, TypeVar

import structlog

from deploy.native.endpoints import endpoints
from deploy.roles.wiring import open_sink
from deploy.settings import Settings
from processors.io.kafka_read import TableReader
from schemas.ports import OutRecord

log = structlog.get_logger()

_PATIENCE_S = 30.0  # a role that died is followed after its session has timed out
_LOOK_S = 0.1
_FLUSH_MS = 10_000


class Named(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=Named)


class Standing(Generic[T]):
    """Kept current by `look`. An entry that this version cannot read is said and passed over."""

    def __init__(self, settings: Settings, topic: str, decode: Callable[[bytes], T], skip: bytes | None = None) -> None:
        self._table = TableReader(endpoints(settings).kafka_bootstrap, topic)
        self._topic, self._decode, self._skip = topic, decode, skip
        self._entries: dict[str, T] = {}

    def look(self) -> Self:
        for key, value in self._table.changes():
            name = key.decode(errors="replace")
            if key == self._skip:
                continue
            if value is None:
                self._entries.pop(name, None)
                continue
            try:
                self._entries[name] = self._decode(value)
            except (ValueError, KeyError, TypeError) as error:
                log.warning("entry_unreadable", topic=self._topic, key=name, why=repr(error))
        return self

    @property
    def all(self) -> Iterable[T]:
        return self._entries.values()

    def find(self, target: str) -> T | None:
        """By its id or its key."""
        return self._entries.get(target) or next((one for one in self.all if one.id == target), None)

    def close(self) -> None:
        self._table.close()


def send(settings: Settings, sender: str, record: OutRecord) -> None:
    with closing(open_sink(settings, sender)) as sink:
        sink.send(record)
        sink.flush(_FLUSH_MS)


def obeyed(ask: Callable[[], bool | None]) -> bool:
    """Whether what was said is done; asked until it is yes or no. None is not yet, and in the end no."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        answer = ask()
        if answer is not None:
            return answer
        time.sleep(_LOOK_S)
    return False
