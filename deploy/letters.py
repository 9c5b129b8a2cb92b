"""Reading the dead-letter topic for people and programs."""

import base64
from collections.abc import Iterator
from typing import Any, NamedTuple

from deploy.native.endpoints import endpoints
from deploy.settings import Settings
from processors.io.kafka_read import read_all
from schemas import topics
from schemas.dead import DeadLetter, from_record
from schemas.instants import format_rfc3339


class Filter(NamedTuple):
    """Empty fields let everything through. `since_ms` is included, `until_ms` is not; both are times of receipt."""

    reason: str = ""
    stream: str = ""
    device_id: str = ""
    since_ms: int = 0
    until_ms: int = 0

    def passes(self, letter: DeadLetter) -> bool:
        return (
            (not self.reason or letter.reason.value == self.reason)
            and (not self.stream or letter.stream == self.stream)
            and (not self.device_id or letter.device_id == self.device_id)
            and letter.received_at_ms >= self.since_ms
            and (not self.until_ms or letter.received_at_ms < self.until_ms)
        )


class Found(NamedTuple):
    """A letter and its place in the topic, `partition@offset`, by which people name it."""

    id: str
    letter: DeadLetter


def read_letters(settings: Settings, wanted: Filter) -> Iterator[Found]:
    """All that are retained and pass, in the order of each partition.

    One that was written again, after a crash or a rewind, is the same letter: only the first is shown.
    """
    seen: set[tuple[str, str]] = set()
    for record in read_all(endpoints(settings).kafka_bootstrap, [topics.DEAD], from_ms=wanted.since_ms or None):
        letter = from_record(record)
        place = letter.origin, letter.reason.value
        if not wanted.passes(letter) or place in seen:
            continue
        if letter.origin:
            seen.add(place)
        yield Found(f"{record.partition}@{record.offset}", letter)


def row(found: Found) -> dict[str, Any]:
    """All about a letter but its bytes."""
    letter = found.letter
    return {
        "id": found.id,
        "received_at": format_rfc3339(letter.received_at_ms),
        "reason": letter.reason.value,
        "meaning": letter.reason.meaning,
        "advice": letter.reason.advice,
        "detail": letter.detail,
        "stage": letter.stage,
        "stream": letter.stream,
        "device_id": letter.device_id,
        "readings": letter.readings,
        "places": letter.places,
        "mqtt_topic": letter.mqtt_topic,
        "origin": letter.origin,
        "collector": letter.collector,
        "bytes": len(letter.payload),
    }


def export_row(found: Found) -> dict[str, Any]:
    """With the untouched bytes, in base64 since they may be anything."""
    return row(found) | {"payload_base64": base64.b64encode(found.letter.payload).decode()}
