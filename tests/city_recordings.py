"""Recordings through validate, aggregate and city in memory, each reading as if it had come at the moment that it speaks of."""

from collections.abc import Iterable
from random import Random

from deploy.demo.recordings.recording import Message
from processors.validate import ValidateTask
from schemas import topics
from schemas.codec import decode_reading, encode_reading
from schemas.device import Device, Registry
from schemas.device import encode as encode_device
from schemas.instants import MINUTE_MS
from schemas.kind import Stream
from schemas.ports import OutRecord, Position, Record
from schemas.raw import key_of
from tests.city_world import CityWorld, Point
from tests.windows_world import World

AFTER_MS = 26 * 60 * MINUTE_MS  # until the last day of any time zone is over and closed


def points_of(
    stream: Stream, devices: list[Device], messages: Iterable[Message], time_zone: str
) -> dict[Point, dict[str, float]]:
    """The indicators of the readings that `messages` carry. Lateness plays no part."""
    registry = Registry()
    for device in devices:
        assert registry.apply(device.device_id, encode_device(device)) is None
    validate = ValidateTask(stream, registry, 10**15, Position(0))
    readings = []
    for offset, message in enumerate(messages):
        key = key_of(str(message.topic), "c1")
        record = Record(topics.raw(stream.name), 0, offset, key, message.payload, (), message.at_ms)
        made = [each for each in validate.feed([record]).records if each.topic == topics.reading(stream.name) and each.key]
        readings += [decode_reading(stream.name, each.value or b"") for each in made]
    readings.sort(key=lambda reading: reading.ts_ms)
    windows = World(stream, devices, 1, time_zone, Random(0))
    windows.join()
    topic, minute = topics.reading(stream.name), 0
    for reading in readings:
        at = reading.ts_ms
        if at // MINUTE_MS != minute:
            minute = at // MINUTE_MS
            windows.kafka.append(OutRecord(topic, None, b"", (), at, 0))
        body = encode_reading(reading._replace(received_at_ms=at))
        windows.kafka.append(OutRecord(topic, reading.device_id.encode(), body, (), at, 0))
    for later in range(0, AFTER_MS, 5 * MINUTE_MS):
        windows.kafka.append(OutRecord(topic, None, b"", (), readings[-1].ts_ms + later, 0))
    while not windows._done():
        windows.step()
    city = CityWorld(devices, 1, time_zone, Random(0), stream)
    for each in [name for name in windows.kafka._partitions if name.startswith("aggregate-") and name in city.kafka._partitions]:
        for written in windows.kafka.records(each):
            city.kafka.append(OutRecord(each, written.key, written.value, (), written.timestamp_ms, 0))
    city.step()
    while not city._done():
        city.step()
    return city.points
