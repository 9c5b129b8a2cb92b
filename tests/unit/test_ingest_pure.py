"""Placing, slots, ticks, back-off: what needs neither broker."""

import pytest
from paho.mqtt.client import topic_matches_sub

from ingest.ackwindow import AckWindow
from ingest.pace import Backoff
from ingest.placing import MAX_KEPT_BYTES, Placer, cut_letter
from ingest.session import Message
from ingest.slots import Slot, forget, recall, remember, slots_of
from ingest.ticks import Ticker
from schemas import dead, topics
from schemas.kind import Stream
from schemas.partitions import partition_of
from schemas.ports import OutRecord, Record
from schemas.raw import origin_of
from schemas.reason import Reason
from schemas.streams import STREAMS

NOW_MS = 1_768_435_200_000
TOPIC = "hanan/bike/station/st-001/reading"


def make_placer() -> Placer:
    return Placer([stream.name for stream in STREAMS], "c1", 7)


def place(topic: str = TOPIC, payload: bytes = b"{}", *, retained: bool = False) -> tuple[OutRecord, Reason | None]:
    return make_placer().place(Message(1, topic, payload, retained), NOW_MS)


def as_read(record: OutRecord) -> Record:
    return Record(record.topic, 0, 0, record.key, record.value, record.headers, record.timestamp_ms)


def letter_of(record: OutRecord) -> dead.DeadLetter:
    assert record.topic == topics.DEAD
    return dead.from_record(as_read(record))


def test_a_message_goes_to_its_stream_untouched() -> None:
    payload = b"\xff\x00 not even text"
    record, reason = place(payload=payload)
    assert reason is None
    assert record == OutRecord("raw.bike", TOPIC.encode() + b" c1", payload, (), NOW_MS, partition_of(b"st-001", 7))


def test_all_channels_of_a_device_share_a_partition() -> None:
    topics_of_one = [f"hanan/bike/station/st-001/{channel}" for channel in ("reading", "event", "senml", "status")]
    assert {place(topic)[0].partition for topic in topics_of_one} == {partition_of(b"st-001", 7)}


@pytest.mark.parametrize("topic", [TOPIC, "hanan/bike/a b/st-001/c d", "hanan/bike//st-001/"])
def test_the_key_tells_topic_and_collector(topic: str) -> None:
    assert origin_of(place(topic)[0].key or b"") == (topic, "c1")


def test_a_collector_whose_name_has_a_space_is_refused() -> None:
    with pytest.raises(ValueError, match="no space"):
        Placer(["bike"], "c 1", 7)


def test_the_retain_flag_is_kept() -> None:
    record, _ = place("hanan/bike/station/st-001/status", b"online", retained=True)
    assert ("retained", b"1") in record.headers
    assert record.topic == "raw.bike"


def test_unknown_kinds_and_channels_are_left_to_validate() -> None:
    assert place("hanan/bike/rocket/st-001/whatever")[1] is None


@pytest.mark.parametrize(
    ("topic", "reason", "stream"),
    [
        ("hanan", Reason.BAD_TOPIC, ""),
        ("hanan/bike", Reason.BAD_TOPIC, "bike"),
        ("hanan/bike/station/st-001/reading/more", Reason.BAD_TOPIC, "bike"),
        ("hanan/bike/station/st-001/reading/", Reason.BAD_TOPIC, "bike"),
        ("hanan/plane/jet/st-001/reading", Reason.BAD_TOPIC, ""),
        ("other/bike/station/st-001/reading", Reason.BAD_TOPIC, "bike"),
        ("hanan/bike/station/st 001/reading", Reason.BAD_DEVICE_ID, "bike"),
        ("hanan/bike/station//reading", Reason.BAD_DEVICE_ID, "bike"),
        ("hanan/bike/station/\ufffd\ufffd\ufffd/reading", Reason.BAD_DEVICE_ID, "bike"),
        (f"hanan/bike/station/{'x' * 60_000}/reading", Reason.BAD_DEVICE_ID, "bike"),
    ],
)
def test_what_has_no_place_is_a_dead_letter(topic: str, reason: Reason, stream: str) -> None:
    record, told = place(topic, b"bytes")
    letter = letter_of(record)
    assert told == letter.reason == reason
    assert (letter.payload, letter.mqtt_topic, letter.stage) == (b"bytes", topic, "collect")
    assert (letter.received_at_ms, letter.collector, letter.stream) == (NOW_MS, "c1", stream)
    assert letter.detail
    assert len(letter.detail) < 500


def test_a_payload_of_the_largest_size_passes() -> None:
    assert place(payload=bytes(topics.MAX_PAYLOAD_BYTES))[1] is None


def test_a_larger_one_is_kept_whole() -> None:
    payload = b"x" * (topics.MAX_PAYLOAD_BYTES + 1)
    record, reason = place(payload=payload)
    letter = letter_of(record)
    assert reason == Reason.TOO_LARGE
    assert letter.payload == payload
    assert (letter.device_id, letter.stream) == ("st-001", "bike")
    assert "262145 bytes" in letter.detail


def test_what_no_broker_should_let_through_is_cut_and_says_so() -> None:
    letter = letter_of(place(payload=bytes(MAX_KEPT_BYTES + 1))[0])
    assert len(letter.payload) == MAX_KEPT_BYTES
    assert f"the first {MAX_KEPT_BYTES} of {MAX_KEPT_BYTES + 1} bytes are kept" in letter.detail


def test_a_letter_is_cut_to_what_kafka_takes() -> None:
    record, _ = place("hanan", b"0123456789")
    letter = letter_of(cut_letter(record, 4))
    assert letter.payload == b"0123"
    assert letter.detail.endswith("Kafka refused 10 bytes, the first 4 are kept")


def test_hostile_topics_do_not_fill_the_memory() -> None:
    placer = make_placer()
    for number in range(25_000):
        placer.place(Message(1, f"hanan/bike/k{number}/st-001/reading", b"", retained=False), NOW_MS)
    cache = placer._cached.cache_info()
    assert cache.currsize == cache.maxsize == 20_000


def test_a_long_topic_is_placed_and_not_kept() -> None:
    placer = make_placer()
    placer.place(Message(1, f"hanan/bike/{'k' * 60_000}/st-001/reading", b"", retained=False), NOW_MS)
    assert placer._cached.cache_info().currsize == 0


def test_slots_cover_every_topic_once() -> None:
    slots = slots_of(STREAMS)
    examples = [f"hanan/{stream.name}/kind/dev/reading" for stream in STREAMS]
    examples += [f"hanan/{stream.name}/kind/dev/status" for stream in STREAMS]
    examples += ["hanan", "hanan/", "hanan/bike", "hanan/a/b", "hanan/bike/c/d", "hanan/bike/c/d/e/f", "hanan/bike/c/d/e/f/g/h"]
    for topic in examples:
        takers = [slot.name for slot in slots for each in slot.filters if topic_matches_sub(each, topic)]
        assert len(takers) == 1, (topic, takers)


def test_a_stream_added_at_the_end_moves_no_slot() -> None:
    slots = slots_of(STREAMS)
    more = slots_of([*STREAMS, Stream("tunnel", "", "", ())])
    assert more[: len(slots)] == slots
    assert more[-1] == Slot(len(slots), "tunnel", ("hanan/tunnel/+/+/+",), ("tunnel",))
    assert [slot.number for slot in more] == list(range(len(more)))
    assert more[-1].client_id == "hanan-collector-tunnel"


def test_a_stream_must_not_be_named_like_the_stray_slot() -> None:
    with pytest.raises(ValueError, match="stray"):
        slots_of([Stream("stray", "", "", ())])


def test_a_slot_remembers_its_filters() -> None:
    slot = Slot(3, "heat", ("x/+",))
    record = remember(slot, ["x/+", "a/+"])
    assert (record.topic, record.partition, record.key) == ("collector", 3, b"heat")
    assert recall(as_read(record)) == ("heat", ("a/+", "x/+"))
    assert recall(as_read(forget(slot))) == ("heat", None)


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b"null", b'{"filters": 3}', b"\xff"])
def test_a_strange_record_is_not_a_memory(value: bytes) -> None:
    assert recall(Record("collector", 0, 0, b"heat", value, (), 0)) is None
    assert recall(Record("collector", 0, 0, None, value, (), 0)) is None


def test_each_second_every_partition_ticks() -> None:
    ticker = Ticker(2, "c1")
    ticks = ticker.due(5_000, ["bike", "heat"])
    assert [(t.topic, t.partition, t.key, t.value) for t in ticks] == [
        ("raw.bike", 0, None, b""),
        ("raw.bike", 1, None, b""),
        ("raw.heat", 0, None, b""),
        ("raw.heat", 1, None, b""),
    ]
    assert dict(ticks[0].headers) == {"tick": b"1", "collector": b"c1"}
    assert ticks[0].timestamp_ms == 5_000
    assert ticker.due(5_999, ["bike"]) == []
    assert len(ticker.due(6_001, ["bike"])) == 2
    assert len(ticker.due(3_000, ["bike"])) == 2, "a clock that was set back goes on ticking"


@pytest.mark.parametrize("draw", [0.0, 0.999])
def test_waits_grow_are_capped_and_spread(draw: float) -> None:
    backoff = Backoff(draw=lambda: draw)
    waits = [backoff.next_ms() for _ in range(40)]
    assert waits == sorted(waits)
    assert 500 <= waits[0] <= 1_000
    assert 15_000 <= waits[-1] <= 30_000
    backoff.reset()
    assert backoff.next_ms() == waits[0]


def test_a_window_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="lets nothing through"):
        AckWindow(0, 1)
