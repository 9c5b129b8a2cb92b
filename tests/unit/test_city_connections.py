"""The fleet's connections, with publishers that are none: who speaks for whom, and that one who is away holds up no other."""

import pytest

from deploy.demo.city import connections
from deploy.demo.city.connections import Connections, speakers
from deploy.demo.city.district import load_district
from deploy.demo.city.plan import plan_city
from deploy.demo.publisher import Acknowledged, Broker, BrokerError
from deploy.demo.recordings.recording import Message
from schemas.topics import MqttTopic

DEVICES = plan_city(load_district()).devices


class FakePublisher:
    made: dict[str, "FakePublisher"] = {}  # noqa: RUF012 - emptied by the fixture

    def __init__(self, broker: Broker, acknowledged: Acknowledged, *, limit: int, client_id: str) -> None:
        self.broker, self._acknowledged, self._limit = broker, acknowledged, limit
        self.sent: list[Message] = []
        self.reconnects, self.up, self.closed, self._waiting = 0, True, False, list[Message]()
        self.made[client_id] = self

    @property
    def unacked(self) -> int:
        return len(self._waiting)

    @property
    def room(self) -> int:
        return self._limit if self.up else 0

    @property
    def trouble(self) -> str:
        return "" if self.up else "away"

    def send(self, message: Message) -> None:
        self.sent.append(message)
        self._waiting.append(message)

    def serve(self, timeout_s: float) -> None:
        assert timeout_s == 0
        if self.up:
            for message in self._waiting:
                self._acknowledged(message, "")
            self._waiting.clear()

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def acknowledged(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    FakePublisher.made.clear()
    monkeypatch.setattr(connections, "Publisher", FakePublisher)
    return []


def fleet(acknowledged: list[Message]) -> Connections:
    return Connections(
        speakers(DEVICES), lambda name: Broker("127.0.0.1", 1, user=name), lambda message, _: acknowledged.append(message)
    )


def message(kind: str, device: str, stream: str = "drainage") -> Message:
    return Message(0, MqttTopic(stream, kind, device, "reading"), b"{}", 1, (0,))


def test_gateways_speak_for_their_devices_and_the_others_for_themselves(acknowledged: list[Message]) -> None:
    made = fleet(acknowledged)
    assert 150 < len(made) < 300
    made.send(message("level", "DL-001"))
    made.send(message("rain", "DR-001"))
    assert FakePublisher.made["GW-DT-001"].sent[0].topic.device_id == "DL-001"
    assert FakePublisher.made["DR-001"].broker.user == "DR-001"
    assert made.unacked == 2
    made.serve(0.0)
    assert made.unacked == 0
    assert len(acknowledged) == 2


def test_one_that_is_away_holds_up_no_other(acknowledged: list[Message]) -> None:
    made = fleet(acknowledged)
    FakePublisher.made["GW-DT-001"].up = False
    made.send(message("level", "DL-001"))
    made.send(message("rain", "DR-001"))
    made.serve(0.0)
    assert [each.topic.device_id for each in acknowledged] == ["DR-001"]
    assert made.unacked == 1
    assert "GW-DT-001: away" in made.trouble
    FakePublisher.made["GW-DT-001"].up = True
    made.serve(0.0)
    assert made.unacked == 0


def test_what_is_on_its_way_is_bounded(acknowledged: list[Message]) -> None:
    made = fleet(acknowledged)
    room = made.room
    for _ in range(room):
        made.send(message("level", "DL-001"))
    assert made.room == 0


def test_connecting_names_who_does_not_come(acknowledged: list[Message]) -> None:
    made = fleet(acknowledged)
    made.connect(1.0)
    FakePublisher.made["HP-01"].up = False
    with pytest.raises(BrokerError, match=r"1 of .* first HP-01: away"):
        made.connect(0.0)
    made.close()
    assert all(publisher.closed for publisher in FakePublisher.made.values())
