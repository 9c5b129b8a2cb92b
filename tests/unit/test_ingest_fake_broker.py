"""An MQTT broker in memory for the other tests of `ingest`, and tests that it behaves as brokers do."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from paho.mqtt.client import topic_matches_sub

from ingest.session import Message, Session
from schemas.ports import OutRecord, RetryLater, send_each
from tests.memory import ManualClock

RETRY_MS = 500


@dataclass
class Stored:
    """One persistent session at the broker."""

    filters: set[str] = field(default_factory=set)
    queue: deque[tuple[str, bytes, bool, int]] = field(default_factory=deque)
    unacked: dict[int, Message] = field(default_factory=dict)  # by mid, in the order of sending
    acked: list[int] = field(default_factory=list)
    connection: "FakeSession | None" = None
    next_mid: int = 1


class FakeBroker:
    """Queues for sessions that are away, sends again on reconnect, and checks that acknowledgements come in order."""

    def __init__(self, max_inflight: int = 100) -> None:
        self.up = True
        self.max_inflight = max_inflight
        self.stored: dict[str, Stored] = {}
        self.retained: dict[str, bytes] = {}
        self.kicked = 0

    def publish(self, topic: str, payload: bytes = b"{}", *, qos: int = 1, retain: bool = False) -> None:
        for stored in self.stored.values():
            if any(topic_matches_sub(each, topic) for each in stored.filters) and (qos or stored.connection):
                stored.queue.append((topic, payload, False, qos))
        if retain:
            self.retained[topic] = payload

    def drop(self, client_id: str) -> None:
        """The connection is lost on the way."""
        connection = self.stored[client_id].connection
        if connection:
            connection.lose()

    def left(self) -> int:
        """Messages that the broker still has."""
        return sum(len(stored.queue) + len(stored.unacked) for stored in self.stored.values())

    def connected(self) -> set[str]:
        return {client_id for client_id, stored in self.stored.items() if stored.connection}


class FakeSession:
    def __init__(
        self, broker: FakeBroker, client_id: str, subscribe: Sequence[str], unsubscribe: Sequence[str], clock: ManualClock
    ) -> None:
        self.epoch = 0
        self.ready = False
        self.closed = False
        self.reads = 0
        self.ended: list[str] = []  # why reconnect was called
        self._broker, self._client_id, self._clock = broker, client_id, clock
        self._subscribe, self._unsubscribe = subscribe, unsubscribe
        self._resend: deque[Message] = deque()
        self._connect_at_ms = 0

    @property
    def pending(self) -> bool:
        stored = self._broker.stored.get(self._client_id)
        return self.ready and stored is not None and bool(self._resend or self._may_send(stored))

    def _may_send(self, stored: Stored) -> bool:
        return bool(stored.queue) and len(stored.unacked) < self._broker.max_inflight

    def tend(self) -> None:
        if self.closed or self.ready or self._clock.now_ms() < self._connect_at_ms:
            return
        self.epoch += 1
        if not self._broker.up:
            self._connect_at_ms = self._clock.now_ms() + RETRY_MS
            return
        stored = self._broker.stored.setdefault(self._client_id, Stored())
        if stored.connection:
            self._broker.kicked += 1
            stored.connection.lose()
        stored.connection = self
        stored.filters -= set(self._unsubscribe)
        stored.filters |= set(self._subscribe)
        self._resend = deque(stored.unacked.values())
        for topic, payload in self._broker.retained.items():
            if any(topic_matches_sub(each, topic) for each in self._subscribe):
                stored.queue.append((topic, payload, True, 1))
        self.ready = True

    def read(self, max_messages: int, max_bytes: int) -> Sequence[Message]:
        self.reads += 1
        stored = self._broker.stored.get(self._client_id)
        messages: list[Message] = []
        while self.ready and stored and len(messages) < max_messages and sum(len(m.payload) for m in messages) < max_bytes:
            if self._resend:
                messages.append(self._resend.popleft())
            elif self._may_send(stored):
                topic, payload, retained, qos = stored.queue.popleft()
                mid = 0
                if qos:
                    mid = stored.next_mid
                    stored.next_mid = mid % 60_000 + 1
                message = Message(mid, topic, payload, retained)
                if mid:
                    stored.unacked[mid] = message
                messages.append(message)
            else:
                break
        return messages

    def ack(self, mids: Sequence[int]) -> bool:
        if not self.ready:
            return False
        stored = self._broker.stored[self._client_id]
        for mid in mids:
            assert next(iter(stored.unacked)) == mid, f"{mid} acknowledged out of order"
            del stored.unacked[mid]
            stored.acked.append(mid)
        return True

    def reconnect(self, why: str) -> None:
        self.ended.append(why)
        self.lose()

    def close(self) -> None:
        self.closed = True
        self.lose()

    def lose(self) -> None:
        if self.ready:
            self.ready = False
            self._broker.stored[self._client_id].connection = None
            self._resend.clear()
            self._connect_at_ms = self._clock.now_ms() + RETRY_MS


class FakeSessions:
    """`wait` lets the time pass that it would wait."""

    def __init__(self, broker: FakeBroker, clock: ManualClock) -> None:
        self.opened: list[FakeSession] = []
        self._broker, self._clock = broker, clock

    def open(self, client_id: str, subscribe: Sequence[str], unsubscribe: Sequence[str]) -> FakeSession:
        self.opened.append(FakeSession(self._broker, client_id, subscribe, unsubscribe, self._clock))
        return self.opened[-1]

    def wait(self, listening: Iterable[Session], timeout_ms: int) -> None:
        self._clock.advance(timeout_ms)

    def erase(self, client_id: str) -> bool:
        if self._broker.up:
            self._broker.stored.pop(client_id, None)
        return self._broker.up


class ManualSink:
    """A sink that confirms what and when the test says."""

    def __init__(self) -> None:
        self.sent: list[tuple[OutRecord, Callable[[str | None], None]]] = []
        self.full = False

    def send(self, record: OutRecord, done: Callable[[str | None], None] | None = None) -> None:
        if self.full:
            raise RetryLater(100, "full")
        self.sent.append((record, done or (lambda _: None)))

    def send_all(self, records: Sequence[OutRecord]) -> int:
        return send_each(self, records)

    def serve(self) -> None: ...

    def confirm(self, *places: int, error: str | None = None) -> None:
        for place in places:
            self.sent[place][1](error)

    def flush(self, timeout_ms: int) -> None: ...

    def close(self) -> None: ...


def make_session(broker: FakeBroker, client_id: str = "c") -> FakeSession:
    session = FakeSession(broker, client_id, ["a/#"], [], ManualClock())
    session.tend()
    return session


def test_the_broker_queues_for_a_session_that_is_away() -> None:
    broker = FakeBroker()
    make_session(broker).close()
    broker.publish("a/1", b"x")
    assert [m.payload for m in make_session(broker).read(10, 100)] == [b"x"]


def test_the_broker_sends_again_what_was_not_acknowledged() -> None:
    broker = FakeBroker()
    session = make_session(broker)
    broker.publish("a/1", b"x")
    broker.publish("a/1", b"y")
    first = session.read(10, 100)
    session.ack([first[0].mid])
    assert session.read(10, 100) == []
    assert make_session(broker).read(10, 100) == first[1:]
    assert broker.kicked == 1
    assert not session.ready


def test_the_broker_limits_what_is_in_flight() -> None:
    broker = FakeBroker(max_inflight=2)
    session = make_session(broker)
    for _ in range(3):
        broker.publish("a/1")
    assert len(session.read(10, 100)) == 2
    session.ack([1])
    assert [m.mid for m in session.read(10, 100)] == [3]
