"""The validate task: what becomes of a message, record by record, without servers."""

from typing import Any

import pytest

from processors import validate
from processors.limits import limits_of
from processors.task import Output
from processors.validate import ValidateTask
from schemas import topics
from schemas.codec import decode_reading
from schemas.dead import from_record
from schemas.device import Registry, encode
from schemas.instants import DAY_MS
from schemas.payload import decode
from schemas.ports import OutRecord, Position, Record
from schemas.reading import Reading
from schemas.streams import BY_NAME
from tests.factories import NOW_MS, device, raw, tick


def task(stream: str = "heat") -> ValidateTask:
    registry = Registry()
    for one in (device(), device("HX-001", kind="exchange"), device("WB-001", "waste", "weighbridge")):
        registry.apply(one.device_id, encode(one))
    return ValidateTask(BY_NAME[stream], registry, 30 * DAY_MS, Position(0))


def read(out: OutRecord, offset: int) -> Record:
    return Record(out.topic, out.partition or 0, offset, out.key, out.value, out.headers, out.timestamp_ms)


def feed(*records: OutRecord, stream: str = "heat") -> Output:
    return task(stream).feed([read(record, offset) for offset, record in enumerate(records)])


def readings(out: Output, stream: str = "heat") -> list[Reading]:
    return [decode_reading(stream, r.value or b"") for r in out.records if r.topic == topics.reading(stream) and r.key]


def dead(out: Output) -> list[tuple[str, int]]:
    letters = [from_record(read(record, 0)) for record in out.records if record.topic == topics.DEAD]
    return [(letter.reason.value, letter.readings) for letter in letters]


def test_a_good_reading_goes_on_under_the_same_key_and_partition() -> None:
    out = feed(raw({"ts": NOW_MS - 5, "seq": 7, "temp_c": 21, "humidity_percent": None}, partition=3))
    assert readings(out) == [Reading("heat", "indoor", "RM-001", NOW_MS - 5, NOW_MS, {"temp_c": 21.0}, {}, 7)]
    assert [(r.key, r.partition, r.timestamp_ms) for r in out.records] == [(b"RM-001", 3, NOW_MS)]


def test_an_array_is_as_many_readings_and_its_bad_items_are_one_letter_a_reason() -> None:
    items: list[Any] = [{"ts": NOW_MS - 60_000 * n, "temp_c": 20 + n} for n in range(4)]
    items += [{"temp_c": 1}, {"temp_c": 2}, {"ts": NOW_MS, "temp_c": "warm"}, 17]
    out = feed(raw(items))
    assert len(readings(out)) == 4
    assert sorted(dead(out)) == [("missing_ts", 2), ("wrong_shape", 1), ("wrong_type", 1)]
    assert out.counts["readings", "heat", ""] == 8


def test_a_dead_letter_has_the_untouched_bytes_and_says_where_they_came_from() -> None:
    out = feed(raw(b'{"ts": 1, "temp'))
    letter = from_record(read(out.records[0], 0))
    assert (letter.payload, letter.origin, letter.stage) == (b'{"ts": 1, "temp', "raw.heat/0@0", "validate")
    assert (letter.mqtt_topic, letter.device_id, letter.collector) == ("hanan/heat/indoor/RM-001/reading", "RM-001", "c1")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (raw({"ts": NOW_MS, "temp_c": 20}, device_id="RM-404"), "unknown_device"),
        (raw({"ts": NOW_MS, "temp_c": 20}, device_id="HX-001"), "wrong_kind"),
        (raw({"ts": NOW_MS, "temp_c": 20}, kind="cellar"), "unknown_kind"),
        (raw({"ts": NOW_MS, "temp_c": 20}, channel="event"), "unknown_channel"),
        (raw({"ts": NOW_MS, "temp_c": 20}, channel="telemetry"), "unknown_channel"),
        (raw({"ts": NOW_MS, "temp_c": 20, "device_id": "RM-002"}), "device_mismatch"),
        (raw({"ts": 86_400_000, "temp_c": 20}), "beyond_retention"),
        (raw({"ts": "1970-01-02T00:00:00Z", "temp_c": 20}), "beyond_retention"),
        (raw({"ts": "2096-01-01T00:00:00Z", "temp_c": 20}), "from_the_future"),
        (raw({"ts": NOW_MS + 300_001, "temp_c": 20}), "from_the_future"),
        (raw({"ts": 10**18, "temp_c": 20}), "from_the_future"),
        (raw({"ts": NOW_MS, "temp_c": 1e6}), "impossible_value"),
    ],
)
def test_what_cannot_be_used_has_its_reason(message: OutRecord, reason: str) -> None:
    out = feed(message)
    assert dead(out) == [(reason, 1)]
    assert readings(out) == []


def test_five_minutes_ahead_is_still_a_clock_that_is_a_little_fast() -> None:
    assert len(readings(feed(raw({"ts": NOW_MS + 300_000, "temp_c": 20})))) == 1


def test_ticks_pass_on_in_their_place_and_move_the_clock() -> None:
    work = task()
    records = [raw({"ts": NOW_MS, "temp_c": 20}), tick(at_ms=NOW_MS + 1_000), raw({"ts": NOW_MS, "temp_c": 21})]
    out = work.feed([read(record, offset) for offset, record in enumerate(records, 40)])
    assert [record.key for record in out.records] == [b"RM-001", None, b"RM-001"]
    assert out.records[1].partition == 0
    assert (out.records[1].headers, out.records[1].timestamp_ms) == (records[1].headers, NOW_MS + 1_000)
    assert work.position() == Position(43, NOW_MS + 1_000)


def test_status_messages_are_counted_and_no_reading() -> None:
    out = feed(raw(b"offline", channel="status"))
    assert out.records == []
    assert out.counts["status", "heat", ""] == 1


def test_a_device_that_is_registered_later_is_known_from_then_on() -> None:
    registry = Registry()
    work = ValidateTask(BY_NAME["heat"], registry, 30 * DAY_MS, Position(0))
    message = raw({"ts": NOW_MS, "temp_c": 20})
    assert dead(work.feed([read(message, 0)])) == [("unknown_device", 1)]
    registry.apply("RM-001", encode(device()))
    assert len(readings(work.feed([read(message, 1)]))) == 1
    registry.apply("RM-001", None)
    assert dead(work.feed([read(message, 2)])) == [("unknown_device", 1)]


def test_what_was_retained_or_replayed_says_so_on() -> None:
    message = raw({"ts": NOW_MS, "temp_c": 20})
    out = feed(message._replace(headers=((topics.RETAINED, b"1"),)))
    assert out.records[0].headers == ((topics.RETAINED, b"1"),)


def test_a_record_with_a_strange_key_is_a_dead_letter_and_no_crash() -> None:
    out = feed(*(OutRecord("raw.heat", key, b"{}", (), NOW_MS, 0) for key in (b"RM-001", b"", b"\xff c1", b"a b c1")))
    assert dead(out) == [("bad_topic", 1)] * 4
    told = [(letter.mqtt_topic, letter.collector) for letter in (from_record(read(record, 0)) for record in out.records)]
    assert told == [("RM-001", ""), ("", ""), ("\ufffd", "c1"), ("a b", "c1")]


def test_warmed_up_it_judges_as_if_it_had_never_stopped() -> None:
    steps = [20.0, 20.1, 60.0, 60.1, 20.0]
    records = [read(raw({"ts": NOW_MS + 60_000 * n, "temp_c": t}), n) for n, t in enumerate(steps)]
    whole = task().feed(records)
    for cut in range(len(records)):
        second = task()
        if cut:
            second.warm(records[:cut])
        assert second.feed(records[cut:]).records == whole.records[cut:]


def test_the_warm_up_decodes_only_what_a_later_judgement_may_need(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[bytes] = []

    def noted(payload: bytes, *rest: Any) -> Any:
        decoded.append(payload)
        return decode(payload, *rest)

    monkeypatch.setattr(validate, "decode", noted)
    monkeypatch.setattr(validate, "short_way", lambda *_: None)
    indoor, plant = (BY_NAME["heat"].by_name[name].memory_ms for name in ("indoor", "plant"))
    assert indoor < plant
    old, fresh = raw({"ts": 1, "temp_c": 1}, at_ms=NOW_MS - indoor - 1), raw({"ts": 2, "temp_c": 2}, at_ms=NOW_MS - indoor)
    unknown, status = raw({"ts": 3, "temp_c": 3}, "RM-404"), raw(b"online", channel="status")
    registry = Registry()
    registry.apply("RM-001", encode(device()))
    heat = ValidateTask(BY_NAME["heat"], registry, 30 * DAY_MS, Position(5, NOW_MS))
    heat.warm([read(record, n) for n, record in enumerate([old, fresh, unknown, status, tick()])])
    assert decoded == [fresh.value]
    assert heat.position() == Position(5, NOW_MS)


def test_a_kind_whose_readings_are_judged_by_themselves_needs_no_warm_up() -> None:
    weighbridge = BY_NAME["waste"].by_name["weighbridge"]
    assert weighbridge.memory_ms == 0
    assert not any(row.remembers for row in limits_of(weighbridge, device("WB-001", "waste", "weighbridge")).rows)


def test_warmed_up_it_knows_what_is_stuck_also_of_a_device_that_speaks_seldom() -> None:
    """As seldom as it may, to be compared with the value before at all."""
    plant = BY_NAME["heat"].by_name["plant"]
    body = {"flow_m3_h": 120.5}
    registry = Registry()
    registry.apply("PL-001", encode(device("PL-001", kind="plant")))
    times = [NOW_MS, NOW_MS + 29 * 60_000, NOW_MS + 58 * 60_000]
    records = [read(raw({"ts": at} | body, "PL-001", kind="plant", at_ms=at), n) for n, at in enumerate(times)]

    def begun(position: Position) -> ValidateTask:
        return ValidateTask(BY_NAME["heat"], registry, 30 * DAY_MS, position)

    whole = begun(Position(0)).feed(records)
    clock_ms = times[2] - 1_000
    second = begun(Position(2, clock_ms))
    second.warm([record for record in records[:2] if record.timestamp_ms >= clock_ms - plant.memory_ms])
    assert second.feed(records[2:]).records == whole.records[2:]
    assert readings(whole)[2].flags == {"flow_m3_h": "stuck"}
