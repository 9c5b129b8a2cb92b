"""One slot: acknowledged last and in order, held back when Kafka asks, sent again when Kafka failed."""

import pytest

from ingest.counts import Counts
from ingest.lane import Lane, Patience
from ingest.pace import DEFAULT_PACE, Pace
from ingest.placing import Placer
from ingest.slots import slots_of
from schemas import dead, topics
from schemas.ports import Record
from schemas.reason import Reason
from schemas.streams import STREAMS
from tests.memory import ManualClock
from tests.unit.test_ingest_fake_broker import RETRY_MS, FakeBroker, FakeSession, ManualSink

NOW_MS = 1_768_435_200_000
TOPIC = "hanan/bike/station/st-001/reading"
SLOT = next(slot for slot in slots_of(STREAMS) if slot.name == "bike")


class Bench:
    """A lane between a broker and a sink that answers by hand."""

    def __init__(self, pace: Pace = DEFAULT_PACE, max_inflight: int = 100) -> None:
        self.clock = ManualClock(1_000)
        self.broker = FakeBroker(max_inflight)
        self.sink = ManualSink()
        self.session = FakeSession(self.broker, SLOT.client_id, SLOT.filters, [], self.clock)
        self.counts = Counts()
        placer = Placer(["bike"], "c1", 4)
        self.lane = Lane(SLOT, self.session, placer, self.sink, counts=self.counts, patience=Patience(), pace=pace)
        self.step()

    def step(self, ms: int = 0) -> int:
        self.clock.advance(ms)
        self.lane.tend(self.clock.now_ms())
        taken = self.lane.take(NOW_MS)
        self.lane.settle()
        return taken

    def publish(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.broker.publish(TOPIC, payload)

    @property
    def acked(self) -> list[int]:
        return self.broker.stored[SLOT.client_id].acked

    @property
    def payloads(self) -> list[bytes | None]:
        return [record.value for record, _ in self.sink.sent]


def test_nothing_is_acknowledged_before_kafka_has_it() -> None:
    bench = Bench()
    bench.publish(b"a", b"b")
    bench.step()
    assert bench.payloads == [b"a", b"b"]
    assert bench.acked == []
    bench.sink.confirm(0)
    bench.step()
    assert bench.acked == [1]
    assert (bench.counts.received, bench.counts.forwarded, bench.counts.acked, bench.counts.in_flight) == (2, 1, 1, 1)


def test_acknowledgements_keep_the_order_of_receipt() -> None:
    bench = Bench()
    bench.publish(b"a", b"b", b"c")
    bench.step()
    bench.sink.confirm(2, 1)
    bench.step()
    assert bench.acked == []
    bench.sink.confirm(0)
    bench.step()
    assert bench.acked == [1, 2, 3]


def test_a_full_window_stops_the_reading() -> None:
    bench = Bench(Pace(window=2))
    bench.publish(b"a", b"b", b"c")
    assert bench.step() == 2
    reads = bench.session.reads
    assert bench.step() == 0
    assert bench.session.reads == reads
    assert not bench.lane.listening
    bench.sink.confirm(0)
    assert bench.step() == 1


def test_the_window_counts_bytes_too() -> None:
    bench = Bench(Pace(window_bytes=10))
    bench.publish(b"x" * 6, b"x" * 6, b"x")
    assert bench.step() == 2, "the one that passes the limit is still let in"
    assert bench.step() == 0
    bench.sink.confirm(0)
    assert bench.step() == 1


def test_when_kafka_asks_for_patience_nothing_more_is_read() -> None:
    bench = Bench()
    bench.sink.full = True
    bench.publish(b"a", b"b")
    bench.step()
    bench.publish(b"c")
    assert bench.lane.holding
    assert not bench.lane.listening
    bench.sink.full = False
    assert bench.step(50) == 0
    assert bench.payloads == []
    bench.step(50)
    assert bench.payloads == [b"a", b"b", b"c"], "what waited goes first"
    bench.sink.confirm(0, 1, 2)
    bench.step()
    assert bench.acked == [1, 2, 3]
    assert bench.counts.waits == 1


def test_what_kafka_failed_to_take_is_sent_again_by_the_broker() -> None:
    bench = Bench(Pace(stall_ms=5_000))
    bench.publish(b"a", b"b")
    bench.step()
    bench.sink.confirm(0, error="timed out")
    bench.sink.confirm(1)
    bench.step(4_999)
    assert bench.acked == []
    assert bench.session.ended == []
    bench.step(1)
    assert bench.session.ended == ["Kafka failed to take a message"]
    bench.step(RETRY_MS)
    assert bench.payloads == [b"a", b"b", b"a", b"b"]
    bench.sink.confirm(2, 3)
    bench.step()
    assert bench.acked == [1, 2]
    assert (bench.counts.failed, bench.counts.stalls, bench.counts.reconnects, bench.counts.forwarded) == (1, 1, 1, 3)


def test_a_confirmation_from_an_older_connection_acknowledges_nothing() -> None:
    bench = Bench()
    bench.publish(b"a")
    bench.step()
    bench.broker.drop(SLOT.client_id)
    bench.step(RETRY_MS)
    assert bench.payloads == [b"a", b"a"]
    bench.sink.confirm(0)
    bench.step()
    assert bench.acked == []
    bench.sink.confirm(1)
    bench.step()
    assert bench.acked == [1]


def test_an_old_failure_does_not_cost_the_new_connection() -> None:
    bench = Bench()
    bench.publish(b"a")
    bench.step()
    bench.broker.drop(SLOT.client_id)
    bench.step(RETRY_MS)
    bench.sink.confirm(0, error="timed out")
    bench.sink.confirm(1)
    bench.step(60_000)
    assert bench.session.ended == []
    assert bench.acked == [1]


def test_a_lost_connection_forgets_what_waited_for_kafka() -> None:
    bench = Bench()
    bench.sink.full = True
    bench.publish(b"a")
    bench.step()
    bench.broker.drop(SLOT.client_id)
    bench.sink.full = False
    bench.step(RETRY_MS)
    assert bench.payloads == [b"a"], "once, although it was received twice"
    assert bench.counts.received == 2


def test_a_dead_letter_is_acknowledged_and_holds_up_nobody() -> None:
    bench = Bench()
    bench.broker.publish("hanan/bike/station/st 1/reading", b"bad")
    bench.publish(b"good")
    bench.step()
    assert [record.topic for record, _ in bench.sink.sent] == ["dead", "raw.bike"]
    bench.sink.confirm(0, 1)
    bench.step()
    assert bench.acked == [1, 2]
    assert bench.counts.dead == {Reason.BAD_DEVICE_ID: 1}


@pytest.mark.parametrize("error", ["Broker: Message size too large", "MSG_SIZE_TOO_LARGE", "MessageSizeTooLargeError: 5"])
def test_a_dead_letter_too_large_for_kafka_is_cut(error: str) -> None:
    bench = Bench()
    bench.publish(b"x" * 1_000_000, b"next")
    bench.step()
    bench.sink.confirm(0, error=error)
    bench.step()
    cut = bench.sink.sent[2][0]
    letter = dead.from_record(Record(cut.topic, 0, 0, cut.key, cut.value, cut.headers, 0))
    assert letter.reason == Reason.TOO_LARGE
    assert len(letter.payload) == 512 * 1024
    assert "Kafka refused 1000000 bytes" in letter.detail
    bench.sink.confirm(1, 2)
    bench.step()
    assert bench.acked == [1, 2]
    assert bench.counts.failed == 0


def test_one_that_fails_even_when_cut_waits_for_the_broker() -> None:
    bench = Bench()
    bench.publish(b"x" * 1_000_000)
    bench.step()
    bench.sink.confirm(0, error="Broker: Message size too large")
    bench.step()
    bench.sink.confirm(1, error="Broker: Message size too large")
    bench.step()
    assert len(bench.sink.sent) == 2
    assert bench.counts.failed == 1


def test_messages_without_an_acknowledgement_are_forwarded_too() -> None:
    bench = Bench()
    bench.broker.publish(TOPIC, b"q0", qos=0)
    bench.publish(b"q1")
    bench.step()
    assert bench.payloads == [b"q0", b"q1"]
    bench.sink.confirm(1)
    bench.step()
    assert bench.acked == [], "it still takes its place in the order"
    bench.sink.confirm(0)
    bench.step()
    assert bench.acked == [1]


def test_leaving_acknowledges_what_is_safe_and_leaves_the_rest() -> None:
    bench = Bench()
    bench.publish(b"a", b"b")
    bench.step()
    bench.sink.confirm(0)
    bench.lane.close()
    assert bench.acked == [1]
    assert bench.broker.left() == 1
    bench.sink.confirm(1)
    assert bench.acked == [1]
    assert (bench.counts.in_flight, bench.counts.ready) == (0, False)


def test_headers_say_where_it_came_from() -> None:
    bench = Bench()
    bench.broker.retained["hanan/bike/station/st-001/status"] = b"online"
    bench.broker.drop(SLOT.client_id)
    bench.step(RETRY_MS)
    record = bench.sink.sent[0][0]
    assert dict(record.headers)[topics.RETAINED] == b"1"
    assert record.value == b"online"
