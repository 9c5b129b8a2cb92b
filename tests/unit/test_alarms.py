"""What the MQTT broker says of itself, as it becomes a metric, a row and, when something is lost, an alarm."""

from types import SimpleNamespace

import pytest
from rich.console import Console

from deploy import broker_watch
from deploy.alarms import alarms, broker_row
from deploy.board import board
from deploy.broker_watch import BrokerFigures, watching_broker
from deploy.metrics import PrometheusMeter
from deploy.native.mqtt import Figures
from deploy.native.problems import NativeError
from deploy.settings import load_settings
from deploy.watch import Sample, Watch, scrape
from tests.waiting import eventually


def figures(dropped: int | None = 0, unheard: int | None = 0, refusing: str = "", queued: int = 0) -> Figures:
    return Figures(queued, queued * 200, dropped, unheard, refusing, 9_000_000)


def sample(*meters: PrometheusMeter) -> Sample:
    return Sample(0, scrape([meter.serve() for meter in meters]))


def test_every_collector_tells_the_same_and_it_counts_once() -> None:
    meters = PrometheusMeter("collect"), PrometheusMeter("collect")
    for meter in meters:
        BrokerFigures(meter)(figures(dropped=50, queued=1_000))
    seen = sample(*meters)
    row = broker_row(seen)
    assert row is not None
    assert (row.answers, row.queued, row.queued_mb, row.dropped, row.unheard) == (True, 1_000, 0.2, 50, 0)
    assert list(alarms(seen)) == ["LOST by the MQTT broker: 50 messages, acknowledged and dropped, since a session was full"]


def test_what_was_lost_before_the_broker_started_again_is_not_forgotten() -> None:
    meter = PrometheusMeter("collect")
    export = BrokerFigures(meter)
    for dropped in (None, 30, 40, None, 5):  # the broker starts again behind the 40
        export(figures(dropped=dropped, unheard=None))
    row = broker_row(sample(meter))
    assert row is not None
    assert row.dropped == 45


def test_a_broker_that_takes_nothing_or_does_not_answer_is_an_alarm_until_it_does() -> None:
    meter = PrometheusMeter("collect")
    export = BrokerFigures(meter)
    export(figures(refusing="its disk is full", unheard=2))
    assert list(alarms(sample(meter))) == [
        "the MQTT broker takes nothing more: its disk or its memory is full",
        "LOST by the MQTT broker: 2 messages, acknowledged when nobody had subscribed",
    ]
    export(figures(unheard=2))
    export.silent("away")
    assert next(alarms(sample(meter))) == "the MQTT broker does not answer"


def test_records_that_kafka_deleted_before_they_were_read_are_an_alarm() -> None:
    meter = PrometheusMeter("store")
    meter.add("offsets_lost", 3, stream="heat")
    meter.add("offsets_lost", 0, stream="bike")
    seen = sample(meter)
    assert list(alarms(seen)) == ["LOST in Kafka: 3 records of heat, deleted by its retention before they were read"]
    assert broker_row(seen) is None


def test_the_live_table_shows_alarms_and_the_broker() -> None:
    meter = PrometheusMeter("collect")
    BrokerFigures(meter)(figures(dropped=7, queued=12))
    watch = Watch()
    watch.add(sample(meter))
    console = Console(width=120)
    with console.capture() as shown:
        console.print(board(watch, [], 0))
    text = shown.get()
    assert "MQTT broker 12 waiting (0.0 MB)   9 MB" in text
    assert "LOST by the MQTT broker: 7 messages" in text


class Answers:
    """A listener whose broker is away at first."""

    def __init__(self) -> None:
        self.asked, self.closed = 0, False

    def figures(self) -> Figures:
        self.asked += 1
        if self.asked == 1:
            raise NativeError("mosquitto: it does not tell how it is", "start it")
        return figures(queued=4)

    def close(self) -> None:
        self.closed = True


def test_the_watcher_goes_on_when_the_broker_is_away_and_ends_with_the_role(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, meter = Answers(), PrometheusMeter("collect")
    monkeypatch.setattr(broker_watch, "_EVERY_S", 0.01)
    monkeypatch.setattr(broker_watch, "broker", lambda _: SimpleNamespace(listen=lambda: answers))
    with watching_broker(load_settings(mqtt_url=""), meter):
        eventually(lambda: answers.asked > 2)
    eventually(lambda: answers.closed)
    row = broker_row(sample(meter))
    assert row is not None
    assert (row.answers, row.queued) == (True, 4)


def test_of_a_broker_that_is_not_ours_nothing_is_told() -> None:
    meter = PrometheusMeter("collect")
    with watching_broker(load_settings(mqtt_url="mqtt://elsewhere:1883"), meter):
        pass
    assert broker_row(sample(meter)) is None
