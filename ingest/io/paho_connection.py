"""One session on paho-mqtt, driven by our own loop: MQTT 3.1.1, QoS 1, acknowledged by hand, no threads."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from paho.mqtt.enums import MQTTErrorCode

from ingest.io.buffered import BufferedSocket
from ingest.io.paho_client import Broker
from ingest.pace import Backoff
from ingest.session import Message

log = structlog.get_logger()

_QOS = 1
_PINGREQ = b"\xc0\x00"
_CONNACK_MS = 10_000
_STEADY_MS = 10_000  # a connection that lived so long was a good one: the next attempt need not wait
_BLOCKED_MS = 500  # so long without a look at the socket, and the silence is ours


class PahoSession:
    """One session, reconnecting by itself.

    Keep-alive is our own. paho's (`loop_misc`) takes a PINGRESP that nobody has read yet for a dead broker, and while we hold
    back from reading, none is read. Here a PINGREQ goes out when we were silent, and the broker's silence counts only while we
    listen.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        subscribe: Sequence[str],
        unsubscribe: Sequence[str],
        *,
        monotonic_ms: Callable[[], int],
        may_connect: Callable[[], bool],
        backoff: Backoff,
    ) -> None:
        self.epoch = 0
        self.ready = False
        self._client_id, self._subscribe, self._unsubscribe = client_id, list(subscribe), list(unsubscribe)
        self._monotonic_ms, self._may_connect, self._backoff = monotonic_ms, may_connect, backoff
        self._half_keepalive_ms = broker.keepalive_s * 500
        self._client = broker.client(client_id, monotonic_ms)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_unsubscribe = self._on_unsubscribe
        self._client.on_disconnect = self._on_disconnect
        self._awaited: set[int | None] = set()  # SUBACK and UNSUBACK
        self._connected = False
        self._connect_at_ms = self._since_ms = 0
        self._was_read = False
        self._deaf_until_ms = self._tended_ms = 0
        self.closed = False

    @property
    def link(self) -> BufferedSocket | None:
        return self._client.link

    @property
    def pending(self) -> bool:
        link = self._client.link
        return link is not None and not link.dry

    def tend(self) -> None:
        now_ms = self._monotonic_ms()
        link = self._client.link
        if link is None:
            if now_ms >= self._connect_at_ms and not self.closed and self._may_connect():
                self._connect(now_ms)
            return
        if not self._was_read or now_ms - self._tended_ms > _BLOCKED_MS:
            self._deaf_until_ms = now_ms
        self._was_read = False
        self._tended_ms = now_ms
        if link.error is not None:
            self._drop(f"writing failed: {link.error}")
        elif not self._connected:
            self._await_connack(now_ms)
        elif now_ms - max(link.heard_ms, self._deaf_until_ms) > 3 * self._half_keepalive_ms:
            self._drop("the broker is silent")
        elif now_ms - link.spoke_ms > self._half_keepalive_ms and not link.unsent:
            link.send(_PINGREQ)
        self._write()

    def read(self, max_messages: int, max_bytes: int) -> Sequence[Message]:
        client = self._client
        link, inbox, loop_read = client.link, client.inbox, client.loop_read
        self._was_read = True
        if link is None:
            return ()
        size = counted = 0
        while True:
            rc = loop_read()
            if len(inbox) != counted:
                size += len(inbox[counted].payload)
                counted += 1
                if counted >= max_messages or size >= max_bytes:
                    break
            if rc != MQTTErrorCode.MQTT_ERR_SUCCESS or link.dry:
                break
        client.inbox = []
        return inbox

    def ack(self, mids: Sequence[int]) -> bool:
        client = self._client
        if client.link is None:
            return False
        for mid in mids:
            client.ack(mid, _QOS)
        self._write()
        return True

    def reconnect(self, why: str) -> None:
        if self._client.link is not None:
            self._drop(why)

    def close(self) -> None:
        self.closed = True
        if self._client.link is not None:
            self._client.disconnect()
            self._write()

    def _connect(self, now_ms: int) -> None:
        self.epoch += 1
        self._since_ms = self._deaf_until_ms = now_ms
        self._client.inbox = []
        try:
            self._client.reconnect()
            self._write()
        except OSError as error:  # refused, timed out, no such host, TLS
            self._lost(str(error) or type(error).__name__)

    def _await_connack(self, now_ms: int) -> None:
        self._client.loop_read()
        if not self._client.is_connected() and now_ms - self._since_ms > _CONNACK_MS:
            self._drop("the broker does not answer CONNECT")

    def _write(self) -> None:
        self._client.loop_write()
        if (link := self._client.link) is not None:
            link.flush()

    def _drop(self, why: str) -> None:
        log.warning("mqtt_dropped", client_id=self._client_id, why=why)
        self._client.disconnect()
        self._client.loop_write()

    def _lost(self, why: str) -> None:
        self.ready = self._connected = False
        self._awaited.clear()
        now_ms = self._monotonic_ms()
        if now_ms - self._since_ms >= _STEADY_MS:
            self._backoff.reset()
        wait_ms = self._backoff.next_ms()
        self._connect_at_ms = now_ms + wait_ms
        if not self.closed:
            log.warning("mqtt_lost", client_id=self._client_id, why=why, again_in_ms=wait_ms)

    def _on_connect(self, _client: object, _userdata: object, flags: Any, reason: Any, _properties: object) -> None:
        if reason.is_failure:
            log.error("mqtt_refused", client_id=self._client_id, why=str(reason))
            return
        self._connected = True
        log.info("mqtt_connected", client_id=self._client_id, session_present=flags.session_present)
        # Always, whatever the broker remembers: it may have lost the session, or have one from before the filters changed.
        self._awaited = set()
        if self._unsubscribe:
            # RabbitMQ 3.10 unsubscribes from nothing but what was subscribed to on this same connection.
            self._client.subscribe([(topic, _QOS) for topic in self._unsubscribe])
            self._awaited.add(self._client.unsubscribe(self._unsubscribe)[1])
        if self._subscribe:
            self._awaited.add(self._client.subscribe([(topic, _QOS) for topic in self._subscribe])[1])
        self.ready = not self._awaited

    def _on_subscribe(self, _client: object, _userdata: object, mid: int, reasons: Any, _properties: object) -> None:
        if mid not in self._awaited:
            return  # of what is given up
        if refused := [topic for topic, reason in zip(self._subscribe, reasons, strict=False) if reason.is_failure]:
            log.error("mqtt_subscription_refused", client_id=self._client_id, filters=refused)
            return  # never ready: who looks at the state sees it
        self._confirm(mid)

    def _on_unsubscribe(self, _client: object, _userdata: object, mid: int, _reasons: object, _properties: object) -> None:
        self._confirm(mid)

    def _confirm(self, mid: int) -> None:
        self._awaited.discard(mid)
        self.ready = self._connected and not self._awaited

    def _on_disconnect(self, _client: object, _userdata: object, _flags: object, reason: Any, _properties: object) -> None:
        self._lost(str(reason))
