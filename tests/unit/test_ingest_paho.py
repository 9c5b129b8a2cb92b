"""The shell around paho, against a broker that a test plays by hand over a real socket. No threads: the kernel accepts for us."""

import inspect
import select
import socket
import struct
from collections.abc import Iterator

import pytest
from paho.mqtt import _packet
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from ingest.io.buffered import BufferedSocket
from ingest.io.paho_connection import PahoSession
from ingest.io.paho_session import Broker, PahoSessions
from ingest.pace import Backoff
from tests.memory import ManualClock

CONNACK = b"\x20\x02\x00\x00"
REFUSED = b"\x20\x02\x00\x05"
PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"
DISCONNECT = b"\xe0\x00"
KEEPALIVE_S = 10


def publish(mid: int, topic: bytes = b"a/b", payload: bytes = b"x", first: int = 0x32) -> bytes:
    body = struct.pack("!H", len(topic)) + topic + (struct.pack("!H", mid) if first & 6 else b"") + payload
    return bytes([first]) + _length(len(body)) + body


def _length(number: int) -> bytes:
    coded = b""
    while number > 127:
        coded += bytes([number % 128 | 128])
        number //= 128
    return coded + bytes([number])


def puback(*mids: int) -> bytes:
    return b"".join(b"\x40\x02" + struct.pack("!H", mid) for mid in mids)


class Peer:
    """The broker's side of one connection."""

    def __init__(self, accepted: socket.socket) -> None:
        self.socket = accepted
        self.socket.settimeout(5)

    def says(self, *packets: bytes) -> None:
        self.socket.sendall(b"".join(packets))

    def hears(self) -> bytes:
        """All that has arrived."""
        select.select([self.socket], [], [], 0.5)
        heard = b""
        while select.select([self.socket], [], [], 0.02)[0] and (more := self.socket.recv(65_536)):
            heard += more
        return heard


class Scene:
    """A session that connects to us when it is tended."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.clock = ManualClock(1_000_000)
        broker = Broker("127.0.0.1", self.listener.getsockname()[1], "user", "secret", keepalive_s=KEEPALIVE_S)
        self.sessions = PahoSessions(broker, monotonic_ms=self.clock.now_ms, backoff=lambda: Backoff(draw=lambda: 0.0))
        self.session = self.open()
        self.peers: list[Peer] = []

    def open(self, *unsubscribe: str) -> PahoSession:
        return self.sessions.open("hanan-collector-bike", ["hanan/bike/+/+/+"], unsubscribe)

    def connect(self, *answers: bytes) -> Peer:
        """Up to the CONNACK, unless told otherwise."""
        self.sessions.wait((), 0)
        self.session.tend()
        self.listener.settimeout(5)
        peer = Peer(self.listener.accept()[0])
        self.peers.append(peer)
        self.connect_packet = peer.hears()
        peer.says(*(answers or (CONNACK,)))
        self.until_heard()
        self.session.tend()
        return peer

    def until_heard(self) -> None:
        assert self.session.link is not None
        assert select.select([self.session.link], [], [], 5)[0]

    def ready(self) -> Peer:
        peer = self.connect()
        suback(peer, peer.hears())
        self.until_heard()
        assert self.session.read(10, 10_000) == []
        assert self.session.ready
        return peer

    def close(self) -> None:
        self.session.close()
        self.listener.close()
        for peer in self.peers:
            peer.socket.close()


def suback(peer: Peer, subscribe: bytes, granted: int = 1) -> None:
    assert subscribe[0] == 0x82
    peer.says(b"\x90\x03" + subscribe[2:4] + bytes([granted]))


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


def test_paho_still_has_the_methods_that_are_replaced() -> None:
    """If this fails after an upgrade: look again at ingest/io/paho_client.py."""
    for name in ("_create_socket", "_handle_publish"):
        assert list(inspect.signature(getattr(paho.Client, name)).parameters) == ["self"]
    assert list(inspect.signature(_packet.decode_publish).parameters) == ["header", "packet", "protocol"]
    assert _packet.PublishPacket._fields == ("dup", "qos", "retain", "topic", "mid", "properties", "payload")
    assert "self._create_socket()" in inspect.getsource(paho.Client.reconnect)
    assert "self._handle_publish()" in inspect.getsource(paho.Client._packet_handle)
    assert paho.Client(CallbackAPIVersion.VERSION2)._in_packet["command"] == 0


def test_it_connects_as_a_persistent_session_and_subscribes(scene: Scene) -> None:
    peer = scene.connect()
    name = b"hanan-collector-bike"
    flags = 0xC0  # user name and password, and no clean session
    head = b"\x00\x04MQTT\x04" + bytes([flags]) + struct.pack("!H", KEEPALIVE_S)
    assert scene.connect_packet[2:] == head + struct.pack("!H", len(name)) + name + b"\x00\x04user\x00\x06secret"
    subscribe = peer.hears()
    assert subscribe[4:] == b"\x00\x10hanan/bike/+/+/+\x01"
    assert not scene.session.ready
    suback(peer, subscribe)
    scene.until_heard()
    scene.session.read(1, 1)
    assert scene.session.ready
    assert scene.session.epoch == 1


def test_it_is_ready_when_old_filters_are_given_up_too(scene: Scene) -> None:
    scene.session = scene.open("hanan/old/+")
    peer = scene.connect()
    heard = peer.hears()
    again, heard = heard[:18], heard[18:]
    assert again[4:] == b"\x00\x0bhanan/old/+\x01", "or RabbitMQ would not know what is given up"
    suback(peer, again, 0x80)
    assert heard[0] == 0xA2
    assert heard[4:17] == b"\x00\x0bhanan/old/+"
    suback(peer, heard[17:])
    scene.until_heard()
    scene.session.read(1, 1)
    assert not scene.session.ready
    peer.says(b"\xb0\x02" + heard[2:4])
    scene.until_heard()
    scene.session.read(1, 1)
    assert scene.session.ready


def test_messages_are_read_in_batches(scene: Scene) -> None:
    peer = scene.ready()
    peer.says(*(publish(mid, payload=b"%d" % mid) for mid in range(1, 8)), publish(8, first=0x33), publish(0, first=0x30))
    scene.until_heard()
    first = scene.session.read(5, 10_000)
    assert [(m.mid, m.topic, m.payload, m.retained) for m in first] == [(n, "a/b", b"%d" % n, False) for n in range(1, 6)]
    assert scene.session.pending, "the rest lies in the buffer, where no poll would tell of it"
    rest = scene.session.read(50, 10_000)
    assert [(m.mid, m.retained) for m in rest] == [(6, False), (7, False), (8, True), (0, False)]
    assert not scene.session.pending


def test_the_batch_ends_with_the_message_that_passes_the_limit(scene: Scene) -> None:
    peer = scene.ready()
    peer.says(*(publish(mid, payload=bytes(100)) for mid in range(1, 5)))
    scene.until_heard()
    assert [m.mid for m in scene.session.read(50, 150)] == [1, 2]
    assert [m.mid for m in scene.session.read(50, 150)] == [3, 4]


def test_a_message_that_comes_in_pieces_is_read_whole(scene: Scene) -> None:
    peer = scene.ready()
    packet = publish(1, payload=bytes(1_000_000))
    got: list[bytes] = []
    for start in range(0, len(packet), 300_000):
        peer.says(packet[start : start + 300_000])
        scene.until_heard()
        got += [m.payload for m in scene.session.read(10, 10_000_000)]
    while not got:
        scene.until_heard()
        got += [m.payload for m in scene.session.read(10, 10_000_000)]
    assert got == [bytes(1_000_000)]


def test_a_topic_that_is_not_utf8_is_still_a_message(scene: Scene) -> None:
    peer = scene.ready()
    peer.says(publish(1, topic=b"a/\xff"))
    scene.until_heard()
    assert [m.topic for m in scene.session.read(10, 100)] == ["a/\ufffd"]


@pytest.mark.parametrize("packet", [publish(1, first=0x34), b"\x32\x01\x00", b"\xf0\x00", b"\x32\xff\xff\xff\xff\x01"])
def test_what_breaks_the_protocol_ends_the_connection(scene: Scene, packet: bytes) -> None:
    peer = scene.ready()
    peer.says(packet)
    scene.until_heard()
    assert scene.session.read(10, 100) == []
    assert not scene.session.ready
    assert not scene.session.ack([1])


def test_acknowledgements_are_written_in_order_and_together(scene: Scene) -> None:
    peer = scene.ready()
    assert scene.session.ack([3, 1, 2])
    assert peer.hears() == puback(3, 1, 2)


def test_a_lost_connection_is_made_again_after_a_while(scene: Scene) -> None:
    peer = scene.ready()
    peer.socket.close()
    scene.until_heard()
    scene.session.read(1, 1)
    assert not scene.session.ready
    scene.sessions.wait((), 0)
    scene.session.tend()
    assert scene.session.epoch == 1
    scene.clock.advance(500)
    scene.connect()
    assert scene.session.epoch == 2


def test_who_is_refused_asks_more_and_more_seldom(scene: Scene) -> None:
    waits = []
    for _ in range(4):
        scene.connect(REFUSED)
        assert scene.session.link is None
        start = scene.clock.now_ms()
        while True:
            scene.sessions.wait((), 0)
            before = scene.session.epoch
            scene.session.tend()
            if scene.session.epoch > before:
                break
            scene.clock.advance(100)
        waits.append(scene.clock.now_ms() - start)
        scene.listener.accept()[0].close()
        scene.until_heard()
        scene.session.tend()
        scene.clock.advance(40_000)
    assert waits == sorted(waits)
    assert waits[0] == 500
    assert waits[-1] > 5_000


def test_nobody_there(scene: Scene) -> None:
    scene.listener.close()
    scene.session.tend()
    assert scene.session.epoch == 1
    assert not scene.session.ready
    assert scene.session.read(1, 1) == ()
    assert scene.session.ack([1]) is False
    scene.session.reconnect("no matter")
    scene.sessions.wait([scene.session], 0)


def test_a_broker_that_does_not_answer_connect_is_left(scene: Scene) -> None:
    scene.sessions.wait((), 0)
    scene.session.tend()
    for _ in range(101):
        scene.clock.advance(100)
        scene.session.tend()
    assert scene.session.link is None


def test_a_refused_subscription_is_never_ready(scene: Scene) -> None:
    peer = scene.connect()
    suback(peer, peer.hears(), granted=0x80)
    scene.until_heard()
    scene.session.read(1, 1)
    assert not scene.session.ready


def test_silence_is_broken_by_a_ping(scene: Scene) -> None:
    peer = scene.ready()
    scene.clock.advance(KEEPALIVE_S * 500)
    scene.session.tend()
    assert peer.hears() == b""
    scene.clock.advance(1)
    scene.session.tend()
    scene.session.tend()
    assert peer.hears() == PINGREQ


def listen(scene: Scene, seconds: int) -> None:
    for _ in range(seconds * 10):
        scene.clock.advance(100)
        scene.session.tend()
        scene.session.read(10, 100)


def test_a_broker_that_is_silent_while_we_listen_is_left(scene: Scene) -> None:
    scene.ready()
    listen(scene, KEEPALIVE_S * 3 // 2)
    assert scene.session.ready
    listen(scene, 1)
    assert not scene.session.ready


def test_an_answer_to_the_ping_is_enough(scene: Scene) -> None:
    peer = scene.ready()
    for _ in range(6):
        listen(scene, KEEPALIVE_S // 2)
        peer.says(PINGRESP)
        scene.until_heard()
    assert scene.session.ready


def test_while_nothing_is_read_the_silence_is_ours(scene: Scene) -> None:
    peer = scene.ready()
    for _ in range(KEEPALIVE_S * 100):
        scene.clock.advance(100)
        scene.session.tend()
    assert scene.session.ready
    assert peer.hears().count(PINGREQ) >= 15
    listen(scene, KEEPALIVE_S)
    assert scene.session.ready, "the broker is given a full time from when we listen again"


def test_a_loop_that_was_blocked_does_not_blame_the_broker(scene: Scene) -> None:
    scene.ready()
    scene.session.read(1, 1)
    scene.clock.advance(KEEPALIVE_S * 10_000)
    scene.session.tend()
    assert scene.session.ready


def test_leaving_writes_the_last_acknowledgements(scene: Scene) -> None:
    peer = scene.ready()
    scene.session.ack([7])
    scene.session.close()
    assert peer.hears() == puback(7) + DISCONNECT
    scene.sessions.wait((), 0)
    scene.session.tend()
    assert scene.session.epoch == 1, "it does not come back"


def test_reconnect_drops_the_connection(scene: Scene) -> None:
    peer = scene.ready()
    scene.session.reconnect("for a test")
    assert peer.hears() == DISCONNECT
    assert not scene.session.ready
    scene.clock.advance(500)
    scene.connect()


def test_an_error_in_writing_ends_the_connection_even_if_nothing_is_read(scene: Scene) -> None:
    peer = scene.ready()
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.socket.close()  # with a reset
    scene.session.ack([1])
    scene.session.ack([2])
    scene.session.tend()
    assert scene.session.link is None


def test_waiting_ends_when_there_is_something_to_read(scene: Scene) -> None:
    peer = scene.ready()
    peer.says(publish(1))
    scene.sessions.wait([scene.session], 60_000)
    assert [m.mid for m in scene.session.read(1, 1)] == [1]


def test_one_attempt_to_connect_in_a_round(scene: Scene) -> None:
    other = scene.open()
    scene.session.tend()
    other.tend()
    assert (scene.session.epoch, other.epoch) == (1, 0)
    scene.sessions.wait((), 0)
    other.tend()
    assert other.epoch == 1
    other.close()


def test_a_buffered_socket_reads_ahead_and_writes_behind() -> None:
    here, there = socket.socketpair()
    with there:
        buffered = BufferedSocket(here, lambda: 5)
        buffered.setblocking(False)
        with pytest.raises(BlockingIOError):
            buffered.recv(1)
        assert buffered.dry
        there.sendall(b"abcdef")
        assert (buffered.recv(1), buffered.dry) == (b"a", False)
        there.close()
        assert buffered.recv(2) == b"bc", "from the buffer, and no more than asked for"
        assert buffered.recv(100) == b"def"
        assert buffered.recv(100) == b""
        buffered.close()


def test_a_buffered_socket_keeps_what_the_peer_does_not_take() -> None:
    here, there = socket.socketpair()
    with there:
        buffered = BufferedSocket(here, lambda: 5)
        buffered.setblocking(False)
        data = bytes(range(256)) * 20_000
        assert buffered.send(data) == len(data)
        buffered.flush()
        assert buffered.unsent
        got = b""
        there.settimeout(5)
        while len(got) < len(data):
            got += there.recv(1_000_000)
            buffered.flush()
        assert got == data
        assert not buffered.unsent
        buffered.send(b"last")
        buffered.close()
        assert there.recv(10) == b"last"


def test_a_buffered_socket_tells_of_an_error_in_writing_when_it_is_read() -> None:
    here, there = socket.socketpair()
    there.close()
    buffered = BufferedSocket(here, lambda: 5)
    buffered.send(b"x")
    buffered.flush()
    assert not buffered.unsent
    with pytest.raises(BrokenPipeError):
        buffered.recv(1)
    buffered.close()
