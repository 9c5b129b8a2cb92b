"""Where a dead letter goes back to, and which ones do."""

from deploy.letters import Filter, Found, export_row
from deploy.replay import BEFORE, SAME, NoPlace, Replay, _chosen, place
from processors.store import refused
from processors.validate import ValidateTask
from schemas import topics
from schemas.dead import DeadLetter
from schemas.device import Registry, encode
from schemas.instants import DAY_MS
from schemas.partitions import partition_of
from schemas.ports import OutRecord, Position, Record
from schemas.raw import key_of
from schemas.reason import Reason
from schemas.streams import BY_NAME
from tests.factories import NOW_MS, device

TOPIC = "hanan/heat/indoor/RM-001/reading"
PARTITIONS = 7
LETTER = DeadLetter(
    Reason.UNKNOWN_DEVICE, "RM-001", "validate", b'{"ts": 1}', TOPIC, NOW_MS, stream="heat", device_id="RM-001", collector="c1"
)


def back(letter: DeadLetter, letter_id: str = "2@117") -> OutRecord:
    record = place(letter, letter_id, PARTITIONS)
    assert isinstance(record, OutRecord), record
    return record


def test_the_untouched_bytes_go_back_under_their_own_time_and_marked() -> None:
    record = back(LETTER)
    assert (record.topic, record.key) == ("raw.heat", key_of(TOPIC, "c1"))
    assert (record.value, record.timestamp_ms) == (b'{"ts": 1}', NOW_MS)
    assert record.partition == partition_of(b"RM-001", PARTITIONS)  # where the device's other records are
    assert dict(record.headers) == {topics.REPLAYED: b"2@117"}


def test_what_the_store_gave_up_goes_back_to_its_partition_of_readings() -> None:
    source = Record("reading.heat", 3, 17, b"RM-001", b'{"kind": "indoor"}', (), NOW_MS)
    record = back(refused(source, Reason.REFUSED_BY_STORE, "field type conflict"))
    assert (record.topic, record.partition, record.key, record.value) == ("reading.heat", 3, b"RM-001", source.value)
    assert (record.timestamp_ms, dict(record.headers)) == (NOW_MS, {topics.REPLAYED: b"2@117"})


def test_what_has_no_place_says_why() -> None:
    nowhere = LETTER._replace(mqtt_topic="hanan/heat")
    assert place(nowhere, "0@0", PARTITIONS) == NoPlace("have a topic without a place: bad_topic")
    strange = LETTER._replace(mqtt_topic="hanan/tunnel/gas/T-001/reading")
    assert place(strange, "0@0", PARTITIONS) == NoPlace("are of a stream that is not declared")
    cut = LETTER._replace(detail="20000000 bytes, at most 262144 are allowed; the first 16777216 of 20000000 bytes are kept")
    assert place(cut, "0@0", PARTITIONS) == NoPlace("were too large to be kept whole")
    assert isinstance(place(LETTER._replace(stage="store", origin="raw.heat/1@2"), "0@0", PARTITIONS), NoPlace)


def test_a_message_goes_back_once_however_many_letters_it_left_and_none_twice() -> None:
    other_reason = LETTER._replace(reason=Reason.MISSING_TS)
    later = LETTER._replace(received_at_ms=NOW_MS + 1)
    letters = [Found(f"0@{n}", one) for n, one in enumerate([LETTER, other_reason, LETTER, later])]
    done = Replay()
    chosen = list(_chosen(letters, {"0@2": NOW_MS}, PARTITIONS, done))
    assert [(letter_id, record is not None) for letter_id, record in chosen] == [("0@0", True), ("0@1", False), ("0@3", True)]
    assert (done.letters, done.sent, done.skipped) == (4, {"raw.heat": 2}, {SAME: 1, BEFORE: 1})


def test_a_replayed_reading_is_judged_by_the_time_of_its_receipt() -> None:
    """In the future then is in the future still, however long one waits; and it says on that it was replayed."""
    registry = Registry()
    registry.apply("RM-001", encode(device()))
    task = ValidateTask(BY_NAME["heat"], registry, 30 * DAY_MS, Position(0))
    bodies = [b'{"ts": %d, "temp_c": 20}' % (NOW_MS + ahead) for ahead in (0, 3_600_000)]
    sent = [back(LETTER._replace(payload=body)) for body in bodies]
    tick = Record("raw.heat", 0, 0, None, b"", (), NOW_MS + 10 * DAY_MS)
    read = [Record(one.topic, 0, n + 1, one.key, one.value, one.headers, one.timestamp_ms) for n, one in enumerate(sent)]
    out = task.feed([tick, *read]).records
    reading = next(one for one in out if one.topic == "reading.heat" and one.key)
    assert dict(reading.headers)[topics.REPLAYED] == b"2@117"
    assert reading.timestamp_ms == NOW_MS
    assert [dict(one.headers)["reason"] for one in out if one.topic == topics.DEAD] == [b"from_the_future"]


def test_filters_by_reason_stream_device_and_time() -> None:
    assert Filter().passes(LETTER)
    assert Filter("unknown_device", "heat", "RM-001", NOW_MS, NOW_MS + 1).passes(LETTER)
    for no in (
        Filter(reason="not_json"),
        Filter(stream="bike"),
        Filter(device_id="RM-002"),
        Filter(since_ms=NOW_MS + 1),
        Filter(until_ms=NOW_MS),
    ):
        assert not no.passes(LETTER)


def test_an_export_holds_any_bytes() -> None:
    row = export_row(Found("2@117", LETTER._replace(payload=b"\xff\x00")))
    assert (row["id"], row["payload_base64"], row["bytes"]) == ("2@117", "/wA=", 2)
