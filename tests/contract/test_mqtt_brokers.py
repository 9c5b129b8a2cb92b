"""What every native MQTT broker must do alike, and where they differ, so that nobody has to find out in a storm.

`docs/brokers.md` is the table of what is shown here. With `-s` the figures of the kills are printed.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from paho.mqtt.client import MQTTMessageInfo
from paho.mqtt.enums import MQTTProtocolVersion

from deploy.clock import monotonic_ms
from deploy.demo.publisher import Broker as PublisherBroker
from deploy.demo.publisher import Publisher
from deploy.demo.recordings.recording import Message
from deploy.native.mosquitto import server as mosquitto
from deploy.native.mqtt import Figures
from deploy.native.problems import NativeError
from deploy.native.rabbitmq import rights
from deploy.native.rabbitmq import server as rabbitmq
from ingest.io.paho_session import Broker as SessionBroker
from ingest.io.paho_session import PahoSessions
from ingest.pace import Backoff
from schemas.topics import MqttTopic
from tests.contract.brokers import MIB, MOSQUITTO, RABBITMQ, WINDOW, Broker, Ways, running
from tests.waiting import eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

GB = 10**9
TOPIC = "hanan/bike/station/D-000/reading"
LOST_SECONDS = 2.5
"""Mosquitto saves each second, and saving takes a moment."""
RETAINED_SECONDS = 4.0
"""RabbitMQ writes retained messages every two seconds, without letting the PUBACK wait for that."""


@pytest.fixture(scope="module", params=[MOSQUITTO, RABBITMQ], ids=lambda ways: ways.name)
def house(request: pytest.FixtureRequest) -> Iterator[Broker]:
    ways: Ways = request.param
    with running(ways) as broker:
        yield broker


@pytest.fixture
def broker(house: Broker) -> Iterator[Broker]:
    yield house
    house.send_home()


@pytest.fixture
def topic(broker: Broker) -> str:
    """A device's, and no other test's."""
    broker.fresh()
    return f"hanan/bike/station/D-{broker._number:03}/reading"


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(first, first + count)]


def say(line: str) -> None:
    sys.stdout.write(f"\n{line}\n")


def test_it_listens_on_loopback_where_it_is_told_and_nowhere_else(broker: Broker) -> None:
    """Of RabbitMQ that is not to be taken for granted: Erlang likes to listen for other nodes, and has a daemon for that."""
    settings = broker.stack.settings
    ports = {settings.mqtt_port, settings.mqtt_admin_port} if broker.ways is RABBITMQ else {settings.mqtt_port}
    assert broker.listening() == {f"127.0.0.1:{port}" for port in ports}


# Sessions


def test_a_session_keeps_what_comes_while_its_client_is_away(broker: Broker, topic: str) -> None:
    first = broker.collector(broker.fresh("absent"), topic)
    assert not first.session_present
    first.leave()
    broker.person("gateway").publish_all(topic, numbered(500))
    again = broker.collector(first.client._client_id.decode())
    assert again.session_present
    assert [(got.payload, got.dup, got.retained) for got in again.until(500)] == [(p, False, False) for p in numbered(500)]


def test_what_was_not_acknowledged_comes_again_and_first(broker: Broker, topic: str) -> None:
    session = broker.fresh("unacked")
    first = broker.collector(session, topic, polite=False)
    gateway = broker.person("gateway")
    gateway.publish_all(topic, numbered(10))
    first.acknowledge(*first.until(10)[:4])
    first.vanish()
    gateway.publish_all(topic, numbered(3, 10))
    again = broker.collector(session)
    came = again.until(9)
    assert [got.payload for got in came] == numbered(9, 4)
    assert all(got.dup for got in came[:6])  # the others, too, if they were sent before it saw that the first one was gone


def test_only_so_many_are_on_their_way(broker: Broker, topic: str) -> None:
    """What keeps a collector from drowning, and what bounds the repeats after a crash."""
    subscriber = broker.collector(broker.fresh("window"), topic, polite=False)
    broker.person("gateway").publish_all(topic, numbered(WINDOW + 300))
    first = subscriber.until(WINDOW, 30)
    subscriber.ack(*first[:100])
    allowed = WINDOW + (100 if broker.ways.window_holds else 300)
    more = subscriber.until(allowed)
    subscriber.ack(*more[100:])
    subscriber.until(WINDOW + 300)


def test_a_session_goes_to_who_comes_last(broker: Broker, topic: str) -> None:
    session = broker.fresh("taken")
    first = broker.collector(session, topic, polite=False)
    gateway = broker.person("gateway")
    gateway.publish_all(topic, numbered(5))
    first.until(5)
    second = broker.collector(session)
    assert second.session_present
    assert first.ended.wait(10)
    gateway.publish_all(topic, numbered(5, 5))
    came = second.until(10)
    assert [got.payload for got in came] == numbered(10)
    assert all(got.dup for got in came[:5])


def test_a_clean_connection_ends_a_session_and_all_in_it(broker: Broker, topic: str) -> None:
    session = broker.session(topic)
    broker.person("gateway").publish_all(topic, numbered(5))
    broker.collector(session, clean=True).leave()
    again = broker.collector(session, topic)
    assert not again.session_present
    broker.person("gateway").publish_all(topic, [b"fresh"])
    assert [got.payload for got in again.until(1)] == [b"fresh"]


def test_a_filter_is_given_up_by_a_session_that_comes_back(broker: Broker, topic: str) -> None:
    """RabbitMQ 3.10 forgets what a session was subscribed to when its client leaves: it must be told again before."""
    other = topic.replace("bike", "heat")
    session = broker.session(topic, other)
    again = broker.collector(session)
    again.subscribe(other)
    again.unsubscribe(other)
    broker.person("gateway").publish_all(other, [b"unwanted"])
    broker.person("gateway").publish_all(topic, [b"wanted"])
    assert [got.payload for got in again.until(1)] == [b"wanted"]


def test_the_collectors_session_gives_up_a_filter_and_is_erased(broker: Broker, topic: str) -> None:
    other = topic.replace("bike", "heat")
    name = broker.session(topic, other)
    gateway = broker.person("gateway")
    gateway.publish_all(other, [b"before"])
    login = broker.stack.endpoints().mqtt_login("collector")
    place = SessionBroker(broker.host, broker.port, login.user, login.password)
    sessions = PahoSessions(place, monotonic_ms=monotonic_ms, backoff=lambda: Backoff(100, 200))
    session = sessions.open(name, [topic], [other])
    read: list[bytes] = []

    def turn() -> list[bytes]:
        sessions.wait([session], 20)
        session.tend()
        messages = session.read(100, MIB)
        session.ack([message.mid for message in messages])
        read.extend(message.payload for message in messages)
        return read

    eventually(lambda: turn() and session.ready)
    gateway.publish_all(other, [b"unwanted"])
    gateway.publish_all(topic, [b"wanted"])
    eventually(lambda: len(turn()) == 2)
    assert read == [b"before", b"wanted"]
    session.close()
    gateway.publish_all(topic, [b"lost, and meant to be"])
    assert sessions.erase(name)
    assert not broker.collector(name, topic).session_present


# Last wills and retained messages


def test_a_will_is_published_when_its_client_vanishes_and_only_then(broker: Broker, topic: str) -> None:
    status = topic.replace("reading", "status")
    watcher = broker.collector(broker.fresh("watcher"), status)
    broker.person("gateway", will=(status, b"offline", True)).leave()
    broker.person("gateway", will=(status, b"gone", True)).vanish()
    [will] = watcher.until(1)
    assert (will.payload, will.retained) == (b"gone", False)
    late = broker.collector(broker.fresh("late"), status)
    assert [(got.payload, got.retained) for got in late.until(1)] == [(b"gone", True)]
    broker.person("gateway").publish(status, b"", retain=True).wait_for_publish(10)


def test_a_take_over_is_no_reason_for_a_will(broker: Broker, topic: str) -> None:
    """MQTT 3.1.1 would have it; neither does it, and so a device that comes back in a hurry is not reported as gone."""
    status = topic.replace("reading", "status")
    watcher = broker.collector(broker.fresh("watcher"), status)
    name = broker.fresh("device")
    first = broker.person("gateway", name, will=(status, b"offline", False))
    second = broker.person("gateway", name)
    assert first.ended.wait(10)
    second.publish_all(status, [b"online"])
    assert [got.payload for got in watcher.until(1)] == [b"online"]


def test_a_retained_status_is_flagged_for_who_comes_later_only(broker: Broker, topic: str) -> None:
    status = topic.replace("reading", "status")
    there = broker.collector(broker.fresh("there"), status)
    gateway = broker.person("gateway")
    gateway.publish(status, b"online", retain=True).wait_for_publish(10)
    assert [(got.payload, got.retained) for got in there.until(1)] == [(b"online", False)]
    later = broker.collector(broker.fresh("later"), status)
    assert [(got.payload, got.retained) for got in later.until(1)] == [(b"online", True)]
    wide = broker.collector(broker.fresh("wide"), status.replace("bike/station", "+/+"))
    gateway.publish_all(topic.replace("bike/station", "waste/bin"), [b"nobody hears this"])
    gateway.publish_all(status, [b"then"])
    expected = [(b"online", True)] if broker.ways.retained_by_wildcard else []
    assert [(got.payload, got.retained) for got in wide.until(len(expected) + 1)] == [*expected, (b"then", False)]
    gateway.publish(status, b"", retain=True).wait_for_publish(10)
    eventually(lambda: there.got[-1].payload == b"")
    assert not broker.collector(broker.fresh("last"), status).got


@pytest.mark.parametrize("how", ["in order", "killed"])
def test_a_retained_message_survives(broker: Broker, topic: str, how: str) -> None:
    status = topic.replace("reading", "status")
    broker.person("gateway").publish(status, b"online", retain=True).wait_for_publish(10)
    if how == "killed":
        time.sleep(RETAINED_SECONDS)
        broker.kill()
    broker.start()
    assert [(got.payload, got.retained) for got in broker.collector(broker.fresh("later"), status).until(1)] == [
        (b"online", True)
    ]
    broker.person("gateway").publish(status, b"", retain=True).wait_for_publish(10)


# Rights


def test_nobody_comes_in_without_a_password(broker: Broker) -> None:
    for user, password in (("", ""), ("gateway", "wrong"), ("stranger", "x"), ("guest", "guest"), ("hanan-admin", "")):
        assert broker.person(user, password=password).answer != "Success", user


def test_a_device_speaks_for_itself_alone(broker: Broker) -> None:
    """It is let in at once when it is admitted; what it may not say reaches nobody, whatever the broker answers."""
    broker.stack.admit("DEV-1", "DEV-11")
    collector = broker.collector(broker.fresh("rights"), "hanan/#")
    allowed = ["hanan/bike/station/DEV-1/reading", "hanan/heat/indoor/DEV-1/status", "hanan/x/y/DEV-1"]
    refused = [
        "hanan/bike/station/DEV-11/reading",
        "hanan/bike/station/DEV-2/reading",
        "hanan/bike/DEV-1/reading",
        "hanan/DEV-1/a/b",
        "hanan-collector/DEV-1",
        "DEV-1",
    ]
    for topic in refused:
        device = broker.person("DEV-1", broker.fresh("device"))
        eventually(lambda device=device: device.answer == "Success")  # type: ignore[misc]
        info = device.publish(topic, b"refused")
        if broker.ways.says_no:
            assert device.ended.wait(10), topic
            assert not info.is_published()
        else:
            info.wait_for_publish(10)
    device = broker.person("DEV-1", broker.fresh("device"))
    for topic in allowed:
        device.publish_all(topic, [b"allowed"])
    assert [got.topic for got in collector.until(len(allowed))] == allowed


@pytest.mark.parametrize("user", ["DEV-3", "gateway", "observer"])
def test_only_the_collector_reads(broker: Broker, user: str) -> None:
    broker.stack.admit("DEV-3")
    topic = "hanan/bike/station/DEV-4/reading"
    curious = broker.person(user, clean=True)
    curious.subscribe("hanan/#")
    collector = broker.collector(broker.fresh("reader"), topic)
    broker.person("gateway").publish_all(topic, [b"private"])
    collector.until(1)
    assert curious.ended.is_set() == broker.ways.says_no
    assert not curious.got


def test_a_session_is_not_for_other_users(broker: Broker, topic: str) -> None:
    """Where it is not guarded, a password and a client id are enough to make the collector's queue disappear."""
    broker.stack.admit("DEV-5")
    session = broker.fresh("guarded")
    owner = broker.collector(session, topic, polite=False)
    broker.person("gateway").publish_all(topic, numbered(10))
    owner.until(10)
    thief = broker.person("DEV-5", session, clean=True)
    assert (thief.answer == "Success") != broker.ways.guards_sessions
    assert owner.ended.wait(10), "it is disturbed in any case"
    thief.leave()
    again = broker.collector(session, topic)
    assert again.session_present == broker.ways.guards_sessions
    broker.person("gateway").publish_all(topic, [b"after"])
    kept = [*numbered(10), b"after"] if broker.ways.guards_sessions else [b"after"]
    assert [got.payload for got in again.until(len(kept))] == kept


# Acknowledgements and limits


def test_sixteen_mebibytes_pass_and_what_is_larger_is_not_acknowledged(broker: Broker, topic: str) -> None:
    """Nor is anything that follows it on that connection: Mosquitto ends it, RabbitMQ 3.10 only goes deaf."""
    subscriber = broker.collector(broker.fresh("large"), topic)
    gateway = broker.person("gateway")
    gateway.publish(topic, bytes(16 * MIB - 1_000)).wait_for_publish(30)
    assert len(subscriber.until(1)[0].payload) == 16 * MIB - 1_000
    too_large, behind = gateway.publish(topic, bytes(17 * MIB)), gateway.publish(topic, b"behind")
    other = broker.person("gateway")
    if not broker.ways.says_no:
        assert gateway.ended.wait(20)
    other.publish_all(topic, [b"next"])
    assert subscriber.until(2)[1].payload == b"next"
    assert not too_large.is_published()
    assert not behind.is_published()


def test_topics_arrive_as_they_were_but_for_dots(broker: Broker, topic: str) -> None:
    odd = [topic.replace("D-", name) for name in ("站点-", "a b-", "A_B~", "a.b-")]
    subscriber = broker.collector(broker.fresh("odd"), "hanan/#", clean=True)
    for each in odd:
        broker.person("gateway").publish_all(each, [each.encode()])
    arrived = [each.replace(".", "/") for each in odd] if broker.ways.dots_are_levels else odd
    assert [got.topic for got in subscriber.until(len(odd))] == arrived


def test_mqtt_5_or_none(broker: Broker) -> None:
    """RabbitMQ 3.10 cannot read an MQTT 5 CONNECT, and hangs up."""
    answer = broker.person("gateway", protocol=MQTTProtocolVersion.MQTTv5).answer
    assert answer == ("Success" if broker.ways is MOSQUITTO else "")


def test_the_demonstrations_publisher_gets_along(broker: Broker, topic: str) -> None:
    acknowledged: list[tuple[Message, str]] = []
    subscriber = broker.collector(broker.fresh("demo"), topic)
    place = PublisherBroker(broker.host, broker.port, "gateway", broker.password("gateway"))
    publisher = Publisher(place, lambda message, against: acknowledged.append((message, against)))
    publisher.connect()
    _, stream, kind, device, channel = topic.split("/")
    messages = [Message(n, MqttTopic(stream, kind, device, channel), b"%d" % n, 1, (n,)) for n in range(300)]
    for message in messages:
        while not publisher.room:
            publisher.serve(0.1)
        publisher.send(message)
    assert publisher.drain(20) == 0
    publisher.close()
    assert acknowledged == [(message, "") for message in messages]
    assert [got.payload for got in subscriber.until(300)] == numbered(300)


# The broker dies


def test_a_restart_in_order_loses_nothing(broker: Broker, topic: str) -> None:
    """Neither what is queued nor what was on its way and not acknowledged."""
    absent, session = broker.session(topic), broker.fresh("half")
    there = broker.collector(session, topic, polite=False)
    broker.person("gateway").publish_all(topic, numbered(1_000))
    there.until(1_000)
    there.acknowledge(*there.got[:400])
    seconds = broker.start()
    say(f"{broker.ways.name}: stopped and started in {seconds:.1f} s")
    assert there.ended.is_set()
    assert [got.payload for got in broker.collector(absent).until(1_000)] == numbered(1_000)
    assert [(got.payload, got.dup) for got in broker.collector(session).until(600)] == [(p, True) for p in numbered(600, 400)]


def test_killed_it_loses_at_most_what_its_promise_leaves_open(broker: Broker, topic: str) -> None:
    """In the midst of messages at 500 a second: of what it acknowledged, nothing, or what came since it last saved its memory."""
    absent, session = broker.session(topic), broker.fresh("half")
    broker.collector(session, topic, polite=False)
    time.sleep(LOST_SECONDS)
    gateway = broker.person("gateway")
    infos: list[MQTTMessageInfo] = []
    acknowledged_at: dict[int, float] = {}
    for number in range(2_000):
        infos.append(gateway.publish(topic, b"%d" % number))
        if number % 5 == 0:
            time.sleep(0.01)
            acknowledged_at |= {
                n: time.monotonic() for n, info in enumerate(infos) if n not in acknowledged_at and info.is_published()
            }
    broker.kill()
    killed_at = time.monotonic()
    seconds = broker.start()
    acknowledged = {n for n, info in enumerate(infos) if info.is_published()}
    again, half = broker.collector(absent, topic), broker.collector(session, topic)
    broker.person("gateway").publish_all(topic, [b"the end"])
    for subscriber in (again, half):
        eventually(lambda subscriber=subscriber: subscriber.got and subscriber.got[-1].payload == b"the end", 60)  # type: ignore[misc]
        kept = {int(got.payload) for got in subscriber.got[:-1]}
        lost = acknowledged - kept
        since = max((killed_at - acknowledged_at.get(n, killed_at) for n in lost), default=0.0)
        say(
            f"{broker.ways.name}: killed, answered {seconds:.1f} s later; {len(acknowledged)} acknowledged,"
            f" {len(lost)} lost, the oldest of them {since:.2f} s before; session kept: {subscriber.session_present}"
        )
        assert subscriber.session_present
        assert since <= (0 if broker.ways.keeps_all else LOST_SECONDS)
        assert broker.ways.keeps_all is False or not lost


def test_what_it_holds_is_told(broker: Broker, topic: str) -> None:
    def figures() -> Figures:
        return broker.stack.mqtt_figures()

    some = 20  # by which Mosquitto may be wrong
    eventually(lambda: figures().queued < some, what="the sessions of other tests to be gone")
    unheard = figures().unheard
    broker.session(topic)
    broker.person("gateway").publish_all(topic, [b"x" * 1_000] * 300)
    eventually(lambda: 300 - some < figures().queued < 300 + some)
    now = figures()
    assert 300_000 <= now.queued_bytes < 310_000
    assert now.dropped in {0, None}
    assert now.refusing == ""
    assert (now.resident_bytes or 0) > MIB
    assert (now.unheard is None) == (broker.ways is MOSQUITTO)
    if now.unheard is not None:
        broker.person("gateway").publish_all("hanan/nobody/reads/D-1/this", [b"unheard"] * 7)
        eventually(lambda: figures().unheard == (unheard or 0) + 7)


# Full


def test_rabbitmq_refuses_what_a_full_session_cannot_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hanging up, again and again. Nothing is acknowledged that is not kept; who reads goes on, and then the rest is taken."""
    monkeypatch.setattr(rights, "SESSION_MESSAGES", 100)
    with running(RABBITMQ) as broker:
        session = broker.session(TOPIC)
        acknowledged: list[Message] = []
        place = PublisherBroker(broker.host, broker.port, "gateway", broker.password("gateway"))
        publisher = Publisher(place, lambda message, _: acknowledged.append(message), limit=300)
        publisher.connect()
        for number in range(300):
            while not publisher.room:
                publisher.serve(0.1)
            publisher.send(Message(number, MqttTopic("bike", "station", "D-000", "reading"), b"%d" % number, 1, ()))
        left = publisher.drain(5)
        assert left >= 200, "and even what is kept may go unacknowledged, since it hangs up first"
        assert publisher.reconnects > 0
        reader = broker.collector(session)
        assert publisher.drain(60) == 0
        publisher.close()
        eventually(lambda: {got.payload for got in reader.got} == set(numbered(300)))
        assert len(acknowledged) == 300
        broker.send_home()


def test_rabbitmq_takes_nothing_more_while_its_disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds its publishers back: no acknowledgement, no broken connection, no loss."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < 8 * GB:
        pytest.skip("needs 8 GB of free disk, to take some of them for a moment")
    monkeypatch.setattr(rabbitmq, "FREE_BYTES", free - 2 * GB)
    with running(RABBITMQ) as broker:
        session = broker.session(TOPIC)
        gateway = broker.person("gateway")
        gateway.publish_all(TOPIC, [b"before"])
        filler = broker.stack.settings.home / "filler"
        with filler.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, 4 * GB)
        refusing = eventually(lambda: broker.stack.mqtt_figures().refusing, 60)
        assert refusing.startswith("its disk has less than ")
        info = gateway.publish(TOPIC, b"held back")
        time.sleep(3)
        assert not info.is_published()
        assert not gateway.ended.is_set()
        filler.unlink()
        eventually(info.is_published, 60)
        eventually(lambda: not broker.stack.mqtt_figures().refusing)
        assert [got.payload for got in broker.collector(session).until(2)] == [b"before", b"held back"]
        broker.send_home()


def test_rabbitmq_says_at_once_that_the_disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq, "FREE_BYTES", 10**15)
    said = r"^rabbitmq: it takes nothing while its disk has less than 1e\+06 GB free, and .* has \d+\.\d; make room"
    with pytest.raises(NativeError, match=said), running(RABBITMQ):
        pass


def test_mosquitto_counts_what_it_drops_when_a_queue_is_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And acknowledges it all the same, so this count is a count of losses."""
    template = Path(mosquitto._CONFIGURATION)
    small = tmp_path / "mosquitto.conf"
    small.write_text(template.read_text().replace("max_queued_messages 1000000", "max_queued_messages 100"))
    monkeypatch.setattr(mosquitto, "_CONFIGURATION", small)
    with running(MOSQUITTO) as broker:
        session = broker.session(TOPIC)
        broker.person("gateway").publish_all(TOPIC, numbered(150))
        with closing(broker.stack.mqtt_listener()) as listener:
            assert eventually(lambda: listener.figures().dropped) == 50
        assert [got.payload for got in broker.collector(session).until(100)] == numbered(100)
        broker.send_home()
