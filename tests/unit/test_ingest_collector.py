"""Whole collectors between a broker and a Kafka in memory: groups of them share the slots and nothing is lost on the way."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.collector import Collector
from ingest.pace import DEFAULT_PACE, Pace
from ingest.slots import GROUP, Slot, remember, slots_of
from schemas import topics
from schemas.ports import OutRecord
from schemas.reason import Reason
from schemas.streams import STREAMS
from tests.memory import ManualClock, MemoryKafka, MemorySink, MemorySource
from tests.unit.test_ingest_fake_broker import FakeBroker, FakeSessions, Stored

START_MS = 1_768_435_200_000
PARTITIONS = 2
SLOTS = slots_of(STREAMS)
CLIENTS = {slot.client_id for slot in SLOTS}


class SlowSink(MemorySink):
    """Confirms nothing until it is flushed."""

    def serve(self) -> None: ...

    def flush(self, timeout_ms: int) -> None:
        super().serve()


class City:
    """One broker, one Kafka, any number of collectors, and the time they share."""

    def __init__(self, slots: Sequence[Slot] = SLOTS, partitions: int = len(SLOTS)) -> None:
        self.clock = ManualClock(START_MS)
        self.broker = FakeBroker()
        self.kafka = MemoryKafka(
            {topics.raw(stream.name): PARTITIONS for stream in STREAMS} | {topics.DEAD: 1, topics.COLLECTOR: partitions},
            self.clock,
        )
        self.slots = slots
        self.collectors: list[Collector] = []
        self.sources: dict[Collector, MemorySource] = {}

    def add(
        self,
        *,
        slots: Sequence[Slot] | None = None,
        retired: Sequence[str] = (),
        sink: MemorySink | None = None,
        pace: Pace = DEFAULT_PACE,
    ) -> Collector:
        source = self.kafka.source(GROUP)
        collector = Collector(
            source,
            sink or self.kafka.sink(),
            FakeSessions(self.broker, self.clock),
            self.slots if slots is None else slots,
            name=f"c{len(self.sources) + 1}",
            partitions=PARTITIONS,
            clock=self.clock,
            monotonic_ms=self.clock.now_ms,
            retired=retired,
            pace=pace,
        )
        self.sources[collector] = source
        self.collectors.append(collector)
        return collector

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            for collector in self.collectors:
                collector.step()

    def settle(self) -> None:
        """Until the group is at rest, everyone is connected, and nothing is left at the broker."""
        self.step(10)
        for _ in range(300):
            self.step()
            if self.broker.connected() == CLIENTS and not self.broker.left():
                return
        raise AssertionError(f"connected {self.broker.connected()}, {self.broker.left()} messages left")

    def kill(self, collector: Collector) -> None:
        """SIGKILL: it says nothing to anybody; the group notices after a while, the broker at once."""
        self.collectors.remove(collector)
        for lane in collector._holdings:
            self.broker.drop(lane.slot.client_id)
        self.kafka.expire(self.sources[collector])

    def messages(self, topic: str) -> list[bytes | None]:
        return [record.value for record in self.kafka.records(topic) if record.key is not None]


def reading(stream: str, number: int) -> str:
    return f"hanan/{stream}/kind/dev-{number:03}/reading"


def test_messages_of_every_stream_arrive() -> None:
    city = City()
    collector = city.add()
    city.settle()
    for stream in STREAMS:
        city.broker.publish(reading(stream.name, 1), stream.name.encode())
    city.broker.publish("hanan/nowhere", b"stray")
    city.settle()
    for stream in STREAMS:
        assert city.messages(f"raw.{stream.name}") == [stream.name.encode()]
    assert city.messages("dead") == [b"stray"]
    assert collector.counts["stray"].dead == {Reason.BAD_TOPIC: 1}
    assert collector.counts["bike"].forwarded == collector.counts["bike"].acked == 1
    assert set(collector.held) == {slot.name for slot in SLOTS}


def test_kafka_away_the_broker_keeps_everything_and_then_all_arrives() -> None:
    city = City()
    collector = city.add()
    city.settle()
    city.kafka.up = False
    for number in range(500):
        city.broker.publish(reading("bike", number), b"%d" % number)
    city.step(50)
    assert city.broker.left() == 500
    assert city.broker.stored["hanan-collector-bike"].acked == []
    assert collector.counts["bike"].acked == 0
    city.kafka.up = True
    city.settle()
    assert Counter(city.messages("raw.bike")) == Counter(b"%d" % number for number in range(500))


def test_the_broker_away_and_back() -> None:
    city = City()
    collector = city.add()
    city.settle()
    city.broker.up = False
    for client_id in CLIENTS:
        city.broker.drop(client_id)
    city.step(50)
    assert collector.counts["bike"].ready is False
    city.broker.up = True
    city.settle()
    city.broker.publish(reading("bike", 1))
    city.settle()
    assert len(city.messages("raw.bike")) == 1
    assert collector.counts["bike"].reconnects > 1


def test_two_share_the_slots_and_each_has_one_connection() -> None:
    city = City()
    first = city.add()
    city.settle()
    second = city.add()
    city.settle()
    assert set(first.held) | set(second.held) == {slot.name for slot in SLOTS}
    assert not set(first.held) & set(second.held)
    assert first.held
    assert second.held
    assert city.broker.kicked == 0, "whoever gives a slot up leaves before another comes"


def test_the_survivor_takes_over_with_all_that_is_queued() -> None:
    city = City()
    first, second = city.add(), city.add()
    city.settle()
    city.kill(first)
    for slot in SLOTS[1:]:
        city.broker.publish(reading(slot.name, 1), b"queued")
    city.settle()
    assert set(second.held) == {slot.name for slot in SLOTS}
    assert all(city.messages(f"raw.{stream.name}") == [b"queued"] for stream in STREAMS)


def test_more_processes_than_slots() -> None:
    city = City()
    collectors = [city.add() for _ in range(len(SLOTS) + 2)]
    city.settle()
    assert sorted(name for each in collectors for name in each.held) == sorted(slot.name for slot in SLOTS)
    for each in collectors[:4]:
        city.kill(each)
    city.settle()
    assert city.broker.kicked == 0


def test_an_orderly_end_leaves_nothing_in_flight() -> None:
    city = City()
    collector = city.add()
    city.settle()
    for number in range(20):
        city.broker.publish(reading("heat", number))
    turns = iter([False, True])
    collector.run(lambda: next(turns))
    assert city.broker.left() == 0, "the messages of the last step are safe and acknowledged"
    assert city.broker.connected() == set()
    assert "hanan-collector-heat" in city.broker.stored, "the session stays"
    assert collector.held == []


def test_who_leaves_waits_for_what_is_on_its_way() -> None:
    city = City()
    first = city.add(sink=SlowSink(city.kafka, 1_000))
    city.step(20)
    for number in range(20):
        city.broker.publish(reading("heat", number))
    city.step(2)
    assert first.counts["heat"].in_flight == 20
    city.add()
    city.settle()
    assert first.counts["heat"].acked == 20
    assert len(city.messages("raw.heat")) == 20, "so nobody had to take them again"


def test_who_was_thrown_out_of_the_group_drops_its_connections() -> None:
    city = City()
    first, second = city.add(), city.add()
    city.settle()
    held = set(first.held)
    city.broker.publish(reading("bike", 1))
    city.kafka.expire(city.sources[first])  # but it lives on, having only been slow
    for _ in range(3):
        second.step()
    city.settle()
    assert set(first.held) | set(second.held) == {slot.name for slot in SLOTS}
    assert not set(first.held) & set(second.held)
    assert held
    assert len(city.messages("raw.bike")) >= 1


def test_each_second_ticks_for_the_streams_held_here() -> None:
    city = City()
    first, second = city.add(), city.add()
    city.settle()
    before = {topic: len(city.kafka.records(topic)) for topic in ("raw.bike", "raw.heat")}
    for _ in range(60):
        city.step()
        city.clock.advance(100)
    for topic, count in before.items():
        ticks = [record for record in city.kafka.records(topic)[count:] if record.key is None]
        assert {record.partition for record in ticks} == set(range(PARTITIONS))
        holder = next(f"c{n}" for n, each in enumerate((first, second), 1) if topic.partition(".")[2] in each.held)
        late = [record for record in ticks if record.timestamp_ms > START_MS + 2_000]
        assert {dict(record.headers)["collector"] for record in late} == {holder.encode()}
        seconds = Counter(record.timestamp_ms // 1_000 for record in ticks)
        assert set(seconds.values()) <= {1, 2}


def test_the_filters_of_a_session_are_remembered_and_the_old_ones_given_up() -> None:
    city = City()
    old = city.add()
    city.settle()
    old.close()
    city.collectors.clear()
    moved = tuple(
        slot._replace(filters=("hanan/bike/station/+/+", "hanan/bike/vehicle/+/+")) if slot.name == "bike" else slot
        for slot in SLOTS
    )
    city.add(slots=moved)
    city.settle()
    assert city.broker.stored["hanan-collector-bike"].filters == {"hanan/bike/station/+/+", "hanan/bike/vehicle/+/+"}
    city.step(10)
    last = [record for record in city.kafka.records(topics.COLLECTOR) if record.key == b"bike"][-1]
    assert last.value == b'{"filters":["hanan/bike/station/+/+","hanan/bike/vehicle/+/+"]}'


def test_filters_are_written_down_before_they_are_subscribed() -> None:
    city = City()
    city.broker.up = False
    city.add(sink=SlowSink(city.kafka, 1_000))
    city.step(10)
    assert {record.key for record in city.kafka.records(topics.COLLECTOR)} == {slot.name.encode() for slot in SLOTS}


def test_a_retired_slot_is_emptied_and_ended() -> None:
    tunnel = Slot(len(SLOTS), "tunnel", ("hanan/tunnel/+/+/+",))
    city = City(slots=(*SLOTS, tunnel), partitions=len(SLOTS) + 1)
    old = city.add()
    city.step(20)
    assert tunnel.client_id in city.broker.connected()
    old.close()
    city.collectors.clear()
    city.broker.publish(reading("tunnel", 1), b"queued")
    unaware = city.add(slots=SLOTS)
    city.step(100)
    assert tunnel.client_id in city.broker.stored, "only who was told so ends a session"
    unaware.close()
    city.collectors.clear()
    city.add(slots=SLOTS, retired=["tunnel"])
    city.step(200)
    assert city.messages("dead") == [b"queued"]
    assert tunnel.client_id not in city.broker.stored
    assert [r.value for r in city.kafka.records(topics.COLLECTOR, tunnel.number)][-1] is None


def test_a_long_memory_is_read_to_its_end() -> None:
    city = City()
    bike = SLOTS[1]
    for number in range(1_200):
        city.kafka.append(remember(bike, [f"hanan/old/{number}"]))
    city.kafka.append(remember(bike, ["hanan/last/+"]))
    city.broker.stored[bike.client_id] = Stored(filters={"hanan/last/+"})
    city.add()
    city.settle()
    assert city.broker.stored[bike.client_id].filters == set(bike.filters)


def test_a_memory_that_does_not_come_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    city = City()
    collector = city.add(pace=Pace(recall_ms=3_000))
    monkeypatch.setattr(city.sources[collector], "bounds", lambda partitions: dict.fromkeys(partitions, (0, 7)))
    city.step(10)
    assert collector.held == []
    city.clock.advance(3_000)
    city.settle()


def test_no_tick_overtakes_a_message_that_is_held_back() -> None:
    city = City()
    sink = city.kafka.sink()
    city.add(sink=sink)
    city.settle()
    before = len(city.kafka.records("raw.bike"))
    sink._capacity = 0
    city.broker.publish(reading("bike", 1), b"held")
    for _ in range(40):
        city.step()
    assert len(city.kafka.records("raw.bike")) == before
    sink._capacity = 1_000
    city.settle()
    city.step(20)
    number = next(r.partition for r in city.kafka.records("raw.bike") if r.value == b"held")
    after = [r.timestamp_ms for r in city.kafka.records("raw.bike", number) if r.timestamp_ms >= START_MS]
    assert after == sorted(after)


def test_a_slot_whose_memory_cannot_be_read_is_served_all_the_same() -> None:
    city = City()
    city.kafka.append(OutRecord(topics.COLLECTOR, b"bike", b"not json", partition=2))
    city.add()
    city.settle()


class Fate:
    """What may befall the city, each by its name."""

    pace = Pace(window=20, batch=7)

    def __init__(self) -> None:
        self.city = City()
        self.sent = 0
        self.city.add(pace=self.pace)
        self.city.settle()

    def publish(self) -> None:
        for _ in range(30):
            self.city.broker.publish(reading(STREAMS[self.sent % 4].name, self.sent % 50), b"%d" % self.sent)
            self.sent += 1

    def step(self) -> None:
        self.city.step(2)

    def wait(self) -> None:
        self.city.clock.advance(1_000)

    def add_a_collector(self) -> None:
        if len(self.city.collectors) < 4:
            self.city.add(pace=self.pace)

    def kill_a_collector(self) -> None:
        if len(self.city.collectors) > 1:
            self.city.kill(self.city.collectors[0])

    def throw_one_out_of_the_group(self) -> None:
        self.city.kafka.expire(self.city.sources[self.city.collectors[-1]])

    def kafka_comes_or_goes(self) -> None:
        self.city.kafka.up = not self.city.kafka.up

    def broker_comes_or_goes(self) -> None:
        self.city.broker.up = not self.city.broker.up

    def drop_a_connection(self) -> None:
        self.city.broker.drop(SLOTS[self.sent % len(SLOTS)].client_id)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([name for name in vars(Fate) if name[0] != "_" and name != "pace"]), max_size=60))
def test_whatever_happens_nothing_acknowledged_is_lost(events: list[str]) -> None:
    """Crashes, rebalances, outages of either side in any order: at the end each message is in Kafka at least once."""
    fate = Fate()
    for event in events:
        getattr(fate, event)()
    city = fate.city
    city.kafka.up = city.broker.up = True
    city.settle()
    arrived = {value for stream in STREAMS for value in city.messages(f"raw.{stream.name}")}
    assert arrived == {b"%d" % number for number in range(fate.sent)}
    holders = [name for collector in city.collectors for name in collector.held]
    assert sorted(holders) == sorted(slot.name for slot in SLOTS)
    assert not any(counts.in_flight for collector in city.collectors for counts in collector.counts.values())


def test_a_retired_name_that_is_in_use_is_ignored() -> None:
    city = City()
    collector = city.add(retired=["bike"])
    city.settle()
    city.step(100)
    assert "bike" in collector.held


@pytest.mark.parametrize("count", [1, 3])
def test_counts_add_up(count: int) -> None:
    city = City()
    for _ in range(count):
        city.add()
    city.settle()
    for number in range(100):
        city.broker.publish(reading("waste", number))
        city.broker.publish("hanan/waste/kind/no/reading")
    city.settle()
    totals = [each.counts["waste"] for each in city.collectors if "waste" in each.counts]
    assert sum(c.received for c in totals) == 200
    assert sum(c.forwarded for c in totals) == 100
    assert sum(c.dead[Reason.BAD_DEVICE_ID] for c in totals) == 100
    assert sum(c.acked for c in totals) == 200
