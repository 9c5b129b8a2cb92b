"""Where a message goes: to `raw.<stream>` as it is, or to `dead` with the reason. Nobody looks into the payload here.

Whether kind and channel exist is asked by validate, which has the declarations at hand; the collector asks only what it needs
to know for the Kafka topic and the key.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from ingest.session import Message
from schemas import dead, raw, topics
from schemas.dead import DeadLetter
from schemas.ports import Headers, OutRecord, new_out_record
from schemas.reason import Reason

STAGE = "collect"
MAX_KEPT_BYTES = 16 * 1024 * 1024  # of a payload that is too large; the MQTT broker is told to refuse what is larger

# Honest topics are as many as the registry has devices, a hostile publisher's are endless and up to 64 KiB long.
_CACHED_TOPICS = 20_000
_CACHED_LENGTH = 200

_RETAINED: Headers = ((topics.RETAINED, b"1"),)


class _Place(NamedTuple):
    kafka_topic: str
    key: bytes
    partition: int
    device_id: str


class _NoPlace(NamedTuple):
    reason: Reason
    detail: str
    stream: str


class Placer:
    """`collector` is the name of this one, without a space; `partitions` is how many each raw topic has."""

    def __init__(self, streams: Iterable[str], collector: str, partitions: int) -> None:
        if " " in collector:
            raise ValueError(f"a collector's name has no space, {collector!r} has")
        self._streams = frozenset(streams)
        self._collector = collector
        self._partitions = partitions
        self._cached = lru_cache(maxsize=_CACHED_TOPICS)(self._find)

    def place(self, message: Message, now_ms: int) -> tuple[OutRecord, Reason | None]:
        """The record to write, and the reason if it is a dead letter. `now_ms` is `received_at`, and the record's time."""
        _, topic, payload, retained = message
        place = self._cached(topic) if len(topic) <= _CACHED_LENGTH else self._find(topic)
        if isinstance(place, _NoPlace):
            return self._dead(place, message, now_ms), place.reason
        if len(payload) > topics.MAX_PAYLOAD_BYTES:
            detail = f"{len(payload)} bytes, at most {topics.MAX_PAYLOAD_BYTES} are allowed"
            no_place = _NoPlace(Reason.TOO_LARGE, detail, topics.stream_of(place.kafka_topic))
            return self._dead(no_place, message, now_ms, place.device_id), Reason.TOO_LARGE
        kafka_topic, key, partition, _ = place
        return new_out_record((kafka_topic, key, payload, _RETAINED if retained else (), now_ms, partition)), None

    def _find(self, topic: str) -> _Place | _NoPlace:
        parsed = topics.parse(topic)
        if not isinstance(parsed, topics.MqttTopic):
            levels = topic.split("/", 2)
            stream = levels[1] if len(levels) > 1 and levels[1] in self._streams else ""
            return _NoPlace(*parsed, stream)
        if parsed.stream not in self._streams:
            return _NoPlace(Reason.BAD_TOPIC, f"no stream {parsed.stream[:60]!r} is declared", "")
        partition = raw.partition_for(parsed, self._partitions)
        return _Place(topics.raw(parsed.stream), raw.key_of(topic, self._collector), partition, parsed.device_id)

    def _dead(self, why: _NoPlace, message: Message, now_ms: int, device_id: str = "") -> OutRecord:
        kept = message.payload[:MAX_KEPT_BYTES]
        cut = "" if len(kept) == len(message.payload) else f"; the first {len(kept)} of {len(message.payload)} bytes are kept"
        letter = DeadLetter(
            reason=why.reason,
            detail=why.detail + cut,
            stage=STAGE,
            payload=kept,
            mqtt_topic=message.topic,
            received_at_ms=now_ms,
            stream=why.stream,
            device_id=device_id,
            collector=self._collector,
        )
        return dead.to_record(letter)


def cut_letter(record: OutRecord, max_bytes: int) -> OutRecord:
    """A dead letter that Kafka would not take whole, with as much of it as it will."""
    value = record.value or b""
    note = f"; Kafka refused {len(value)} bytes, the first {max_bytes} are kept"
    headers = [(name, text + note.encode() if name == "detail" else text) for name, text in record.headers]
    return record._replace(value=value[:max_bytes], headers=headers)
