"""The native servers, for real: what they promise, and that they survive what is done to them."""

import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from paho.mqtt.enums import CallbackAPIVersion

from deploy.native import process
from deploy.native.endpoints import Credential, Endpoints
from deploy.native.influxdb import setup
from deploy.native.problems import NativeError
from deploy.native.stack import Stack, native_stack
from tests.servers import fresh_settings, guarded_stack
from tests.waiting import eventually

pytestmark = pytest.mark.servers

ALL = ("kafka", "mosquitto", "influxdb")


def states(stack: Stack) -> dict[str, str]:
    return {one.name: one.state for one in stack.status()}


def produce(bootstrap: str, topic: str, value: bytes = b"x") -> None:
    errors: list[object] = []
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "message.max.bytes": 20_000_000,
            "acks": "all",
            "log_level": 0,
            "delivery.timeout.ms": 30_000,
        }
    )
    producer.produce(topic, value, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(40) == 0
    assert errors == [None]


def create_topic(bootstrap: str, name: str, copies: int = 1) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, 1, copies)])[name].result(20)


@contextmanager
def client(
    places: Endpoints, login: Credential, name: str = "", on_message: Callable[..., None] | None = None
) -> Iterator[mqtt.Client]:
    """A connected client; a named one has a session that outlives it."""
    made = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=not name, protocol=mqtt.MQTTv311)
    made.username_pw_set(login.user, login.password)
    made.on_message = on_message
    made.connect(places.mqtt_host, places.mqtt_port)
    made.loop_start()
    try:
        eventually(made.is_connected)
        yield made
    finally:
        made.disconnect()
        made.loop_stop()


def write(places: Endpoints, token: str, line: str = "m,device_id=a value=1") -> None:
    with InfluxDBClient(places.influx_url, token, org=places.influx_org) as influx:
        influx.write_api(write_options=SYNCHRONOUS).write("readings", record=line)


def count(places: Endpoints, token: str) -> int:
    with InfluxDBClient(places.influx_url, token, org=places.influx_org) as influx:
        tables = influx.query_api().query('from(bucket: "readings") |> range(start: -1h) |> count()')
    return sum(int(record.get_value()) for table in tables for record in table.records)


def test_a_second_start_finds_everything_running_and_changes_nothing(stack: Stack, servers: Endpoints) -> None:
    pids = {name: stack.pid(name) for name in ALL}
    began = time.monotonic()
    assert stack.start() == []
    assert time.monotonic() - began < 8
    assert {name: stack.pid(name) for name in ALL} == pids
    assert stack.endpoints() == servers
    assert states(stack) == dict.fromkeys(ALL, "running")


def test_secrets_are_their_owners_alone(stack: Stack) -> None:
    kept = [path for path in (stack.settings.home / "secrets").rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    assert {path.name for path in kept} >= {"collector", "gateway", "observer", "influx-admin", "influx-roles", "influx-grafana"}
    everything = b"".join(path.read_bytes() for path in stack.settings.home.glob("*/*.conf"))
    assert not any(path.read_text().strip().encode() in everything for path in kept)


def test_they_listen_on_loopback_only(stack: Stack) -> None:
    pids = {str(stack.pid(name)) for name in ALL}
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout.splitlines()
    ours = [line.split()[3] for line in listening if any(f"pid={pid}," in line for pid in pids)]
    assert len(ours) >= 4
    assert {address.rpartition(":")[0].removeprefix("[::ffff:").rstrip("]") for address in ours} == {"127.0.0.1"}


def test_kafka_takes_the_largest_dead_letter_but_no_mistyped_topic(servers: Endpoints) -> None:
    create_topic(servers.kafka_bootstrap, "native-large")
    produce(servers.kafka_bootstrap, "native-large", b"x" * 17 * 1024 * 1024)
    admin = AdminClient({"bootstrap.servers": servers.kafka_bootstrap})
    assert admin.list_topics("native-typo", timeout=10).topics["native-typo"].error is not None
    assert "native-typo" not in admin.list_topics(timeout=10).topics


def test_a_device_speaks_for_itself_alone(stack: Stack, servers: Endpoints) -> None:
    """The topic says who speaks, and the broker vouches for it."""
    heard: list[str] = []
    password = stack.admit("PL-001")["PL-001"]
    with client(servers, servers.mqtt_login("collector"), on_message=lambda _c, _u, m: heard.append(m.topic)) as collector:
        collector.subscribe("hanan/#", qos=1)
        with client(servers, Credential("PL-001", password)) as device, client(servers, servers.mqtt_login("gateway")) as gateway:
            device.publish("hanan/heat/plant/PL-002/reading", b"{}", qos=1).wait_for_publish(10)
            device.publish("hanan/heat/plant/PL-001/reading", b"{}", qos=1).wait_for_publish(10)
            gateway.publish("hanan/heat/plant/PL-003/reading", b"{}", qos=1).wait_for_publish(10)
            eventually(lambda: len(heard) >= 2)
    assert sorted(heard) == ["hanan/heat/plant/PL-001/reading", "hanan/heat/plant/PL-003/reading"]


def test_a_stranger_does_not_get_in(servers: Endpoints) -> None:
    refused: list[object] = []
    made = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    made.on_connect = lambda _c, _u, _f, reason, _p: refused.append(reason.is_failure)
    made.connect(servers.mqtt_host, servers.mqtt_port)
    eventually(lambda: made.loop(0.1) and refused)
    assert refused == [True]


def test_the_broker_keeps_a_session_through_a_restart(own: Stack) -> None:
    servers = own.endpoints()
    heard: list[bytes] = []
    with client(servers, servers.mqtt_login("collector"), "slot-1") as collector:
        subscribed: list[object] = []
        collector.on_subscribe = lambda *_: subscribed.append(True)
        collector.subscribe("hanan/bike/#", qos=1)
        eventually(lambda: subscribed)
    with client(servers, servers.mqtt_login("gateway")) as gateway:
        gateway.publish("hanan/bike/station/S1/reading", b"kept", qos=1).wait_for_publish(10)
    own.restart("mosquitto")
    with client(servers, servers.mqtt_login("collector"), "slot-1", lambda _c, _u, m: heard.append(m.payload)):
        eventually(lambda: heard)
    assert heard == [b"kept"]


def test_tokens_can_what_they_are_for(servers: Endpoints) -> None:
    write(servers, servers.influx_token)
    assert count(servers, servers.influx_grafana_token) >= 1
    with pytest.raises(ApiException) as caught:
        write(servers, servers.influx_grafana_token)
    assert caught.value.status == 403
    with InfluxDBClient(servers.influx_url, servers.influx_admin_token, org=servers.influx_org) as influx:
        kept = {
            bucket.name: bucket.retention_rules[0].every_seconds // 86_400 for bucket in influx.buckets_api().find_buckets_iter()
        }
    days = {"readings": 30, "aggregates": 1826, "alerts": 1826, "ops": 1826}
    assert {name: kept[name] for name in days} == days  # other tests may have added buckets of their own


@pytest.fixture(scope="module")
def own() -> Iterator[Stack]:
    """Servers that may be hurt, apart from those of the session."""
    with guarded_stack() as started:
        yield started


def test_setting_up_again_mends_what_was_changed(own: Stack) -> None:
    places = own.endpoints()
    assert setup.set_up(own.settings, places.influx_url) == []
    with InfluxDBClient(places.influx_url, places.influx_admin_token, org=places.influx_org) as influx:
        buckets = influx.buckets_api()
        buckets.delete_bucket(buckets.find_bucket_by_name("alerts"))
    assert setup.set_up(own.settings, places.influx_url) == ["bucket alerts", "token influx-grafana", "token influx-roles"]
    (own.settings.home / "secrets" / "influx-grafana").unlink()
    assert setup.set_up(own.settings, places.influx_url) == ["token influx-grafana"]
    longer = own.settings.model_copy(update={"readings_retention_days": 60})
    assert setup.set_up(longer, places.influx_url) == ["retention of readings"]


def test_lost_secrets_are_named(own: Stack) -> None:
    kept = own.settings.home / "secrets" / "influx-admin"
    secret = kept.read_text()
    kept.write_text("another")
    with pytest.raises(NativeError, match=r"its data do not know the token in .*; bring back the secrets that belong to"):
        setup.set_up(own.settings, own.endpoints().influx_url)
    kept.write_text(secret)


@pytest.mark.parametrize("name", ALL)
def test_what_was_killed_is_started_again(own: Stack, name: str) -> None:
    others = {other: own.pid(other) for other in ALL if other != name}
    own.kill(name)
    assert states(own)[name] == "stopped"
    with pytest.raises(NativeError, match=f"^{name} is not running; run `hanan servers start`$"):
        own.pause(name)
    assert own.start() == [name]
    assert states(own) == dict.fromkeys(ALL, "running")
    assert {other: own.pid(other) for other in others} == others


def test_influxdb_keeps_what_it_acknowledged_through_a_kill(own: Stack) -> None:
    places = own.endpoints()
    before = count(places, places.influx_token)
    write(places, places.influx_token, "\n".join(f"m,device_id=k{number} value=1" for number in range(100)))
    own.kill("influxdb")
    own.restart("influxdb")
    assert own.endpoints() == places
    assert count(places, places.influx_token) == before + 100


def test_a_paused_server_does_not_answer_until_resumed(own: Stack) -> None:
    own.pause("influxdb")
    assert states(own)["influxdb"] == "not answering"
    own.resume("influxdb")
    eventually(lambda: states(own)["influxdb"] == "running")


def test_a_server_that_cannot_start_shows_its_log_and_leaves_nothing(own: Stack) -> None:
    own.stop(["influxdb"])
    blocked = own.settings.home / "influxdb" / "data" / "engine"
    aside = blocked.rename(blocked.with_name("aside"))
    blocked.write_text("no directory")
    with pytest.raises(NativeError, match=r"^influxdb ended while starting: [^;]*; the log is .*/logs/influxdb\.log$"):
        own.start()
    assert states(own) == {"kafka": "running", "mosquitto": "running", "influxdb": "stopped"}
    blocked.unlink()
    aside.rename(blocked)
    assert own.start() == ["influxdb"]


def test_a_stack_of_a_with_block_leaves_what_was_running(own: Stack) -> None:
    own.stop(["mosquitto"])
    with native_stack(own.settings) as places:
        assert places.mqtt_port == own.settings.mqtt_port
        assert states(own) == dict.fromkeys(ALL, "running")
    assert states(own) == {"kafka": "running", "mosquitto": "stopped", "influxdb": "running"}
    own.start()


def test_one_whose_pid_file_is_gone_is_stopped_with_the_rest() -> None:
    with guarded_stack(kafka_bootstrap="none:1", influx_url="http://none", influx_token="none") as stack:
        pid = stack.pid("mosquitto")
        process.forget(stack.settings.home, "mosquitto")
        with pytest.raises(
            NativeError, match=r"held by our own mosquitto .*, whose pid file is gone; end it with `hanan servers stop`"
        ):
            stack.start()
        assert stack.stop() == [str(pid)]
        assert stack.start() == ["mosquitto"]


@pytest.mark.timeout(300)
def test_three_brokers_go_on_without_one() -> None:
    with guarded_stack(
        kafka_brokers=3, kafka_replication=3, mqtt_url="mqtt://none", influx_url="http://none", influx_token="none"
    ) as cluster:
        bootstrap = cluster.endpoints().kafka_bootstrap
        create_topic(bootstrap, "durable", copies=3)
        produce(bootstrap, "durable")
        cluster.kill("kafka-2")
        produce(bootstrap, "durable")
        cluster.restart("kafka-2")
        assert set(states(cluster).values()) == {"running"}
        one = Stack(cluster.settings.model_copy(update={"kafka_brokers": 1, "kafka_replication": 1}))
        with pytest.raises(NativeError, match=r"holds a cluster of 3 broker\(s\), not 1; set HANAN_KAFKA_BROKERS back"):
            one.restart("kafka")


def test_a_killed_session_leaves_no_server_behind(tmp_path: Path) -> None:
    """The session's guard outlives it."""
    script = tmp_path / "session.py"
    script.write_text(
        "import time\nfrom tests.servers import guarded_stack\n"
        "with guarded_stack(kafka_bootstrap='none:1') as stack:\n"
        "    print(stack.settings.home, flush=True)\n    time.sleep(300)\n"
    )
    session = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env={**process.environment(), "PYTHONPATH": "."}
    )
    assert session.stdout is not None
    home = Path(session.stdout.readline().strip())
    session.stdout.close()
    assert len(process.marked(home)) == 2
    session.kill()
    session.wait(10)
    eventually(lambda: not process.marked(home) and not home.exists())


def test_a_busy_port_stops_the_start_before_anything_is_done(own: Stack, tmp_path: Path) -> None:
    taken = fresh_settings(tmp_path / "other", mqtt_port=own.settings.mqtt_port)
    with pytest.raises(NativeError, match=rf"^mosquitto: port {taken.mqtt_port} is held by mosquitto .* a native server of"):
        Stack(taken).start()
    assert process.names(taken.home) == []
