"""The feed through a real Mosquitto: whole, interrupted, refused, and with the broker killed in the middle."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import quote

import paho.mqtt.client as mqtt
import pytest
import typer
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from typer.testing import CliRunner

from deploy.cli.feed import feed
from deploy.clock import SystemClock
from deploy.demo.feed import run_feed
from deploy.demo.ledger import Ledger, Report, read_report
from deploy.demo.player import Due
from deploy.demo.publisher import Broker, BrokerError, Publisher
from deploy.demo.recordings import NAMES, Message, open_recording
from deploy.native.endpoints import Endpoints
from deploy.native.stack import Stack
from schemas.topics import MqttTopic
from tests.servers import guarded_stack
from tests.waiting import eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

GOLDEN = Path(__file__).parents[1] / "golden" / "recordings"
ROOT = Path(__file__).parents[2]
APP = typer.Typer()
APP.command()(feed)


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """The command takes Ctrl-C for itself; the test session gets it back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Subscriber:
    """Everything under a filter, as the collector's user sees it."""

    def __init__(self, places: Endpoints, filters: str = "hanan/#") -> None:
        self.got: Counter[tuple[str, bytes]] = Counter()
        self.subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "feed-test", protocol=MQTTProtocolVersion.MQTTv311)
        login = places.mqtt_login("collector")
        self._client.username_pw_set(login.user, login.password)
        self._client.on_connect = lambda client, *_: client.subscribe(filters, qos=1)
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_message = lambda _client, _data, message: self.got.update([(message.topic, bytes(message.payload))])
        self._client.reconnect_delay_set(1, 1)
        self._client.connect(places.mqtt_host, places.mqtt_port)

    def __enter__(self) -> Self:
        self._client.loop_start()
        assert self.subscribed.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def broker(places: Endpoints, user: str = "gateway") -> Broker:
    login = places.mqtt_login(user)
    return Broker(places.mqtt_host, places.mqtt_port, login.user, login.password)


def url(places: Endpoints) -> str:
    one = broker(places)
    return f"mqtt://{quote(one.user)}:{quote(one.password, safe='')}@{one.host}:{one.port}"


def ledger(path: Path | None = None) -> Ledger:
    return Ledger(Report(started="now", source="test", speed="max", retention_days=30), path)


def message(n: int) -> Message:
    return Message(n, MqttTopic("bike", "station", f"F-{n % 50:03}", "reading"), b'{"ts":%d}' % n, 1, (n,))


@contextmanager
def connected(one: Broker, book: Ledger) -> Iterator[Publisher]:
    publisher = Publisher(one, book.answered)
    publisher.connect()
    try:
        yield publisher
    finally:
        publisher.close()


def test_recordings_arrive_byte_by_byte_and_the_ledger_says_so(servers: Endpoints, tmp_path: Path) -> None:
    expected: Counter[tuple[str, bytes]] = Counter()
    for name in NAMES:
        expected.update((str(each.topic), each.payload) for each in open_recording(GOLDEN, name).messages(0))
    path = tmp_path / "l.json"
    arguments = ["--data", str(GOLDEN), "--speed", "max", "--keep-time", "--ledger", str(path), "--url", url(servers), "--json"]
    with Subscriber(servers) as subscriber:
        done = CliRunner().invoke(APP, arguments)
        eventually(lambda: subscriber.got.total() >= expected.total())
    assert subscriber.got == expected
    assert done.exit_code == 1, done.output  # the made-up recordings have rows that cannot be sent
    report = read_report(path)
    assert (report.state, report.missing) == ("complete", 0)
    assert {name: account.messages for name, account in report.streams.items()} == {
        name: len(list(open_recording(GOLDEN, name).messages(0))) for name in NAMES
    }
    assert len(report.unsendable) == sum(len(open_recording(GOLDEN, name).unsendable) for name in NAMES)
    assert json.loads(done.stdout)["streams"]["heat"]["acknowledged"] == report.streams["heat"].acknowledged


def test_made_up_readings_end_after_the_time_that_was_asked_for(servers: Endpoints, tmp_path: Path) -> None:
    path = tmp_path / "l.json"
    with Subscriber(servers) as subscriber:
        done = CliRunner().invoke(APP, ["--generate", "--for", "3s", "--ledger", str(path), "--url", url(servers)])
        report = read_report(path)
        eventually(lambda: subscriber.got.total() >= sum(a.messages for a in report.streams.values()))
    assert done.exit_code == 0, done.output
    assert (report.state, report.missing, report.source) == ("stopped", 0, "generator")
    assert subscriber.got.total() == sum(account.acknowledged for account in report.streams.values()) > 0


def test_a_broker_killed_in_the_middle_gets_everything_in_the_end(stack: Stack) -> None:
    book = ledger()
    count = 6_000
    began = threading.Event()

    def kill_and_restart() -> None:
        began.wait(30)
        stack.kill("mosquitto")
        time.sleep(0.5)
        stack.restart("mosquitto")

    places = stack.endpoints()
    assassin = threading.Thread(target=kill_and_restart)
    with Subscriber(places) as subscriber, connected(broker(places), book) as publisher:
        assassin.start()

        def each_round() -> None:
            if book.report.streams["bike"].acknowledged > count // 3:
                began.set()

        dues = (Due(n // 3, message(n)) for n in range(count))  # 3,000 a second, so that the kill falls into the middle
        started = time.monotonic()
        run_feed(
            dues,
            publisher,
            book,
            SystemClock(),
            position=lambda: (time.monotonic() - started) * 1_000,
            each_round=each_round,
            patience_s=60,
        )
        assassin.join(60)
    account = book.report.streams["bike"]
    assert (account.messages, account.missing - account.no_subscriber) == (count, 0)  # our subscriber came back after us
    assert (book.report.reconnects, book.report.state) == (1, "complete")
    assert subscriber.got


@pytest.fixture
def lonely() -> Iterator[Endpoints]:
    """A broker of its own, on which no other test has left a session."""
    elsewhere = {"kafka_bootstrap": "127.0.0.1:9", "influx_url": "http://127.0.0.1:9", "influx_token": "none"}
    with guarded_stack(**elsewhere) as stack:
        yield stack.endpoints()


def test_what_nobody_takes_and_what_is_refused_is_told_apart_from_what_was_taken(lonely: Endpoints) -> None:
    servers, book = lonely, ledger()
    with connected(broker(servers), book) as publisher:
        run_feed(iter([Due(0, message(1))]), publisher, book, SystemClock())
    with connected(broker(servers, "observer"), book) as publisher:
        run_feed(iter([Due(0, message(2)), Due(0, message(3))]), publisher, book, SystemClock())
    account = book.report.streams["bike"]
    assert (account.messages, account.acknowledged, account.no_subscriber) == (3, 0, 1)
    assert account.refused == {"Not authorized": 2}


def test_a_wrong_password_ends_it_in_one_line(servers: Endpoints) -> None:
    wrong = url(servers).replace("@", "x@")
    done = CliRunner().invoke(APP, ["--data", str(GOLDEN), "--url", wrong])
    assert done.exit_code == 1
    assert "refuses the connection: Not authorized" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    with pytest.raises(BrokerError):
        Publisher(Broker(servers.mqtt_host, servers.mqtt_port, "nobody", "x"), lambda *_: None).connect()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_being_asked_to_stop_ends_in_order(servers: Endpoints, tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "l.json"
    script = "import typer; from deploy.cli.feed import feed; typer.run(feed)"
    command = [sys.executable, "-c", script, "--data", str(GOLDEN), "--recording", "heat", "--speed", "1"]
    with Subscriber(servers):
        child = subprocess.Popen(
            [*command, "--ledger", str(path), "--url", url(servers), "--json"],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "HANAN_HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            eventually(lambda: path.exists() and read_report(path).streams["heat"].acknowledged > 0)
            assert read_report(path).state == "running"
            child.send_signal(number)
            out, errors = child.communicate(timeout=30)
        finally:
            child.kill()
    assert errors == b""
    report = read_report(path)
    assert (report.state, report.missing) == ("stopped", 0)
    assert 0 < report.streams["heat"].messages < 8
    assert json.loads(out)["state"] == "stopped"
    assert child.returncode == 1  # not for having been stopped, but for the rows that cannot be sent
