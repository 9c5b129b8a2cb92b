"""Topics, dead letters, the registry's records, times and codec: what is at the edge of each."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from schemas import codec, topics
from schemas.dead import DeadLetter, Fault, from_record, letters, to_record
from schemas.device import Device, Registry, encode, first_problem
from schemas.instants import format_rfc3339, from_ms, parse_rfc3339, to_ms
from schemas.ports import Record
from schemas.reading import Reading
from schemas.reason import Reason
from tests.factories import device

TS = 1_768_435_200_000


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("hanan/heat/indoor/RM-001", Reason.BAD_TOPIC),
        ("hanan/heat/indoor/RM-001/reading/x", Reason.BAD_TOPIC),
        ("/hanan/heat/indoor/RM-001/reading", Reason.BAD_TOPIC),
        ("city/heat/indoor/RM-001/reading", Reason.BAD_TOPIC),
        ("", Reason.BAD_TOPIC),
        ("hanan/heat/indoor//reading", Reason.BAD_DEVICE_ID),
        ("hanan/heat/indoor/RM/reading", Reason.BAD_DEVICE_ID),
        ("hanan/heat/indoor/RM-001\n/reading", Reason.BAD_DEVICE_ID),
        ("hanan/heat/indoor/RM_001/reading", Reason.BAD_DEVICE_ID),
        ("hanan/heat/indoor/设备001/reading", Reason.BAD_DEVICE_ID),
        (f"hanan/heat/indoor/{'x' * 49}/reading", Reason.BAD_DEVICE_ID),
    ],
)
def test_a_topic_that_cannot_be_placed(topic: str, reason: Reason) -> None:
    found = topics.parse(topic)
    assert found[0] is reason
    assert len(found[1]) < 200


def test_topics_have_two_ways() -> None:
    topic = topics.MqttTopic("heat", "indoor", "x" * 48, "reading")
    assert topics.parse(str(topic)) == topic
    assert topics.stream_of(topics.raw("heat")) == topics.stream_of(topics.reading("heat")) == "heat"
    assert topics.stream_of(topics.DEAD) == ""


COMMON = DeadLetter(Reason.NOT_JSON, "", "validate", b"\xff\x00", "hanan/heat/indoor/RM-001/reading", TS)


def test_one_letter_a_reason() -> None:
    faults = [Fault(0, Reason.WRONG_TYPE, "a"), Fault(2, Reason.MISSING_TS, "b"), Fault(5, Reason.WRONG_TYPE, "c")]
    first, second = letters(faults, COMMON)
    assert (first.reason, first.detail, first.readings, first.places) == (Reason.WRONG_TYPE, "a", 2, "0,5")
    assert (second.reason, second.readings, second.places) == (Reason.MISSING_TS, 1, "2")
    (many,) = letters([Fault(0, Reason.TOO_MANY_ITEMS, "1001 items", 1_001)], COMMON)
    assert many.readings == 1_001
    assert letters([], COMMON) == []


def test_the_places_of_a_letter_stay_a_short_header() -> None:
    (letter,) = letters([Fault(place, Reason.WRONG_TYPE, "x") for place in range(5_000)], COMMON)
    assert letter.readings == 5_000
    assert len(letter.places) <= 8_000


@pytest.mark.parametrize("detail", ["plain", "非 ASCII", "a lone \ud800 surrogate"])
def test_a_letter_survives_kafka(detail: str) -> None:
    letter = COMMON._replace(detail=detail, device_id="RM-001", stream="heat", collector="c1", origin="raw.heat/0@17", readings=3)
    out = to_record(letter)
    assert (out.topic, out.key, out.value) == ("dead", b"RM-001", b"\xff\x00")
    back = from_record(Record("dead", 0, 0, out.key, out.value, out.headers, out.timestamp_ms))
    assert back == letter._replace(detail=detail.encode(errors="replace").decode())


def test_what_is_no_letter_is_said_to_be_none() -> None:
    with pytest.raises(KeyError):
        from_record(Record("dead", 0, 0, None, b"", [], 0))
    with pytest.raises(ValueError, match="no_such_reason"):
        from_record(Record("dead", 0, 0, None, b"", [("reason", b"no_such_reason")], 0))


def test_the_registry_follows_its_topic() -> None:
    registry = Registry()
    assert registry.apply("RM-001", encode(device())) is None
    assert registry.apply("RM-002", encode(device("RM-002", interval_s=30, params={"target_c": 20}))) is None
    assert (registry.version, len(registry)) == (2, 2)
    assert registry.get("RM-001") == device()
    assert registry.apply("RM-001", None) is None
    assert registry.apply("RM-009", None) is None
    assert [one.device_id for one in registry] == ["RM-002"]
    problem = registry.apply("RM-003", b'{"device_id": "RM-003"}')
    assert problem
    assert problem.startswith("device RM-003: ")
    assert registry.get("RM-003") is None


def test_a_device_takes_the_interval_of_its_kind() -> None:
    assert device().interval_s == 600
    assert device(interval_s=30).interval_s == 30


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"device_id": "R1"}, "not 3 to 48"),
        ({"kind": "stove"}, "no kind heat/stove"),
        ({"zone": "Old Town"}, "zone"),
        ({"lat": 91}, "lat"),
        ({"lat": float("nan")}, "lat"),
        ({"params": {"target_c": float("inf")}}, "params"),
        ({"params": {"target_c": "warm"}}, "params"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_device_that_is_none(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Device.model_validate(device().model_dump() | {"interval_s": 60} | fields)
    assert problem in first_problem(caught.value)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2026-01-15T08:00:00+08:00", TS),
        ("2026-01-15T08:00:00.0019999+08:00", TS + 1),
        ("2096-01-01T00:00:00Z", 3_976_214_400_000),
        ("0001-01-01T00:00:00+14:00", -62_135_596_800_000 - 14 * 3_600_000),
    ],
)
def test_times_are_exact(text: str, ms: int) -> None:
    assert parse_rfc3339(text) == ms


@pytest.mark.parametrize(
    "text", ["", "now", "2026-01-15", "08:00:00Z", "2026-01-15T08:00:00", "2026-13-01T00:00:00Z", "1768435200"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_rfc3339(text)


def test_times_have_two_ways() -> None:
    assert format_rfc3339(TS + 7) == "2026-01-15T00:00:00.007Z"
    assert to_ms(from_ms(TS)) == TS
    assert to_ms(datetime(2026, 1, 15, 8, tzinfo=timezone(timedelta(hours=8)))) == TS
    assert from_ms(TS).tzinfo is UTC
    with pytest.raises(ValueError, match="no offset"):
        to_ms(datetime(2026, 1, 15))  # noqa: DTZ001  # the mistake itself
    with pytest.raises(ValueError, match="outside the years"):
        from_ms(2**62)


def test_a_reading_knows_its_identity_and_quality() -> None:
    reading = Reading("heat", "indoor", "RM-001", TS, TS, {"temp_c": 20.5}, {})
    assert (reading.identity, reading.quality) == (("RM-001", "indoor", TS), "good")
    event = reading._replace(event_id="t-1", flags={"temp_c": "stuck"})
    assert (event.identity, event.quality) == (("RM-001", "indoor", "t-1"), "suspect")
    assert codec.decode_reading("heat", codec.encode_reading(event)) == event
    with pytest.raises(KeyError):
        codec.decode_reading("heat", b"{}")
    with pytest.raises(orjson.JSONDecodeError):
        codec.decode_reading("heat", b"{")
