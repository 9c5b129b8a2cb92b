"""Bad input against the running system: each has its reason, nothing else is disturbed, nothing is lost."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.clock import wall_ms
from deploy.native.stack import Stack
from schemas.dead import DeadLetter
from tests.pipeline import Pipeline, running
from tests.waiting import eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

GOOD = "hanan/heat/indoor/HI-0001/reading"
NOW = wall_ms()


def reading(**fields: Any) -> bytes:
    return json.dumps({"ts": NOW, "temp_c": 21.5} | fields).encode()


def senml(*records: dict[str, Any]) -> bytes:
    return json.dumps(records).encode()


# name: topic, payload, reason, readings
BAD: dict[str, tuple[str, bytes, str, int]] = {
    "not JSON": (GOOD, b"temperature is fine", "not_json", 1),
    "truncated JSON": (GOOD, reading()[:-9], "not_json", 1),
    "NaN": (GOOD, b'{"ts": %d, "temp_c": NaN}' % NOW, "not_finite", 1),
    "1e999": (GOOD, b'{"ts": %d, "temp_c": 1e999}' % NOW, "not_finite", 1),
    "nested 1,000 deep": (GOOD, b"[" * 1_000 + b"]" * 1_000, "wrong_shape", 1),
    "a value nested 1,000 deep": (GOOD, b'{"ts": %d, "temp_c": %s}' % (NOW, b"[" * 999 + b"]" * 999), "wrong_type", 1),
    "nested 100,000 deep": (GOOD, b"[" * 100_000, "not_json", 1),
    "10 MB": (GOOD, b"x" * 10_000_000, "too_large", 1),
    "wrong type": (GOOD, reading(temp_c="warm"), "wrong_type", 1),
    "missing ts": (GOOD, b'{"temp_c": 21.5}', "missing_ts", 1),
    "ts without offset": (GOOD, reading(ts="2026-01-15T08:00:00"), "bad_ts", 1),
    "ts in 1970": (GOOD, reading(ts="1970-01-02T00:00:00Z"), "beyond_retention", 1),
    "ts in 2096": (GOOD, reading(ts="2096-01-15T00:00:00Z"), "from_the_future", 1),
    "unknown device": ("hanan/heat/indoor/HI-9999/reading", reading(), "unknown_device", 1),
    "unknown kind": ("hanan/heat/cellar/HI-0001/reading", reading(), "unknown_kind", 1),
    "another kind's device": (
        "hanan/heat/exchange/HI-0001/reading",
        b'{"ts": %d, "primary_supply_temp_c": 80}' % NOW,
        "wrong_kind",
        1,
    ),
    "another device's id": (GOOD, reading(device_id="HI-0002"), "device_mismatch", 1),
    "array of 1,001": (GOOD, json.dumps([{"ts": NOW - n, "temp_c": 20} for n in range(1_001)]).encode(), "too_many_items", 1_001),
    "SenML without a time": ("hanan/heat/indoor/HI-0001/senml", senml({"n": "temp_c", "v": 21}), "senml_time", 1),
    "SenML with a relative time": (
        "hanan/heat/indoor/HI-0001/senml",
        senml({"n": "temp_c", "v": 21, "t": -30}),
        "senml_time",
        1,
    ),
    "SenML unresolvable": ("hanan/heat/indoor/HI-0001/senml", senml({"bt": NOW / 1_000, "v": 21}), "unknown_metric", 1),
    "non-UTF-8": (GOOD, b'{"ts": 1, "temp_c": "\xff\xfe"}', "not_utf8", 1),
    "empty payload": (GOOD, b"", "empty_payload", 1),
    "too few levels": ("hanan/heat/indoor", reading(), "bad_topic", 1),
    "too many levels": ("hanan/heat/indoor/HI-0001/reading/now", reading(), "bad_topic", 1),
    "a device id with a space": ("hanan/heat/indoor/HI 1/reading", reading(), "bad_device_id", 1),
    "unknown channel": ("hanan/heat/indoor/HI-0001/telemetry", reading(), "unknown_channel", 1),
    "impossible value": (GOOD, reading(temp_c=4_000), "impossible_value", 1),
    "misspelled metric": (GOOD, reading(temp_C=21), "unknown_metric", 1),
    "only nulls": (GOOD, reading(temp_c=None), "no_metric", 1),
    "event without its id": ("hanan/waste/weighbridge/WB-001/event", b'{"ts": %d, "net_kg": 5000}' % NOW, "missing_event_id", 1),
}


@pytest.fixture(scope="module")
def pipeline(stack: Stack) -> Iterator[Pipeline]:
    with running(stack) as started:
        yield started


@pytest.fixture(scope="module")
def letters(pipeline: Pipeline) -> list[DeadLetter]:
    """All bad input, one after the other, a good reading behind each; then every dead letter there is."""
    pipeline.dead()
    for number, (topic, payload, _, _) in enumerate(BAD.values()):
        pipeline.publish(topic, payload)
        pipeline.publish("hanan/heat/indoor/HI-0002/reading", reading(ts=NOW - number * 1_000))
    eventually(lambda: len(pipeline.rows("heat_indoor", "HI-0002")) == len(BAD), 60, 0.2, "each good reading is stored")
    pipeline.drained()
    return pipeline.dead()


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_its_reason(letters: list[DeadLetter], name: str) -> None:
    topic, payload, reason, readings = BAD[name]
    found = [letter for letter in letters if letter.mqtt_topic == topic and letter.payload == payload]
    assert [(letter.reason.value, letter.readings) for letter in found] == [(reason, readings)]
    assert found[0].reason.meaning
    assert found[0].reason.advice


def test_nothing_else_is_dead(letters: list[DeadLetter]) -> None:
    assert len(letters) == len(BAD)


def test_an_array_with_bad_items_keeps_its_good_ones(pipeline: Pipeline) -> None:
    items: list[Any] = [{"ts": NOW - 60_000 * n, "temp_c": 20 + n} for n in range(10)]
    items[3] = {"temp_c": 1}
    items[7] = {"ts": NOW - 60_000 * 7, "temp_c": "warm"}
    pipeline.publish("hanan/heat/indoor/HI-0003/reading", json.dumps(items).encode())
    eventually(lambda: len(pipeline.rows("heat_indoor", "HI-0003")) == 8, 20, 0.1, "eight of ten")
    letters = pipeline.dead(device_id="HI-0003")
    assert sorted((letter.reason.value, letter.places) for letter in letters) == [("missing_ts", "3"), ("wrong_type", "7")]


def test_two_events_of_one_moment_stay_two_and_a_repeat_stays_one(pipeline: Pipeline) -> None:
    for event_id in ("E-1", "E-2", "E-1"):
        body = {"ts": NOW, "event_id": event_id, "gross_kg": 18_000, "tare_kg": 11_000, "net_kg": 7_000}
        pipeline.publish("hanan/waste/weighbridge/WB-002/event", json.dumps(body).encode())
    pipeline.drained()
    assert len(eventually(lambda: pipeline.rows("waste_weighbridge", "WB-002"), 20)) == 2


def test_sentinels_are_no_values(pipeline: Pipeline) -> None:
    body = {"ts": NOW, "primary_supply_temp_c": 888.8, "primary_return_temp_c": 45.5, "outdoor_temp_c": -88.8}
    pipeline.publish("hanan/heat/exchange/HX-001/reading", json.dumps(body).encode())
    (row,) = eventually(lambda: pipeline.rows("heat_exchange", "HX-001"), 20)
    assert row.get("primary_supply_temp_c") is None
    assert row.get("outdoor_temp_c") is None
    assert row["primary_return_temp_c"] == 45.5
    assert row["quality"] == "suspect"
    assert set(str(row["reasons"]).split(",")) == {"primary_supply_temp_c:sentinel", "outdoor_temp_c:sentinel"}
