"""A dead letter: bytes that could not be understood, where they came from, and why."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas import topics
from schemas.ports import OutRecord, Record
from schemas.reason import Reason

_MAX_ITEMS_TEXT = 8_000  # bounds the header; the count is exact all the same


class Fault(NamedTuple):
    """Why an item of a message cannot be used. `place` is its index in an array, 0 for a single object.

    `readings` is more than 1 only where one fault spoils several readings, as an array that is too long does.
    """

    place: int
    reason: Reason
    detail: str
    readings: int = 1


class DeadLetter(NamedTuple):
    """One message and one reason. A message with several bad items makes one letter for each reason, never for each item.

    stage    collect, validate or store: who gave up
    readings how many readings are lost by it until it is replayed
    places   their indices in the array
    payload  the bytes as they came, untouched
    origin   `topic/partition@offset` of the record it was read from; "" when it never was in Kafka
    """

    reason: Reason
    detail: str
    stage: str
    payload: bytes
    mqtt_topic: str
    received_at_ms: int
    readings: int = 1
    places: str = "0"
    stream: str = ""
    device_id: str = ""
    collector: str = ""
    origin: str = ""


def letters(faults: Iterable[Fault], common: DeadLetter) -> list[DeadLetter]:
    """One letter a reason out of the faults of one message; the first fault of a reason gives the detail."""
    by_reason: dict[Reason, list[Fault]] = defaultdict(list)
    for fault in faults:
        by_reason[fault.reason].append(fault)
    return [
        common._replace(reason=reason, detail=same[0].detail, readings=sum(f.readings for f in same), places=_places(same))
        for reason, same in by_reason.items()
    ]


def _places(faults: Sequence[Fault]) -> str:
    return ",".join(str(fault.place) for fault in faults)[:_MAX_ITEMS_TEXT]


_TEXT_HEADERS = ("detail", "stage", "mqtt_topic", "places", "stream", "device_id", "collector", "origin")


def to_record(letter: DeadLetter) -> OutRecord:
    headers = [("reason", letter.reason.encode())]
    headers += [(name, getattr(letter, name).encode(errors="replace")) for name in _TEXT_HEADERS]
    headers += [("readings", b"%d" % letter.readings), ("received_at", b"%d" % letter.received_at_ms)]
    key = (letter.device_id or letter.mqtt_topic).encode(errors="replace")
    return OutRecord(topics.DEAD, key, letter.payload, headers, letter.received_at_ms)


def from_record(record: Record) -> DeadLetter:
    """The letter again; KeyError or ValueError for a record that is none."""
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    text = {name: headers.get(name, "") for name in _TEXT_HEADERS}
    return DeadLetter(
        reason=Reason(headers["reason"]),
        payload=record.value or b"",
        received_at_ms=int(headers["received_at"]),
        readings=int(headers["readings"]),
        **text,
    )
