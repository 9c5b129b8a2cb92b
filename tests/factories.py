"""Small makers of what tests need in number."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from schemas import topics
from schemas.codec import dumps
from schemas.device import Device, encode
from schemas.ports import OutRecord
from schemas.raw import key_of

NOW_MS = 1_768_435_200_000  # 2026-01-15T00:00:00Z


def device(device_id: str = "RM-001", stream: str = "heat", kind: str = "indoor", **rest: object) -> Device:
    given = {"zone": "old-town", "site": "S1", "lat": 45.6, "lon": 126.63} | rest
    return Device.model_validate({"device_id": device_id, "stream": stream, "kind": kind} | given)


def registration(one: Device) -> OutRecord:
    return OutRecord(topics.DEVICE, one.device_id.encode(), encode(one), partition=0)


def raw(
    body: object = None,
    device_id: str = "RM-001",
    stream: str = "heat",
    kind: str = "indoor",
    channel: str = "reading",
    at_ms: int = NOW_MS,
    partition: int | None = 0,
) -> OutRecord:
    """What a collector writes of one message; `body` is bytes, or a value to be sent as JSON."""
    value = body if isinstance(body, bytes) else dumps(body)
    key = key_of(str(topics.MqttTopic(stream, kind, device_id, channel)), "c1")
    return OutRecord(topics.raw(stream), key, value, (), at_ms, partition)


def tick(stream: str = "heat", at_ms: int = NOW_MS, partition: int = 0) -> OutRecord:
    headers = (("tick", b"1"), (topics.COLLECTOR_ID, b"c1"))
    return OutRecord(topics.raw(stream), None, b"", headers, at_ms, partition)


class Said(NamedTuple):
    """A reading as rules look at it; see `schemas.moment.Moment`."""

    ts: int
    received_at: int
    values: Any
    flags: Mapping[str, str]
