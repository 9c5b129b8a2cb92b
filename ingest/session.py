"""The protocol between the collector and an MQTT client library."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol


class Message(NamedTuple):
    """A message as the broker delivered it. `mid` 0: nothing to acknowledge. `retained`: stored at the broker, not fresh."""

    mid: int
    topic: str
    payload: bytes
    retained: bool


class Session(Protocol):
    """One persistent session at the broker, and this client's connection to it, which comes and goes."""

    @property
    def epoch(self) -> int:
        """Grows with every attempt to connect. What came in one epoch cannot be acknowledged in another."""
        ...

    @property
    def ready(self) -> bool:
        """Connected, and the broker has confirmed what was subscribed and unsubscribed."""
        ...

    @property
    def pending(self) -> bool:
        """There may be more to read without waiting."""
        ...

    def tend(self) -> None:
        """To be called often: connects when it is time to, writes what is due, keeps the connection alive."""
        ...

    def read(self, max_messages: int, max_bytes: int) -> Sequence[Message]:
        """What has arrived, without waiting; the message that passes `max_bytes` is the last.

        Not calling it is the back-pressure: then the broker keeps the rest. The connection lives on all the same.
        """
        ...

    def ack(self, mids: Sequence[int]) -> bool:
        """Acknowledges in this order; False when there is no connection to do it on."""
        ...

    def reconnect(self, why: str) -> None:
        """Drops the connection so that the broker sends again what was never acknowledged."""
        ...

    def close(self) -> None:
        """Writes what is due and leaves, in bounded time. The session stays at the broker and goes on queueing."""
        ...


class Sessions(Protocol):
    """Opens sessions at one broker and waits for all of them together."""

    def open(self, client_id: str, subscribe: Sequence[str], unsubscribe: Sequence[str]) -> Session:
        """Does not connect yet: `tend` does. On every connection the filters are unsubscribed and subscribed again."""
        ...

    def wait(self, listening: Iterable[Session], timeout_ms: int) -> None:
        """Returns when one of these has something to read, or any open session can write what is due, or time is up."""
        ...

    def erase(self, client_id: str) -> bool:
        """Ends a session at the broker for good, with all that is queued in it. False: not reached, try again."""
        ...
