"""The ledger closes when all is well, and says which reading is missing when it is not."""

from collections.abc import Iterable

from deploy.reconcile import Account, Identity, by_origin, raw_side, reading_side, refused_side, stored_side
from processors.store import refused
from processors.validate import ValidateTask
from schemas import topics
from schemas.dead import to_record
from schemas.device import Registry, encode
from schemas.instants import DAY_MS
from schemas.ports import OutRecord, Position, Record
from schemas.reason import Reason
from schemas.streams import BY_NAME
from tests.factories import NOW_MS, device, raw, tick

HEAT = BY_NAME["heat"]


def records(messages: Iterable[OutRecord]) -> list[Record]:
    return [Record(m.topic, 0, n, m.key, m.value, m.headers, m.timestamp_ms) for n, m in enumerate(messages)]


def account(
    messages: list[OutRecord], twice: bool = False, lose: int = 0, refuse: bool = False, bury: bool = True, mended: bool = False
) -> Account:
    registry = Registry()
    registry.apply("RM-001", encode(device()))
    incoming = records(messages)
    out = ValidateTask(HEAT, registry, 30 * DAY_MS, Position(0)).feed(incoming).records * (2 if twice else 1)
    readings = records(r for r in out if r.topic == "reading.heat")
    letters = [r for r in out if r.topic == topics.DEAD]
    if refuse:
        letters.append(to_record(refused(next(r for r in readings if r.key), Reason.REFUSED_BY_STORE, "field type conflict")))
    dead, _, from_store = by_origin(records(letters if bury else []))
    found = Account("heat")
    raw_side(found, HEAT, incoming, dead)
    reading_side(found, readings)
    refused_side(found, from_store)
    stored = dict.fromkeys(sorted(found.expected.keys() - (set() if mended else found.refused.keys()))[lose:], False)
    stored[Identity("indoor", "RM-999", 1)] = True  # a point of some other time is nobody's business
    stored_side(found, stored)
    return found


def good(n: int = 0) -> dict[str, object]:
    return {"ts": NOW_MS - 60_000 * n, "temp_c": 20 + n / 10}


MESSAGES = [
    raw(good(1)),
    raw([good(2), good(3), {"ts": 0, "temp_c": 1}, {"temp_c": 1}]),
    tick(),
    raw(good(1)),  # a repeat
    raw(b"online", channel="status"),
    raw(b"404 Not Found"),
    raw(good(4), kind="cellar"),
    raw(good(4), channel="telemetry"),
    raw([good(n) for n in range(1_001)]),
]


def test_the_ledger_closes_over_all_that_can_happen_to_a_message() -> None:
    found = account(MESSAGES)
    assert found.problems == []
    assert (found.raw, found.status, found.readings_in) == (8, 1, 1 + 4 + 1 + 1 + 1 + 1 + 1_001)
    assert (found.stored, found.repeats) == (3, 1)
    assert found.dead == {
        "beyond_retention": 1,
        "missing_ts": 1,
        "not_json": 1,
        "unknown_kind": 1,
        "unknown_channel": 1,
        "too_many_items": 1_001,
    }


def test_what_was_written_again_after_a_crash_changes_no_sum() -> None:
    assert account(MESSAGES, twice=True).problems == []


def test_a_lost_reading_is_named() -> None:
    found = account(MESSAGES, lose=1)
    assert len(found.problems) == 2
    assert found.problems[1] == "1 readings are not in InfluxDB: indoor RM-001 at 2026-01-14T23:57Z"


def test_where_many_are_missing_devices_and_minutes_are_named() -> None:
    items = [{"ts": NOW_MS - 1_000 * n, "temp_c": 20} for n in range(400)]
    found = account([raw(items)], lose=400)
    assert found.problems[1].startswith(
        "400 readings are not in InfluxDB: indoor RM-001 at 2026-01-14T23:53Z (39); indoor RM-001"
    )
    assert found.problems[1].endswith("; and 3 more")


def test_what_is_neither_valid_nor_dead_is_named() -> None:
    found = account([raw(b"404 Not Found"), raw(good(1))], bury=False)
    assert found.problems == [
        "1 readings came in and are neither valid nor dead, or both: indoor RM-001 at 2026-01-15T00:00Z",
        "2 readings in, 1 accounted for",
    ]


def test_what_was_refused_and_is_stored_by_now_is_not_dead_any_more() -> None:
    found = account(MESSAGES, refuse=True, mended=True)
    assert found.problems == []
    assert found.dead["refused_by_store"] == 0


def test_a_replayed_message_is_a_new_raw_record_and_nothing_counts_twice() -> None:
    bad = raw([good(2), {"ts": NOW_MS, "temp_C": 1}])
    again = bad._replace(headers=(*bad.headers, (topics.REPLAYED, b"0@0")))
    found = account([bad, again])
    assert found.problems == []
    assert (found.raw, found.replayed, found.received) == (2, 1, 1)
    assert (found.readings_in, found.stored, found.repeats, found.dead["unknown_metric"]) == (4, 1, 1, 2)


def test_late_ones_are_counted() -> None:
    found = account([raw(good(n)) for n in range(0, 40, 5)])
    assert (found.valid, found.late) == (8, 4)  # more than 15 minutes before their receipt


def test_a_point_that_influxdb_refused_is_dead_and_not_missing() -> None:
    found = account(MESSAGES, refuse=True)
    assert found.problems == []
    assert found.dead["refused_by_store"] == 1


def test_messages_that_the_broker_took_and_kafka_has_not_are_said() -> None:
    found = account(MESSAGES)
    found.sent = found.acknowledged = 8
    assert found.problems == []
    found.acknowledged = 9
    assert found.problems == ["8 messages sent, 9 acknowledged", "9 messages acknowledged, 8 in Kafka"]
