"""The MQTT brokers that can be run here."""

from collections.abc import Callable, Mapping

from deploy.native.mosquitto.program import MosquittoProgram
from deploy.native.mosquitto.server import MosquittoServer
from deploy.native.mqtt import MqttServer
from deploy.native.rabbitmq.program import RabbitProgram
from deploy.native.rabbitmq.server import RabbitServer
from deploy.settings import Settings

_BROKERS: Mapping[str, Callable[[Settings], MqttServer]] = {
    "mosquitto": lambda settings: MosquittoServer(settings, MosquittoProgram(settings.cache)),
    "rabbitmq": lambda settings: RabbitServer(settings, RabbitProgram(settings.cache)),
}
"""The seam for another broker: a package beside `mosquitto/`, and a line here."""


def broker(settings: Settings) -> MqttServer:
    """The one that the settings choose."""
    return _BROKERS[settings.mqtt_broker](settings)
