"""What Mosquitto tells of itself under `$SYS`.

Its values are retained messages, published when they change and forgotten after a minute (2.0.11). So who comes late hears
nothing of a counter that stands still, and who wants to know how much was dropped in all must listen from the broker's start.
"""

import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from deploy.native import mqtt, ports
from deploy.native.problems import NativeError
from deploy.settings import Settings

_STORED, _BYTES = "$SYS/broker/store/messages/count", "$SYS/broker/store/messages/bytes"
_RETAINED = "$SYS/broker/retained messages/count"
_DROPPED = "$SYS/broker/publish/messages/dropped"
_ALWAYS = (_STORED, _BYTES, _RETAINED)  # these change all the time, by the messages about the others
_PATIENCE_SECONDS = 10.0  # while it saves a long queue it answers nobody
_GRACE_SECONDS = 0.5
_POLL_SECONDS = 0.02


class Ear:
    """A connection that listens, in a thread of paho's, and comes back when the broker does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._told: dict[str, int] = {}
        self._heard_first = 0.0
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="", protocol=paho.MQTTv311)
        client.username_pw_set(mqtt.OBSERVER, mqtt.password(settings, mqtt.OBSERVER))
        client.reconnect_delay_set(1, 5)
        client.on_connect, client.on_message = self._on_connect, self._on_message
        client.connect_async(ports.LOOPBACK, settings.mqtt_port)
        client.loop_start()
        self._client = client

    def figures(self) -> mqtt.Figures:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._heard_enough():
            if time.monotonic() > deadline:
                raise NativeError("mosquitto: it does not tell how it is", "`hanan servers status` tells whether it runs")
            time.sleep(_POLL_SECONDS)
        told = self._told
        return mqtt.Figures(
            queued=max(0, told[_STORED] - told[_RETAINED]),
            queued_bytes=told[_BYTES],
            dropped=told.get(_DROPPED),
            unheard=None,
            refusing="",  # it takes everything, and drops what it has no room for
            resident_bytes=mqtt.resident_bytes(self._settings, "mosquitto"),
        )

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _heard_enough(self) -> bool:
        return all(topic in self._told for topic in _ALWAYS) and (
            _DROPPED in self._told or time.monotonic() - self._heard_first > _GRACE_SECONDS
        )

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        self._told = {}
        self._heard_first = time.monotonic()
        client.subscribe([(topic, 0) for topic in (*_ALWAYS, _DROPPED)])

    def _on_message(self, _client: object, _userdata: object, message: Any) -> None:
        self._told[message.topic] = int(float(message.payload))
