"""Sends messages at QoS 1: a bounded number of them unacknowledged, over broken connections, until every one is acknowledged.

One thread: whoever sends also calls `serve`. MQTT 5 where the broker has it, since only there an acknowledgement says that a
message was refused, or that nobody was there to take it; MQTT 3.1.1 otherwise.
"""

import random
import secrets
import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from deploy.demo.recordings.recording import Message

_NO_SUBSCRIBER = 0x10
_UNSUPPORTED_PROTOCOL = "Unsupported protocol version"
# What waiting does not mend
_FATAL = {
    _UNSUPPORTED_PROTOCOL,
    "Not authorized",
    "Bad user name or password",
    "Banned",
    "Bad authentication method",
    "Client identifier not valid",
}
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0
_ANSWER_S = 5.0


@dataclass(frozen=True)
class Broker:
    """Where the broker is, and who comes."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"mqtt://{self.host}:{self.port}"


class BrokerError(Exception):
    """The broker cannot be reached, or will not have us; one line for the person at the terminal."""


Acknowledged = Callable[[Message, str], None]
"""Called for each acknowledgement: the message, and what the broker has against it: nothing, `no_subscriber`, or its refusal."""

NO_SUBSCRIBER = "no_subscriber"


class Publisher:
    """`connect`, then `send` while there is `room` and `serve` in between, `drain` at the end."""

    def __init__(self, broker: Broker, acknowledged: Acknowledged, *, limit: int = 500, client_id: str = "") -> None:
        self.reconnects = 0
        self._broker = broker
        self._acknowledged = acknowledged
        self._asked_limit = self._limit = limit
        self._client_id = client_id or f"hanan-feed-{secrets.token_hex(4)}"
        self._unacked: dict[int, Message] = {}
        self._ready = False  # the broker has said that we are connected
        self._ever_ready = False
        self._wait_s = _FIRST_WAIT_S
        self._next_try = 0.0
        self._deadline = 0.0  # for the broker's answer to CONNECT
        self._why = ""  # the last thing that went wrong
        self._fatal = ""
        self._asked = False  # CONNECT is out, and nothing has come back
        self._change_protocol = False
        self._client = self._make_client(MQTTProtocolVersion.MQTTv5)

    def _make_client(self, protocol: MQTTProtocolVersion) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, client_id=self._client_id, protocol=protocol)
        client.max_inflight_messages_set(0)  # paho's own bound costs a walk over all messages at every acknowledgement
        client.connect_timeout = _ANSWER_S
        if self._broker.user:
            client.username_pw_set(self._broker.user, self._broker.password)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.connect_async(self._broker.host, self._broker.port, keepalive=30)
        return client

    @property
    def unacked(self) -> int:
        return len(self._unacked)

    @property
    def room(self) -> int:
        """How many messages may be sent now; none while the connection is down."""
        return self._limit - len(self._unacked) if self._ready else 0

    @property
    def trouble(self) -> str:
        """Why there is no connection; empty while there is one."""
        return "" if self._ready else self._why

    def connect(self, patience_s: float = 10.0) -> None:
        """BrokerError when the broker is not there in time, or refuses."""
        deadline = time.monotonic() + patience_s
        while not self._ready:
            self.serve(min(0.2, patience_s))
            if time.monotonic() > deadline:
                raise BrokerError(f"{self._broker} cannot be reached: {self._why or 'no answer'}")

    def send(self, message: Message) -> None:
        """Takes the message whatever the connection does from here on; only to be called while there is room."""
        info = self._client.publish(str(message.topic), message.payload, qos=1)
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN, MQTTErrorCode.MQTT_ERR_CONN_LOST):
            raise BrokerError(f"{message.topic}: {info.rc.name}")
        self._unacked[info.mid] = message

    def serve(self, timeout_s: float) -> None:
        """Reads acknowledgements, writes what is waiting, keeps the connection; waits up to `timeout_s` for something to do."""
        socket = self._client.socket()
        if socket is None:
            self._revive(timeout_s)
        else:
            writing = [socket] if self._client.want_write() else []
            readable, writable, _ = select.select([socket], writing, [], timeout_s)
            if writable:
                self._client.loop_write()
            if readable:
                self._client.loop_read()
            self._client.loop_misc()
            if not self._ready and time.monotonic() > self._deadline:
                self._why = "it accepts connections and says nothing"
                self._asked = False
                socket.close()
                self._client.loop_read()  # paho finds it closed and puts itself in order
        if self._fatal:
            raise BrokerError(f"{self._broker} refuses the connection: {self._fatal}")

    def drain(self, patience_s: float) -> int:
        """Waits for the acknowledgements that are out; returns how many are still missing in the end."""
        deadline = time.monotonic() + patience_s
        while self._unacked and time.monotonic() < deadline:
            self.serve(0.2)
        return len(self._unacked)

    def close(self) -> None:
        """Says goodbye. What is not acknowledged by now stays so."""
        self._client.disconnect()

    def _revive(self, timeout_s: float) -> None:
        """One try, when its time has come. paho sends again by itself what was not acknowledged, once it is connected."""
        if self._change_protocol:
            self._change_protocol = False
            newer = self._client.protocol == MQTTProtocolVersion.MQTTv5
            self._client = self._make_client(MQTTProtocolVersion.MQTTv311 if newer else MQTTProtocolVersion.MQTTv5)
            self._next_try = 0.0 if newer else self._next_try
        wait_s = self._next_try - time.monotonic()
        if wait_s > 0:
            time.sleep(min(wait_s, timeout_s))
            return
        try:
            self._client.reconnect()
            self._asked = True
        except OSError as error:
            self._why = error.strerror or str(error)
        self._deadline = time.monotonic() + _ANSWER_S
        self._next_try = time.monotonic() + self._wait_s * random.uniform(0.8, 1.2)
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)

    def _on_connect(self, _client: Client, _data: Any, _flags: Any, reason: Any, properties: Any) -> None:
        self._asked = False
        if reason.is_failure:
            self._refused(str(reason))
            return
        self.reconnects += self._ever_ready
        self._ready = self._ever_ready = True
        self._wait_s = _FIRST_WAIT_S
        self._limit = min(self._asked_limit, getattr(properties, "ReceiveMaximum", self._asked_limit))

    def _refused(self, reason: str) -> None:
        self._why = reason
        if reason == _UNSUPPORTED_PROTOCOL and self._client.protocol == MQTTProtocolVersion.MQTTv5 and not self._ever_ready:
            self._change_protocol = True
        elif reason in _FATAL:
            self._fatal = reason

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self._ready:
            self._why = str(reason)
        elif self._asked and not self._ever_ready:
            # RabbitMQ 3.10 does so, since it cannot read an MQTT 5 CONNECT; so does a broker that is just going down.
            self._why = "it hangs up without an answer"
            self._change_protocol = True
        self._ready = self._asked = False

    def _on_publish(self, _client: Client, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        message = self._unacked.pop(mid)
        code = reason.value
        self._acknowledged(message, "" if code == 0 else NO_SUBSCRIBER if code == _NO_SUBSCRIBER else str(reason))
