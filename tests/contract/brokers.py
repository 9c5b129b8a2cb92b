"""The two MQTT brokers that one suite of tests runs on, and people who talk to them."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from deploy.native import process
from deploy.native.stack import Stack
from tests.servers import guarded_stack
from tests.waiting import eventually

MIB = 1024 * 1024
WINDOW = 2_000
"""How many messages either broker has on their way to one subscriber."""


@dataclass(frozen=True)
class Ways:
    """What the brokers do differently, each of them lawfully."""

    name: str
    keeps_all: bool
    """What was acknowledged survives a SIGKILL of the broker."""
    retained_by_wildcard: bool
    """A retained message is sent to a subscription with `+` or `#` in it."""
    says_no: bool
    """A publish or subscribe that is not allowed ends the connection. Otherwise it is acknowledged and forgotten."""
    guards_sessions: bool
    """A session is not given to another user who knows its client id."""
    dots_are_levels: bool
    """A `.` in a topic arrives as a `/`."""
    window_holds: bool
    """Never more than `WINDOW` messages are on their way to a subscriber; Mosquitto 2.0.11 sends more after the first PUBACK."""


MOSQUITTO = Ways(
    "mosquitto",
    keeps_all=False,
    retained_by_wildcard=True,
    says_no=False,
    guards_sessions=False,
    dots_are_levels=False,
    window_holds=False,
)
RABBITMQ = Ways(
    "rabbitmq",
    keeps_all=True,
    retained_by_wildcard=False,
    says_no=True,
    guards_sessions=True,
    dots_are_levels=True,
    window_holds=True,
)


class Got(NamedTuple):
    topic: str
    payload: bytes
    retained: bool
    dup: bool
    mid: int


class Person:
    """One client, whatever user it is. It acknowledges nothing by itself unless it is `polite`."""

    def __init__(
        self,
        broker: "Broker",
        user: str,
        client_id: str,
        *,
        clean: bool = False,
        polite: bool = True,
        will: tuple[str, bytes, bool] | None = None,
        password: str | None = None,
        protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
    ) -> None:
        self.got: list[Got] = []
        self.answer: str = ""  # to CONNECT
        self.session_present = False
        self.ended = threading.Event()
        self.reasons: dict[int, int] = {}  # of PUBACKs, with MQTT 5
        self._subscribed: set[int] = set()
        self._polite = polite
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=None if protocol == MQTTProtocolVersion.MQTTv5 else clean,
            protocol=protocol,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        if user:
            self.client.username_pw_set(user, broker.password(user) if password is None else password)
        if will:
            self.client.will_set(will[0], will[1], qos=1, retain=will[2])
        self.client.max_inflight_messages_set(0)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_message = self._on_message
        self.client.on_subscribe = self._on_subscribe
        self.client.on_unsubscribe = self._on_subscribe
        self.client.on_publish = self._on_publish
        self.client.connect(broker.host, broker.port, keepalive=60)
        self.client.loop_start()
        eventually(lambda: self.answer or self.ended.is_set(), 20, what=f"CONNACK for {client_id}")

    def subscribe(self, *filters: str) -> None:
        _, mid = self.client.subscribe([(topic, 1) for topic in filters])
        assert mid is not None
        eventually(lambda: mid in self._subscribed or self.ended.is_set(), 10, what="SUBACK")

    def unsubscribe(self, topic: str) -> None:
        _, mid = self.client.unsubscribe(topic)
        assert mid is not None
        eventually(lambda: mid in self._subscribed or self.ended.is_set(), 10, what="UNSUBACK")

    def publish(self, topic: str, payload: bytes = b"{}", *, qos: int = 1, retain: bool = False) -> mqtt.MQTTMessageInfo:
        return self.client.publish(topic, payload, qos=qos, retain=retain)

    def publish_all(self, topic: str, payloads: Sequence[bytes]) -> None:
        """And every one acknowledged."""
        infos = [self.publish(topic, payload) for payload in payloads]
        eventually(lambda: all(info.is_published() for info in infos), 60, what="PUBACKs")

    def ack(self, *messages: Got) -> None:
        for message in messages:
            self.client.ack(message.mid, 1)

    def acknowledge(self, *messages: Got) -> None:
        """And what comes after it was answered, so the broker has read it."""
        self.ack(*messages)
        self.publish_all("hanan-collector/here", [b""])

    def until(self, count: int, seconds: float = 20) -> list[Got]:
        eventually(lambda: len(self.got) >= count, seconds, what=f"{count} messages")
        assert len(self.got) == count, f"{len(self.got)} instead of {count}"
        return list(self.got)

    def vanish(self) -> None:
        """Without a goodbye, as when the power fails."""
        sock = self.client.socket()
        self.client.on_disconnect = None
        if isinstance(sock, socket.socket):
            sock.shutdown(socket.SHUT_RDWR)
        self._end()

    def leave(self) -> None:
        self.client.disconnect()
        self._end()

    def _end(self) -> None:
        self.client.loop_stop()

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        self.session_present = flags.session_present
        self.answer = str(reason)

    def _on_disconnect(self, *_: Any) -> None:
        self.ended.set()

    def _on_message(self, client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.got.append(Got(message.topic, bytes(message.payload), message.retain, message.dup, message.mid))
        if self._polite and message.qos:
            client.ack(message.mid, message.qos)

    def _on_subscribe(self, _client: Any, _data: Any, mid: int, *_: Any) -> None:
        self._subscribed.add(mid)

    def _on_publish(self, _client: Any, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        self.reasons[mid] = reason.value


class Broker:
    """A real one. Everyone who came in through it is sent home after the test, and the sessions are ended."""

    def __init__(self, stack: Stack, ways: Ways) -> None:
        self.stack, self.ways = stack, ways
        places = stack.endpoints()
        self.host, self.port = places.mqtt_host, places.mqtt_port
        self._people: list[Person] = []
        self._sessions: set[str] = set()
        self._number = 0

    def password(self, user: str) -> str:
        return self.stack.endpoints().mqtt_login(user).password

    def fresh(self, what: str = "session") -> str:
        """A client id that the collector may use, and nobody has yet."""
        self._number += 1
        return f"hanan-collector-{what}-{os.getpid()}-{self._number}"

    def person(self, user: str, client_id: str = "", **how: Any) -> Person:
        person = Person(self, user, client_id or self.fresh(user), **how)
        self._people.append(person)
        return person

    def collector(self, session: str, *filters: str, **how: Any) -> Person:
        self._sessions.add(session)
        person = self.person("collector", session, **how)
        if filters:
            person.subscribe(*filters)
        return person

    def session(self, *filters: str) -> str:
        """One that was subscribed, and whose client has left."""
        name = self.fresh()
        self.collector(name, *filters).leave()
        return name

    def kill(self) -> None:
        """And whatever it has started goes with it."""
        self.stack.kill(self.ways.name, signal.SIGKILL)
        eventually(lambda: not self.processes(), 10, what="no process of its own left")

    def processes(self) -> list[int]:
        return [running.pid for running in process.marked(self.stack.settings.home)]

    def listening(self) -> set[str]:
        """Address and port of every socket on which it, or what it has started, listens."""
        inodes = {
            os.readlink(handle)  # noqa: PTH115  # what it links to is no path
            for pid in self.processes()
            for handle in Path(f"/proc/{pid}/fd").iterdir()
        }
        rows = [row.split() for table in ("tcp", "tcp6") for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
        found = [row[1].split(":") for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]
        return {f"{socket.inet_ntoa(bytes.fromhex(address)[::-1])}:{int(port, 16)}" for address, port in found}

    def start(self) -> float:
        """Seconds until it answered."""
        began = time.monotonic()
        self.stack.restart(self.ways.name)
        return time.monotonic() - began

    def send_home(self) -> None:
        for person in self._people:
            person.leave()
        for session in self._sessions:
            Person(self, "collector", session, clean=True).leave()
        self._people.clear()
        self._sessions.clear()


@contextmanager
def running(ways: Ways) -> Iterator[Broker]:
    """The broker alone, without Kafka and InfluxDB."""
    elsewhere = {"kafka_bootstrap": "127.0.0.1:1", "influx_url": "http://127.0.0.1:9", "influx_token": "none"}
    with guarded_stack(mqtt_broker=ways.name, **elsewhere) as stack:
        broker = Broker(stack, ways)
        yield broker
        stack.stop()
        assert not broker.processes()
