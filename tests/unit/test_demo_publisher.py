"""The publisher against a broker of twenty lines, which says what real ones say only on bad days."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from deploy.demo import publisher as publisher_module
from deploy.demo.publisher import Broker, BrokerError, Publisher
from deploy.demo.recordings import Message
from schemas.topics import MqttTopic

V311, V5 = 4, 5
CONNECT, PUBLISH = 1, 3
HANGS_UP = b"hangs up"
ACCEPTED = {V311: b"\x20\x02\x00\x00", V5: b"\x20\x03\x00\x00\x00"}


class TinyBroker:
    """One connection at a time. `connacks` answers CONNECT by protocol level; b"" says nothing, then listens on."""

    def __init__(self, connacks: dict[int, bytes] | None = None) -> None:
        self.connacks = ACCEPTED | (connacks or {})
        self.hang_up_after: int | None = None  # messages, then the connection is cut, once
        self.published: list[tuple[int, bool]] = []  # mid, dup
        self.levels: list[int] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        level = V5
        while head := stream.read(1):
            body = stream.read(_length(stream.read))
            if head[0] >> 4 == CONNECT:
                level = body[6]
                self.levels.append(level)
                answer = self.connacks[level]
                if answer == HANGS_UP:
                    return
                connection.sendall(answer)
                if answer and answer[3]:  # its reason code: a refusal, after which a broker hangs up
                    return
            elif head[0] >> 4 == PUBLISH:
                at = 2 + int.from_bytes(body[:2], "big")
                mid = body[at : at + 2]
                self.published.append((int.from_bytes(mid, "big"), bool(head[0] & 8)))
                if self.hang_up_after == len(self.published):
                    return
                connection.sendall(b"\x40\x02" + mid)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


def _length(read: Callable[[int], bytes]) -> int:
    value, shift = 0, 0
    while True:
        byte = read(1)[0]
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value


@contextmanager
def broker(connacks: dict[int, bytes] | None = None) -> Iterator[TinyBroker]:
    tiny = TinyBroker(connacks)
    try:
        yield tiny
    finally:
        tiny.close()


def message(n: int) -> Message:
    return Message(n, MqttTopic("bike", "station", "S-1", "reading"), b"{}", 1, (n,))


class Answers:
    def __init__(self) -> None:
        self.got: list[tuple[int, str]] = []

    def __call__(self, said: Message, against: str) -> None:
        self.got.append((said.at_ms, against))


def send_all(publisher: Publisher, count: int, patience_s: float = 10) -> None:
    todo = list(range(count))
    deadline = time.monotonic() + patience_s
    while todo and time.monotonic() < deadline:
        while todo and publisher.room > 0:
            publisher.send(message(todo.pop(0)))
        publisher.serve(0.05)
    publisher.drain(patience_s)


def test_a_broker_that_only_knows_the_older_protocol_is_spoken_to_in_that() -> None:
    answers = Answers()
    with broker({V5: b"\x20\x02\x00\x01"}) as tiny:
        publisher = Publisher(Broker("127.0.0.1", tiny.port), answers)
        publisher.connect()
        send_all(publisher, 5)
        publisher.close()
        assert tiny.levels == [V5, V311]
    assert answers.got == [(n, "") for n in range(5)]


def test_a_broker_that_hangs_up_at_the_newer_protocol_is_spoken_to_in_the_older_one() -> None:
    answers = Answers()
    with broker({V5: HANGS_UP}) as tiny:
        publisher = Publisher(Broker("127.0.0.1", tiny.port), answers)
        publisher.connect()
        send_all(publisher, 5)
        publisher.close()
        assert tiny.levels == [V5, V311]
    assert answers.got == [(n, "") for n in range(5)]


def test_a_broker_that_hangs_up_on_everyone_is_spoken_to_in_the_newer_one_when_it_is_back() -> None:
    with broker({V5: HANGS_UP, V311: HANGS_UP}) as tiny:
        publisher = Publisher(Broker("127.0.0.1", tiny.port), Answers())
        with pytest.raises(BrokerError, match="hangs up without an answer"):
            publisher.connect(0.3)
        tiny.connacks = {V5: ACCEPTED[V5], V311: HANGS_UP}
        publisher.connect()
        publisher.close()
        assert tiny.levels[:3] == [V5, V311, V5]


def test_what_was_not_acknowledged_is_sent_again_after_a_broken_connection() -> None:
    answers = Answers()
    with broker() as tiny:
        tiny.hang_up_after = 40
        publisher = Publisher(Broker("127.0.0.1", tiny.port), answers, limit=10)
        publisher.connect()
        send_all(publisher, 100)
        publisher.close()
        mids = {mid for mid, _ in tiny.published}
        assert any(dup for _, dup in tiny.published)
    assert publisher.reconnects == 1
    assert len(mids) == 100
    assert sorted(n for n, _ in answers.got) == list(range(100))
    assert len(answers.got) == 100


def test_never_more_are_out_than_the_broker_takes() -> None:
    receive_maximum_7 = b"\x20\x06\x00\x00\x03\x21\x00\x07"
    with broker({V5: receive_maximum_7}) as tiny:
        publisher = Publisher(Broker("127.0.0.1", tiny.port), Answers())
        publisher.connect()
        assert publisher.room == 7
        publisher.close()


@pytest.mark.parametrize(
    ("connack", "reason"), [(b"\x20\x03\x00\x87\x00", "Not authorized"), (b"\x20\x03\x00\x86\x00", "Bad user name or password")]
)
def test_a_broker_that_will_not_have_us_is_not_asked_again(connack: bytes, reason: str) -> None:
    with broker({V5: connack}) as tiny:
        publisher = Publisher(Broker("127.0.0.1", tiny.port, "gateway", "secret"), Answers())
        with pytest.raises(BrokerError, match=f"refuses the connection: {reason}") as refusal:
            publisher.connect()
        publisher.close()
        assert tiny.levels == [V5]
    assert "secret" not in str(refusal.value) + repr(publisher._broker)


def test_a_broker_that_is_busy_is_asked_again() -> None:
    with broker({V5: b"\x20\x03\x00\x89\x00"}) as tiny:  # Server busy
        publisher = Publisher(Broker("127.0.0.1", tiny.port), Answers())
        with pytest.raises(BrokerError, match="cannot be reached: Server busy"):
            publisher.connect(0.6)
        publisher.close()
        assert len(tiny.levels) > 1


def test_a_broker_that_accepts_and_says_nothing_is_given_up_on_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "_ANSWER_S", 0.2)
    answers = Answers()
    with broker({V5: b""}) as tiny:
        publisher = Publisher(Broker("127.0.0.1", tiny.port), answers)
        with pytest.raises(BrokerError, match="says nothing"):
            publisher.connect(0.5)
        tiny.connacks = ACCEPTED
        publisher.connect()
        send_all(publisher, 3)
        publisher.close()
    assert len(answers.got) == 3


def test_a_broker_that_is_not_there_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    publisher = Publisher(Broker("127.0.0.1", port), Answers())
    with pytest.raises(BrokerError, match=rf"mqtt://127.0.0.1:{port} cannot be reached: Connection refused"):
        publisher.connect(0.3)
    assert publisher.room == 0
    publisher.close()
