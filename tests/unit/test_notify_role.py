"""The notify role over Kafka in memory: told once, whoever is on duty, whatever is away."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from processors.alert import FixedBook
from processors.io.notify import People
from processors.notify.desk import Desk
from processors.notify.role import NotifyRole
from processors.notify.routes import Routes
from processors.notify.texts import Text
from processors.rules.load import load_book
from processors.rules.seasons import CityClock
from processors.rules.watching import to_record
from schemas import topics
from schemas.alert import CLOCK_KEY, DELIVERY, Alert, Change, Severity, State
from schemas.ports import OutRecord
from tests.factories import NOW_MS
from tests.memory import ManualClock, MemoryKafka, MemoryTable
from tests.webhook import Webhook, webhook

BOOK = load_book()


class Later(Executor):
    """Does what it is asked when a test says so; `at_once` as soon as it is asked."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.at_once = at_once
        self._asked: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._asked.append(lambda: future.set_result(fn(*args, **kwargs)))
        if self.at_once:
            self.go()
        return future

    def go(self) -> None:
        asked, self._asked = self._asked, []
        for one in asked:
            one()


class Crier:
    """A messenger that remembers what it was given, and refuses addresses."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.deaf: set[str] = set()

    def hand_over(self, to: str, text: Text, bodies: Sequence[dict[str, object]], severity: str) -> str:
        if to in self.deaf:
            return "nobody there"
        self.told += [(to, f"{body['subject']} {body['change']}") for body in bodies]
        return ""


class Meter:
    def add(self, name: str, amount: int, **labels: str) -> None: ...
    def set(self, name: str, value: float, **labels: str) -> None: ...
    def observe(self, name: str, values_ms: object, **labels: str) -> None: ...


class World:
    def __init__(self) -> None:
        self.kafka = MemoryKafka({topics.ALERT: 1, DELIVERY: 1}, ManualClock(NOW_MS))
        self.clock = ManualClock(NOW_MS)
        self.crier = Crier()

    def role(self, *to: str, slow: bool = False, executor: Executor | None = None) -> NotifyRole:
        routes = Routes.model_validate({"routes": [{"name": "desk", "to": to or ("desk",), "least": "low"}]})
        tables = (MemoryTable(self.kafka, topics.ALERT), MemoryTable(self.kafka, DELIVERY, slow=slow))
        return NotifyRole(
            self.kafka.source("notify"), self.kafka.sink(), tables, Desk(routes, {}, CityClock("Asia/Shanghai")), self.crier,
            executor=executor or Later(), books=FixedBook(BOOK), clock=self.clock, meter=Meter(),
            monotonic_ms=self.clock.now_ms, time_zone="Asia/Shanghai",
        )  # fmt: skip

    def write(self, one: Alert) -> None:
        self.kafka.append(to_record(one))

    @property
    def deliveries(self) -> int:
        return len(self.kafka.records(DELIVERY))


def alert(number: int = 1, **more: object) -> Alert:
    base = Alert(
        "heat-room-cold", f"RM-00{number}", State.FIRING, Change.FIRED, 1, NOW_MS, NOW_MS, NOW_MS,
        severity=Severity.MEDIUM, stream="heat", kind="indoor", zone="old-town", values={"temp_c": 18.25},
    )  # fmt: skip
    return base._replace(**more)  # type: ignore[arg-type]


def turns(*roles: NotifyRole, number: int = 4) -> None:
    for _ in range(number):
        for role in roles:
            role.step()


def test_told_once_and_written_down_and_a_successor_tells_nothing_again() -> None:
    world = World()
    world.kafka.append(OutRecord(topics.ALERT, CLOCK_KEY, b"{}", (), NOW_MS, 0))
    world.write(alert())
    first = world.role()
    turns(first)
    assert world.crier.told == [("desk", "RM-001 fired")]
    assert world.deliveries == 1
    first.run(lambda: True)  # ends in order
    turns(world.role())
    assert world.deliveries == len(world.crier.told) == 1


def test_two_processes_tell_once_and_the_second_takes_over_what_the_first_told_a_moment_ago() -> None:
    world = World()
    first = world.role()
    turns(first)
    waiting = world.role(slow=True)
    turns(first, waiting)
    world.write(alert())
    turns(first, waiting)
    first.run(lambda: True)
    world.write(alert(2))
    turns(waiting, number=6)
    assert world.crier.told == [("desk", "RM-001 fired"), ("desk", "RM-002 fired")]


def test_what_is_under_way_when_the_duty_ends_is_written_down_before_the_next_one_begins() -> None:
    world = World()
    slow = Later(at_once=False)
    first = world.role(executor=slow)
    world.write(alert())
    turns(first)
    assert world.crier.told == []
    slow.go()  # handed over, and the role has not looked yet
    first.run(lambda: True)
    turns(world.role())
    assert world.crier.told == [("desk", "RM-001 fired")]


def test_an_address_that_hangs_keeps_no_other_waiting_and_is_not_asked_twice() -> None:
    world = World()
    hangs = Later(at_once=False)
    role = world.role("slow", "quick", executor=hangs)
    world.write(alert())
    turns(role)
    slow, quick = hangs._asked
    quick()
    hangs._asked = []
    world.write(alert(2))
    turns(role)
    hangs.go()
    slow()
    turns(role)
    hangs.go()
    turns(role)
    assert sorted(world.crier.told) == [
        ("quick", "RM-001 fired"), ("quick", "RM-002 fired"), ("slow", "RM-001 fired"), ("slow", "RM-002 fired"),
    ]  # fmt: skip


def test_while_kafka_is_away_nobody_is_told_and_afterwards_once() -> None:
    world = World()
    role = world.role()
    turns(role)
    world.kafka.up = False
    turns(role)
    world.kafka.up = True
    world.write(alert())
    world.clock.advance(20_000)
    turns(role)
    assert world.crier.told == [("desk", "RM-001 fired")]
    assert world.deliveries == 1


def test_a_refusal_is_tried_again_and_the_delivery_says_how_often() -> None:
    world = World()
    role = world.role()
    world.crier.deaf.add("desk")
    world.write(alert())
    turns(role)
    world.crier.deaf.clear()
    turns(role)
    assert world.crier.told == []
    world.clock.advance(5_000)
    turns(role)
    assert world.crier.told == [("desk", "RM-001 fired")]
    assert b'"tries":2' in (world.kafka.records(DELIVERY)[-1].value or b"")


def test_what_comes_back_from_the_shelf_is_told_again() -> None:
    world = World()
    role = world.role()
    world.write(alert())
    turns(role)
    world.write(alert(state=State.SHELVED, change=Change.SHELVED, n=2))
    turns(role)
    world.write(alert(change=Change.RETURNED, n=3))
    turns(role)
    assert world.crier.told == [("desk", "RM-001 fired"), ("desk", "RM-001 returned")]


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as started:
        yield started


def test_a_webhook_gets_the_documented_json_and_anything_from_300_is_no_receipt(hook: Webhook) -> None:
    people = People(lambda _name: None)
    send = (f"webhook+{hook.url}", Text("title", "北京"), [{"id": "1", "severity": Severity.HIGH}], "high")
    assert people.hand_over(*send) == ""
    (one,) = hook.received
    assert one.content_type == "application/json"
    assert one.body == {"version": 1, "title": "title", "text": "北京", "alerts": [{"id": "1", "severity": "high"}]}
    hook.status = 503
    assert people.hand_over(*send) == "answered 503"
    assert "://" not in people.hand_over("webhook+http://user:word@127.0.0.1:1/x", *send[1:])  # its password is nobody's


def test_an_address_may_be_kept_apart_and_changes_without_a_restart(hook: Webhook, tmp_path: Path) -> None:
    kept = {"crew": f"webhook+{hook.url}"}
    people = People(kept.get)
    text = Text("title", "text")
    assert people.hand_over("secret:crew", text, [], "low") == ""
    assert people.hand_over("secret:other", text, [], "low") == "secret:other is not kept anywhere"
    kept["crew"] = "nonsense"
    assert people.hand_over("secret:crew", text, [], "low") == "apprise does not understand this address"
    assert [people.understands(to) for to in ("secret:crew", "secret:other", "log://", "webhook+ftp://x", "json://x")] == [
        "is not understood", "is not kept anywhere", "", "is not understood", "",
    ]  # fmt: skip
    assert len(hook.received) == 1
