"""The sessions of a process at one broker: see `paho_connection` for what one of them does."""

import select
from collections.abc import Callable, Iterable, Sequence

import structlog

from ingest.io.paho_client import Broker
from ingest.io.paho_connection import PahoSession
from ingest.pace import Backoff
from ingest.session import Session

__all__ = ["Broker", "PahoSession", "PahoSessions"]

log = structlog.get_logger()

_ERASE_MS = 5_000


class PahoSessions:
    """All sessions of this process at one broker."""

    def __init__(
        self,
        broker: Broker,
        *,
        monotonic_ms: Callable[[], int],
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        self._broker, self._monotonic_ms, self._backoff = broker, monotonic_ms, backoff
        self._open: list[PahoSession] = []
        self._connects_left = 1

    def open(self, client_id: str, subscribe: Sequence[str], unsubscribe: Sequence[str]) -> PahoSession:
        self._open = [session for session in self._open if not session.closed]
        session = PahoSession(
            self._broker,
            client_id,
            subscribe,
            unsubscribe,
            monotonic_ms=self._monotonic_ms,
            may_connect=self._may_connect,
            backoff=self._backoff(),
        )
        self._open.append(session)
        return session

    def wait(self, listening: Iterable[Session], timeout_ms: int) -> None:
        self._connects_left = 1
        poll = select.poll()
        events: dict[int, int] = {}
        for session in listening:
            assert isinstance(session, PahoSession)
            if session.link is not None:
                events[session.link.fileno()] = select.POLLIN
        for session in self._open:
            if session.link is not None and session.link.unsent:
                number = session.link.fileno()
                events[number] = events.get(number, 0) | select.POLLOUT
        for number, mask in events.items():
            poll.register(number, mask)
        poll.poll(timeout_ms)

    def erase(self, client_id: str) -> bool:
        """A connection with clean_session and nothing else: MQTT's way to say that a session is no longer wanted."""
        client = self._broker.client(client_id, self._monotonic_ms, clean_session=True)
        give_up_ms = self._monotonic_ms() + _ERASE_MS
        try:
            client.reconnect()
            while client.link is not None and not client.is_connected() and self._monotonic_ms() < give_up_ms:
                client.loop_write()
                client.link.flush()
                select.select([client.link], [], [], _ERASE_MS / 1_000)
                client.loop_read()
        except OSError as error:
            log.warning("mqtt_not_erased", client_id=client_id, why=str(error))
            return False
        erased = client.is_connected()
        client.disconnect()
        client.loop_write()
        return erased

    def _may_connect(self) -> bool:
        """Connecting blocks for as long as the broker does not answer, so there is one attempt a round, and no more."""
        if not self._connects_left:
            return False
        self._connects_left -= 1
        return True
