"""What every native MQTT broker must do alike, and where they differ, so that nobody has to find out in a storm.

`docs/brokers.md` is the table of what is shown here.
"""

from collections.abc import Iterator

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from deploy.demo.publisher import Broker as PublisherBroker
from deploy.demo.publisher import Publisher
from deploy.demo.recordings.recording import Message
from schemas.topics import MqttTopic
from tests.contract.brokers import MIB, MOSQUITTO, RABBITMQ, WINDOW, Broker, Ways, running
from tests.waiting import eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]


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
    first.ack(*first.until(10)[:4])
    eventually(lambda: broker.stack.mqtt_figures().queued <= 6, what="the acknowledgements to arrive")
    first.vanish()
    gateway.publish_all(topic, numbered(3, 10))
    again = broker.collector(session)
    assert [(got.payload, got.dup) for got in again.until(9)] == [(b"%d" % n, n < 10) for n in range(4, 13)]


def test_only_so_many_are_on_their_way(broker: Broker, topic: str) -> None:
    """What keeps a collector from drowning, and what bounds the repeats after a crash."""
    subscriber = broker.collector(broker.fresh("window"), topic, polite=False)
    broker.person("gateway").publish_all(topic, numbered(WINDOW + 300))
    subscriber.until(WINDOW, 30)
    subscriber.ack(*subscriber.got[:100])
    subscriber.until(WINDOW + 100)
    subscriber.ack(*subscriber.got[100:])
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
    assert [(got.payload, got.dup) for got in second.until(10)] == [(b"%d" % n, n < 5) for n in range(10)]


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


def test_a_will_when_another_takes_over(broker: Broker, topic: str) -> None:
    status = topic.replace("reading", "status")
    watcher = broker.collector(broker.fresh("watcher"), status)
    name = broker.fresh("device")
    first = broker.person("gateway", name, will=(status, b"offline", False))
    second = broker.person("gateway", name)
    assert first.ended.wait(10)
    second.publish_all(status, [b"online"])
    expected = [b"offline", b"online"] if broker.ways.will_on_take_over else [b"online"]
    assert [got.payload for got in watcher.until(len(expected))] == expected


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
    session = broker.session(topic)
    broker.person("gateway").publish_all(topic, numbered(10))
    thief = broker.person("DEV-5", session, clean=True)
    assert (thief.answer == "Success") != broker.ways.guards_sessions
    thief.leave()
    again = broker.collector(session, topic)
    assert again.session_present == broker.ways.guards_sessions
    broker.person("gateway").publish_all(topic, [b"after"])
    kept = [*numbered(10), b"after"] if broker.ways.guards_sessions else [b"after"]
    assert [got.payload for got in again.until(len(kept))] == kept


# Acknowledgements and limits


def test_sixteen_mebibytes_pass_and_what_is_larger_is_not_acknowledged(broker: Broker, topic: str) -> None:
    subscriber = broker.collector(broker.fresh("large"), topic)
    gateway = broker.person("gateway")
    gateway.publish(topic, bytes(16 * MIB - 1_000)).wait_for_publish(30)
    assert len(subscriber.until(1)[0].payload) == 16 * MIB - 1_000
    info = gateway.publish(topic, bytes(17 * MIB))
    assert gateway.ended.wait(20)
    assert not info.is_published()
    broker.person("gateway").publish_all(topic, [b"next"])
    assert subscriber.until(2)[1].payload == b"next"


def test_mqtt_5_or_a_clear_no(broker: Broker) -> None:
    """RabbitMQ 3.10 speaks MQTT 3.1.1: it says so, and who prefers MQTT 5 comes again."""
    answer = broker.person("gateway", protocol=MQTTProtocolVersion.MQTTv5).answer
    assert answer == ("Success" if broker.ways is MOSQUITTO else "Unsupported protocol version")


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
