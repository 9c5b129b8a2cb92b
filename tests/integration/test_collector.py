"""The collector between a real MQTT broker and a real Kafka: killed, paused and restarted, on both sides and itself.

The broker is the settings' one: `HANAN_MQTT_BROKER=rabbitmq` runs the same on RabbitMQ.
"""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from paho.mqtt.enums import CallbackAPIVersion

from deploy.clock import SystemClock, monotonic_ms
from deploy.native.endpoints import Endpoints
from deploy.native.stack import Stack
from ingest.collector import Collector
from ingest.io.paho_session import Broker, PahoSessions
from ingest.pace import Backoff, Pace
from ingest.slots import GROUP, Slot, slots_of
from processors.io import confluent, kafka_python
from schemas import topics
from schemas.partitions import partition_of
from schemas.raw import origin_of
from schemas.streams import STREAMS
from tests.servers import guarded_stack
from tests.waiting import eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

PARTITIONS = 2
SLOTS = slots_of(STREAMS)
TUNNEL = Slot(len(SLOTS), "tunnel", ("hanan/tunnel/+/+/+",))
CLIENTS = ("confluent", "kafka-python")
SESSION_MS = 6_000
DELIVERY_MS = 5_000  # so that an outage outlasts it, and the broker has to send again
MIB = 1024 * 1024


@dataclass(frozen=True)
class Place:
    """Where the servers are, in what a process can be told on its command line."""

    kafka: str
    mqtt_host: str
    mqtt_port: int
    user: str
    password: str = field(repr=False)
    gateway: str
    gateway_password: str = field(repr=False)
    tls_ca: str = ""

    @staticmethod
    def of(places: Endpoints) -> "Place":
        collector, gateway = places.mqtt_login("collector"), places.mqtt_login("gateway")
        return Place(
            places.kafka_bootstrap,
            places.mqtt_host,
            places.mqtt_port,
            collector.user,
            collector.password,
            gateway.user,
            gateway.password,
        )

    def collector(
        self,
        name: str = "c1",
        client: str = "confluent",
        slots: Sequence[Slot] = SLOTS,
        *,
        retired: Sequence[str] = (),
        keepalive_s: int = 10,
        delivery_ms: int = DELIVERY_MS,
        pace: Pace = Pace(stall_ms=1_000, drained_ms=1_000),  # noqa: B008 - frozen
    ) -> Collector:
        library = confluent if client == "confluent" else kafka_python
        tls = ssl.create_default_context(cafile=self.tls_ca) if self.tls_ca else None
        broker = Broker(self.mqtt_host, self.mqtt_port, self.user, self.password, tls, keepalive_s)
        return Collector(
            library.Source(self.kafka, GROUP, session_timeout_ms=SESSION_MS),
            library.Sink(self.kafka, delivery_timeout_ms=delivery_ms),
            PahoSessions(broker, monotonic_ms=monotonic_ms, backoff=lambda: Backoff(200, 1_000)),
            slots,
            name=name,
            partitions=PARTITIONS,
            clock=SystemClock(),
            monotonic_ms=monotonic_ms,
            retired=retired,
            pace=pace,
        )


def serve(place: str, name: str, client: str) -> None:
    """The main program of a collector process; says on standard output how it is, ten times a second."""
    collector = Place(**json.loads(place)).collector(name, client)
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    told_ms = 0

    def stop() -> bool:
        nonlocal told_ms
        if monotonic_ms() - told_ms >= 100:
            told_ms = monotonic_ms()
            held = [slot for slot in collector.held if collector.counts[slot].ready]
            acked = sum(counts.acked for counts in collector.counts.values())
            refused = sum(counts.failed + counts.waits for counts in collector.counts.values())
            sys.stdout.write(json.dumps({"held": held, "acked": acked, "refused": refused}) + "\n")
            sys.stdout.flush()
        return bool(ended)

    collector.run(stop)


class Process:
    """A collector in a process of its own."""

    def __init__(self, place: Place, name: str, client: str = "confluent") -> None:
        code = "import sys; from tests.integration.test_collector import serve; serve(*sys.argv[1:])"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, json.dumps(asdict(place)), name, client],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.held: set[str] = set()
        self.acked = self.refused = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("{"):  # the others are its log
                state = json.loads(line)
                self.held, self.acked, self.refused = set(state["held"]), state["acked"], state["refused"]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(20)
        self._reader.join(5)
        assert self.process.stdout
        self.process.stdout.close()
        self.held = set()
        return code


@contextmanager
def process(place: Place, name: str, client: str = "confluent") -> Iterator[Process]:
    started = Process(place, name, client)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.end(signal.SIGKILL)


@contextmanager
def running(collector: Collector) -> Iterator[Collector]:
    """In a thread of this process, so that a test can look inside."""
    ended = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            collector.run(ended.is_set)
        except BaseException as failure:  # noqa: BLE001 - told to the test
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield collector
    finally:
        ended.set()
        thread.join(30)
    assert not thread.is_alive()
    assert not failures, failures


class Feed:
    """A gateway: publishes with QoS 1 and knows what the broker has acknowledged."""

    def __init__(self, place: Place, tls: ssl.SSLContext | None = None) -> None:
        self.acked: set[bytes] = set()
        self._sent: dict[int, bytes] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "gateway-1", clean_session=False)
        self._client.username_pw_set(place.gateway, place.gateway_password)
        self._client.max_inflight_messages_set(200)
        self._client.reconnect_delay_set(1, 1)
        if tls:
            self._client.tls_set_context(tls)
        self._client.on_publish = self._on_publish
        self._client.connect(place.mqtt_host, place.mqtt_port)
        self._client.loop_start()

    def _on_publish(self, _client: object, _userdata: object, mid: int, *_: object) -> None:
        self.acked.add(self._sent.get(mid, b""))

    def send(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        self._sent[info.mid] = payload

    def send_many(self, prefix: str, count: int, stream: str = "bike") -> set[bytes]:
        payloads = [f"{prefix}-{number}".encode() for number in range(count)]
        for number, payload in enumerate(payloads):
            self.send(f"hanan/{stream}/station/dev-{number % 40:03}/reading", payload)
        return set(payloads)

    def wait(self) -> None:
        eventually(lambda: all(payload in self.acked for payload in self._sent.values()), 60, what="PUBACKs for the feed")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Log:
    """What is in Kafka."""

    def __init__(self, bootstrap: str) -> None:
        self._config = {"bootstrap.servers": bootstrap, "group.id": "test", "fetch.message.max.bytes": 20 * MIB}

    def records(self, topic: str, prefix: bytes = b"") -> list[Any]:
        """All but ticks, with values that begin with the prefix. Nothing while Kafka is away."""
        consumer = Consumer({**self._config, "log_level": 0})
        found: list[Any] = []
        try:
            count = len(consumer.list_topics(topic, 5).topics[topic].partitions)
            for number in range(count):
                _, end = consumer.get_watermark_offsets(TopicPartition(topic, number), 5)
                consumer.assign([TopicPartition(topic, number, 0)])
                while end and consumer.position([TopicPartition(topic, number)])[0].offset < end:
                    found += consumer.consume(1_000, 0.2)
        except KafkaException:
            return []
        finally:
            consumer.close()
        return [each for each in found if not each.error() and each.key() is not None and each.value().startswith(prefix)]

    def values(self, topic: str, prefix: bytes) -> set[bytes]:
        return {record.value() for record in self.records(topic, prefix)}


def make_topics(bootstrap: str) -> None:
    large = {"max.message.bytes": str(20 * MIB)}
    wanted = [NewTopic(topics.raw(stream.name), PARTITIONS, 1, config=large) for stream in STREAMS]
    wanted += [NewTopic(topics.DEAD, 1, 1, config=large)]
    wanted += [NewTopic(topics.COLLECTOR, len(SLOTS) + 1, 1, config={"cleanup.policy": "compact"})]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics(wanted).values():
        made.result(30)


@pytest.fixture(scope="module")
def city() -> Iterator[Stack]:
    """Servers of our own: the names of topics and sessions are the real ones, and nobody else must use them meanwhile."""
    with guarded_stack(influx_url="http://127.0.0.1:9", influx_token="none") as stack:
        make_topics(stack.endpoints().kafka_bootstrap)
        yield stack


@pytest.fixture
def place(city: Stack) -> Place:
    return Place.of(city.endpoints())


@pytest.fixture
def log(place: Place) -> Log:
    return Log(place.kafka)


@pytest.fixture
def feed(place: Place) -> Iterator[Feed]:
    feed = Feed(place)
    yield feed
    feed.close()


def ready(collector: Collector, slots: Sequence[Slot] = SLOTS) -> None:
    eventually(
        lambda: all(slot.name in collector.held and collector.counts[slot.name].ready for slot in slots),
        30,
        what="all slots ready",
    )


def arrived(log: Log, prefix: str, wanted: set[bytes], *, topic: str = "raw.bike") -> None:
    eventually(lambda: wanted <= log.values(topic, prefix.encode()), 60, 0.3, what=f"{prefix} in {topic}")


@pytest.mark.parametrize("client", CLIENTS)
def test_messages_arrive_untouched_with_where_they_came_from(place: Place, feed: Feed, log: Log, client: str) -> None:
    payload = f"{client}\xff\x00\r\n".encode("latin-1")
    topic = "hanan/heat/exchange/EX-1/reading"
    before_ms = time.time_ns() // 1_000_000
    with running(place.collector(client=client)) as collector:
        ready(collector)
        feed.send(topic, payload)
        arrived(log, client, {payload}, topic="raw.heat")
    [record] = log.records("raw.heat", client.encode())
    assert record.value() == payload
    assert origin_of(record.key()) == (topic, "c1")
    assert record.partition() == partition_of(b"EX-1", PARTITIONS)
    assert not record.headers()
    assert before_ms <= record.timestamp()[1] <= time.time_ns() // 1_000_000
    assert collector.counts["heat"].acked == 1


@pytest.mark.parametrize("client", CLIENTS)
def test_bad_messages_become_dead_letters_and_hold_up_nobody(place: Place, feed: Feed, log: Log, client: str) -> None:
    large = client.encode() * 900_000  # 8 to 11 MB
    with running(place.collector(client=client)) as collector:
        ready(collector)
        feed.send("hanan/bike/station/B-1/reading", large)
        feed.send("hanan/bike/station/no/reading", client.encode())
        feed.send("hanan", client.encode())
        feed.send("hanan/bike/station/B-1/a/b/c", client.encode())
        feed.send("hanan/bike/station/B-1/reading", b"good " + client.encode())
        eventually(lambda: log.records("raw.bike", b"good " + client.encode()))
        eventually(lambda: len(log.records("dead", client.encode())) == 4)
    letters = log.records("dead", client.encode())
    reasons = sorted(dict(letter.headers())["reason"] for letter in letters)
    assert reasons == [b"bad_device_id", b"bad_topic", b"bad_topic", b"too_large"]
    assert max((letter.value() for letter in letters), key=len) == large


def test_a_retained_status_is_marked(city: Stack, place: Place, feed: Feed, log: Log) -> None:
    if city.settings.mqtt_broker == "rabbitmq":
        pytest.skip("RabbitMQ sends no retained message to a subscription with wildcards, which all of ours are")
    topic = "hanan/waste/bin/W-1/status"
    feed.send(topic, b"online", retain=True)
    feed.wait()
    with running(place.collector()) as collector:
        ready(collector)
        eventually(lambda: [r for r in log.records("raw.waste", b"online") if dict(r.headers() or ()).get("retained") == b"1"])
    feed.send(topic, b"", retain=True)
    feed.wait()


@pytest.mark.parametrize("client", CLIENTS)
def test_killed_in_mid_stream_nothing_is_lost(place: Place, feed: Feed, log: Log, client: str) -> None:
    prefix = f"killed-{client}"
    with process(place, "first", client) as first:
        eventually(lambda: len(first.held) == len(SLOTS), 30)
        wanted = feed.send_many(prefix, 3_000)
        eventually(lambda: log.values("raw.bike", prefix.encode()), every_s=0.01)
        first.end(signal.SIGKILL)
    wanted |= feed.send_many(f"{prefix}-later", 500)
    feed.wait()
    with process(place, "second", client) as second:
        arrived(log, prefix, wanted)
        assert second.end() == 0


def test_the_mqtt_broker_restarts_and_is_subscribed_again(city: Stack, place: Place, feed: Feed, log: Log) -> None:
    with running(place.collector()) as collector:
        ready(collector)
        for number in (signal.SIGTERM, signal.SIGKILL):
            before = collector.counts["bike"].reconnects
            city.kill(city.settings.mqtt_broker, number)
            eventually(lambda: not collector.counts["bike"].ready)
            city.restart(city.settings.mqtt_broker)
            eventually(lambda before=before: collector.counts["bike"].reconnects > before)  # type: ignore[misc]
            ready(collector)
            prefix = f"restart-{number}"
            arrived(log, prefix, feed.send_many(prefix, 200))


@pytest.mark.parametrize("client", CLIENTS)
def test_while_kafka_is_away_the_broker_keeps_everything(city: Stack, place: Place, feed: Feed, log: Log, client: str) -> None:
    prefix = f"outage-{client}"
    with process(place, "only", client) as collector:
        eventually(lambda: len(collector.held) == len(SLOTS), 30, what="all slots ready")
        city.kill("kafka")
        try:
            acked = collector.acked
            wanted = feed.send_many(prefix, 3_000)
            feed.wait()
            eventually(lambda: collector.refused, 30, what="it notices that Kafka is away")
            assert collector.acked == acked
        finally:
            city.restart("kafka")
        arrived(log, prefix, wanted)
        eventually(lambda: collector.acked - acked >= len(wanted))
        assert collector.end() == 0


def test_a_session_that_is_not_read_stays_connected(city: Stack, place: Place, feed: Feed, log: Log) -> None:
    """Kafka hangs for several keep-alives, and the window is so small that the session must not be read."""
    with running(place.collector(keepalive_s=1, pace=Pace(window=10))) as collector:
        ready(collector)
        counts = collector.counts["bike"]
        city.pause("kafka")
        try:
            received = counts.received
            wanted = feed.send_many("paused", 500)
            feed.wait()
            eventually(lambda: counts.in_flight == 10)
            paused = time.monotonic()
            eventually(lambda: time.monotonic() > paused + 4)
            assert counts.ready
            assert counts.reconnects == 0
            assert counts.received - received <= 10
        finally:
            city.resume("kafka")
        arrived(log, "paused", wanted)
        assert collector.counts["heat"].reconnects == 0


def test_what_kafka_failed_to_take_is_sent_again_by_the_broker(city: Stack, place: Place, feed: Feed, log: Log) -> None:
    """Kafka hangs for longer than a record may take, but not so long that the group gives up on us."""
    with running(place.collector(delivery_ms=1_000, pace=Pace(stall_ms=500))) as collector:
        ready(collector)
        counts = collector.counts["bike"]
        arrived(log, "warm", feed.send_many("warm", 10))
        city.pause("kafka")
        try:
            acked = counts.acked
            wanted = feed.send_many("failed", 300)
            feed.wait()
            eventually(lambda: counts.stalls, 10, what="asked for again")
            assert counts.acked == acked
        finally:
            city.resume("kafka")
        arrived(log, "failed", wanted)
        eventually(lambda: counts.acked - acked >= len(wanted))


def test_over_tls(city: Stack, place: Place, log: Log, tmp_path: Path) -> None:
    """Decrypted bytes wait where no poll sees them; and a burst is more than one record of TLS."""
    port, context = tls_broker(tmp_path)
    broker = subprocess.Popen(["mosquitto", "-c", str(tmp_path / "mosquitto.conf")], stderr=subprocess.DEVNULL)
    try:
        secure = replace(place, mqtt_port=port, tls_ca=str(tmp_path / "cert.pem"), mqtt_host="localhost")
        eventually(lambda: reachable(port))
        with running(secure.collector()) as collector:
            ready(collector)
            feed = Feed(secure, context)
            wanted = feed.send_many("tls", 2_000) | {b"tls-" + bytes(200_000)}
            feed.send("hanan/bike/station/dev-1/reading", b"tls-" + bytes(200_000))
            feed.wait()
            arrived(log, "tls", wanted)
            eventually(lambda: collector.counts["bike"].acked == len(wanted))
            feed.close()
    finally:
        broker.kill()
        broker.wait(10)


def tls_broker(home: Path) -> tuple[int, ssl.SSLContext]:
    """Certificate and configuration of a Mosquitto that speaks only TLS."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subprocess.run([*new, *names, "-keyout", "key.pem", "-out", "cert.pem"], cwd=home, check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    user = "user root\n" if os.geteuid() == 0 else ""
    lines = f"listener {port} 127.0.0.1\ncertfile {home}/cert.pem\nkeyfile {home}/key.pem\nallow_anonymous true\n{user}"
    (home / "mosquitto.conf").write_text(lines + "max_inflight_messages 2000\nmax_queued_messages 0\n")
    return port, ssl.create_default_context(cafile=str(home / "cert.pem"))


def reachable(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("client", CLIENTS)
def test_a_survivor_takes_over_the_slots_of_the_dead(place: Place, feed: Feed, log: Log, client: str) -> None:
    prefix = f"survivor-{client}"
    everything = {slot.name for slot in SLOTS}
    with process(place, "first", client) as first, process(place, "second", client) as second:
        eventually(lambda: first.held and second.held and first.held | second.held == everything, 40, what="slots shared")
        assert not first.held & second.held
        victim, survivor = (first, second) if "bike" in first.held else (second, first)
        wanted = feed.send_many(prefix, 500)
        victim.end(signal.SIGKILL)
        wanted |= feed.send_many(f"{prefix}-orphaned", 500)
        feed.wait()
        eventually(lambda: survivor.held == everything, 40, what="taken over")
        arrived(log, prefix, wanted)
        assert survivor.end() == 0


@pytest.mark.parametrize("client", CLIENTS)
def test_who_leaves_in_order_hands_over_at_once(place: Place, feed: Feed, log: Log, client: str) -> None:
    prefix = f"orderly-{client}"
    everything = {slot.name for slot in SLOTS}
    with process(place, "first", client) as first, process(place, "second", client) as second:
        eventually(lambda: first.held and second.held and first.held | second.held == everything, 40, what="slots shared")
        wanted = feed.send_many(prefix, 1_000)
        started = time.monotonic()
        assert first.end() == 0
        eventually(lambda: second.held == everything, 40, what="taken over")
        assert time.monotonic() - started < SESSION_MS / 1_000, "it did not wait for a session timeout"
        arrived(log, prefix, wanted)


def test_a_changed_filter_replaces_the_old_one_in_the_session(place: Place, feed: Feed, log: Log) -> None:
    old, new = ("hanan/bike/+/+/+",), ("hanan/bike/station/+/+",)
    with running(place.collector()) as collector:
        ready(collector)
    narrow = [slot._replace(filters=new) if slot.filters == old else slot for slot in SLOTS]
    with running(place.collector(slots=narrow)) as collector:
        ready(collector)
        feed.send("hanan/bike/vehicle/V-1/reading", b"filter-old")
        feed.send("hanan/bike/station/B-1/reading", b"filter-new")
        arrived(log, "filter", {b"filter-new"})
    with running(place.collector()) as collector:
        ready(collector)
        arrived(log, "filter-again", feed.send_many("filter-again", 1))
    assert log.values("raw.bike", b"filter-old") == set()


def test_a_retired_slot_is_emptied_and_its_session_ended(place: Place, feed: Feed, log: Log) -> None:
    with running(place.collector(slots=[*SLOTS, TUNNEL])) as collector:
        ready(collector, [*SLOTS, TUNNEL])
    feed.send("hanan/tunnel/gas/T-1/reading", b"retired-queued")
    feed.wait()
    with running(place.collector(retired=["tunnel"])) as collector:
        ready(collector)
        eventually(lambda: log.values("dead", b"retired-queued"))
        eventually(lambda: "tunnel" in collector.counts and "tunnel" not in collector.held)
        eventually(lambda: not session_present(place, TUNNEL.client_id))


def session_present(place: Place, client_id: str) -> bool:
    answers: list[bool] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=False)
    client.username_pw_set(place.user, place.password)
    client.on_connect = lambda _c, _u, flags, _r, _p: answers.append(flags.session_present)
    client.connect(place.mqtt_host, place.mqtt_port)
    eventually(lambda: client.loop(0.1) is not None and answers)
    client.disconnect()
    client.loop(0.1)
    return answers[0]
