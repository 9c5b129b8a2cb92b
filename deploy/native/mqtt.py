"""The port every native MQTT broker fills: a server that also lets people in and says how much it holds.

Passwords are generated into `<home>/secrets/mqtt/<user>` and are the same whichever broker runs: who changes the broker changes
no device. What a broker keeps of them, and how it hears of a new one while it runs, is its own business.
"""

import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from deploy.native import ports, process, vault
from deploy.native.problems import NativeError
from deploy.native.server import Server
from deploy.settings import Settings

COLLECTOR, GATEWAY, OBSERVER = "collector", "gateway", "observer"
STAFF = (COLLECTOR, GATEWAY, OBSERVER)
"""Everyone else is a device, and its user name is its device_id."""

_FOLDER = "mqtt"
_PROBE_SECONDS = 1.0


@dataclass(frozen=True)
class Figures:
    """What a broker says of itself, a few seconds old at most. Counters are since its start."""

    queued: int
    """Messages it holds for sessions, those on their way to a subscriber included. Mosquitto's number is off by some."""
    queued_bytes: int
    dropped: int | None
    """Acknowledged, and then not kept, because a queue was full: every one of these is lost. None: Mosquitto has not said, so
    none since a minute before we began to listen."""
    unheard: int | None
    """Acknowledged although no session wanted them: before the first collector came, or after its session ended. Mosquitto does
    not count them."""
    refusing: str
    """Why it takes nothing more at present; empty while it does. What it does not take it does not acknowledge."""
    resident_bytes: int | None


class Listener(Protocol):
    """Kept for as long as one wants to know; closed in the end."""

    def figures(self) -> Figures:
        """The latest. NativeError when the broker does not answer."""

    def close(self) -> None: ...


class MqttServer(Server, Protocol):
    """A broker as the stack knows it."""

    def admit(self, names: Collection[str]) -> None:
        """Lets these in, at once if it runs; their passwords are in the vault already."""

    def listen(self) -> Listener:
        """To what it says of itself."""


def ensure(settings: Settings, users: Collection[str]) -> dict[str, str]:
    """Each one's password, new or as it was."""
    return {user: vault.ensure(settings.home, f"{_FOLDER}/{user}") for user in users}


def password(settings: Settings, user: str) -> str:
    found = vault.read(settings.home, f"{_FOLDER}/{user}")
    if found is None:
        raise NativeError(
            f"{settings.mqtt_broker}: there is no password for {user} in {settings.home}", "run `hanan servers start` first"
        )
    return found


def passwords(settings: Settings) -> dict[str, str]:
    """Everyone's; empty before the first start."""
    return {user: password(settings, user) for user in vault.names(settings.home, _FOLDER)}


def lets_in(settings: Settings) -> bool:
    """It listens, speaks MQTT 3.1.1 and knows the passwords of this home. One short try."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="", protocol=mqtt.MQTTv311)
    client.username_pw_set(OBSERVER, password(settings, OBSERVER))
    deadline = time.monotonic() + _PROBE_SECONDS
    try:
        client.connect(ports.LOOPBACK, settings.mqtt_port)
        while not client.is_connected() and time.monotonic() < deadline:
            if client.loop(timeout=0.1) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return False
        return client.is_connected()
    except OSError:
        return False
    finally:
        client.disconnect()


def resident_bytes(settings: Settings, name: str) -> int | None:
    """Memory of the broker's process."""
    running = process.find(settings.home, name)
    if running is None:
        return None
    try:
        return int(Path(f"/proc/{running.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
