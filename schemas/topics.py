"""Names of topics: MQTT `hanan/<stream>/<kind>/<device_id>/<channel>`, Kafka `raw.<stream>` and the others."""

import re
from typing import NamedTuple

from schemas.reason import Reason

ROOT = "hanan"
SENML = "senml"
STATUS = "status"

DEAD = "dead"
DEVICE = "device"
COLLECTOR = "collector"
LATE = "late"
ALERT = "alert"

# Limits of the contract
MAX_PAYLOAD_BYTES = 256 * 1024
MAX_ITEMS = 1_000
MAX_EVENT_ID = 64
MAX_FUTURE_MS = 5 * 60_000

_DEVICE_ID = re.compile(r"[A-Za-z0-9-]{3,48}\Z")
_LEVELS = 5


class MqttTopic(NamedTuple):
    stream: str
    kind: str
    device_id: str
    channel: str

    def __str__(self) -> str:
        return f"{ROOT}/{self.stream}/{self.kind}/{self.device_id}/{self.channel}"


def parse(topic: str) -> MqttTopic | tuple[Reason, str]:
    """The parts of a topic, or why it cannot be placed. Whether stream and kind exist is not asked here."""
    levels = topic.split("/")
    if len(levels) != _LEVELS or levels[0] != ROOT:
        return Reason.BAD_TOPIC, f"{len(levels)} levels, expected {ROOT}/<stream>/<kind>/<device_id>/<channel>"
    if not is_device_id(levels[3]):
        return Reason.BAD_DEVICE_ID, f"{levels[3][:60]!r} is not 3 to 48 letters, digits and hyphens"
    return MqttTopic(*levels[1:])


def is_device_id(text: str) -> bool:
    return _DEVICE_ID.match(text) is not None


def raw(stream: str) -> str:
    return f"raw.{stream}"


def reading(stream: str) -> str:
    return f"reading.{stream}"


def aggregate(level: str, stream: str) -> str:
    """Windows of devices. A topic for each level, so that each is built by reading the one below from where it must."""
    return f"aggregate-{level}.{stream}"


def rows(stream: str) -> str:
    """What the minutes' tasks keep in mind, written as they take it in; in partitions like those of readings."""
    return f"aggregate-rows.{stream}"


def zone_part(stream: str) -> str:
    """What the devices of one partition add to the windows of their zones; of one partition."""
    return f"aggregate-part.{stream}"


def zone(stream: str) -> str:
    """Windows of zones, of all levels; of one partition."""
    return f"aggregate-zone.{stream}"


def city_part(stream: str) -> str:
    """What the devices of one partition add to the indicators of their zones; of one partition."""
    return f"city-part.{stream}"


def city_day(stream: str) -> str:
    """What each day has added to the indicators of the year, by zone; compacted, of one partition."""
    return f"city-day.{stream}"


def stream_of(kafka_topic: str) -> str:
    """`bike` of `raw.bike`, `reading.bike` and `aggregate-1m.bike`; "" for topics that belong to no stream."""
    return kafka_topic.partition(".")[2]


# Header names on Kafka records
COLLECTOR_ID = "collector"  # on ticks; messages name it in their key
RETAINED = "retained"
REPLAYED = "replayed"
