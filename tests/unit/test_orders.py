"""Work orders: what is a reason, what becomes of one, and what people's words do to it."""

from typing import Any

import pytest

from processors.orders.life import measured, over, said
from processors.orders.points import order_lines
from processors.orders.reasons import full_at, reasons_of
from schemas.alert import Severity
from schemas.device import Device
from schemas.instants import HOUR_MS, MINUTE_MS
from schemas.workorder import (
    Change,
    Command,
    Order,
    Reason,
    Sample,
    State,
    Verb,
    Why,
    decode,
    decode_event,
    encode,
    encode_event,
    next_first,
)
from tests.factories import NOW_MS, device

BIN = device("WN-0001", "waste", "bin", site="WN-0001", name="Market")
COMPACTOR = device("WC-001", "waste", "compactor", site="TS-01", name="Xinjiang Road")
AIR = device("WA-001", "waste", "air", site="TS-01", name="Xinjiang Road")
QUARTER_MS = 15 * MINUTE_MS


def fills(one: Device, *values: float, every_ms: int = HOUR_MS) -> list[Sample]:
    """The last of them ends at NOW_MS."""
    ends = [NOW_MS - number * every_ms for number in reversed(range(len(values)))]
    return [Sample(one.device_id, end - QUARTER_MS, end, {"fill": value}) for end, value in zip(ends, values, strict=True)]


def whys(kind: str, history: list[Sample], held: dict[Why, int] | None = None) -> dict[Why, int]:
    """Reasons with the minutes until their deadlines."""
    return {one.why: (one.due_ms - NOW_MS) // MINUTE_MS for one in reasons_of(kind, history, held or {})}


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("bin", [0.5], {}),
        ("bin", [0.3, 0.4], {Why.FILLING: 360}),
        ("bin", [0.3, 0.31], {}),  # full in three days
        ("bin", [0.9, 0.3, 0.31], {}),  # what was before it was emptied says nothing
        ("bin", [0.8], {Why.DUE: 24 * 60}),
        ("bin", [0.6, 0.8], {Why.DUE: 60}),
        ("bin", [0.8, 1.0], {Why.FULL: 240}),
        ("compactor", [0.3, 0.4], {}),
        ("compactor", [0.2, 0.5], {Why.FILLING: 100}),
        ("compactor", [0.96], {Why.FULL: 60}),
    ],
)
def test_a_fill_is_a_reason(kind: str, values: list[float], expected: dict[Why, int]) -> None:
    assert whys(kind, fills(BIN, *values)) == expected


def test_a_reason_ends_later_than_it_began_and_its_deadline_stays() -> None:
    since = NOW_MS - 3 * HOUR_MS
    assert whys("bin", fills(BIN, 0.95), {Why.FULL: since}) == {Why.FULL: 60}
    assert whys("bin", fills(BIN, 0.75), {Why.DUE: since}) == {Why.DUE: 21 * 60}
    assert whys("bin", fills(BIN, 0.65), {Why.DUE: since}) == {}
    assert whys("compactor", fills(BIN, 0.25, 0.45), {Why.FILLING: since}) == {Why.FILLING: 165}
    assert whys("compactor", fills(BIN, 0.25, 0.45)) == {}


def test_a_container_with_but_a_light() -> None:
    red, green = ([Sample("WN-0001", NOW_MS - QUARTER_MS, NOW_MS, {"due": value})] for value in (1.0, 0.0))
    assert whys("bin", red) == {Why.DUE: 24 * 60}
    assert whys("bin", green) == {}


def test_air_is_a_reason_by_its_hours_of_the_last_six() -> None:
    def air(*hours: float) -> list[Sample]:
        return [
            Sample("WA-001", NOW_MS - number * HOUR_MS - QUARTER_MS, NOW_MS - number * HOUR_MS, {"hours_above_nh3": each})
            for number, each in reversed(list(enumerate(hours)))
        ]

    assert whys("air", air(0.25, 0.25, 0.25)) == {}
    assert whys("air", air(0.25, 0.25, 0.25, 0.25)) == {Why.ODOUR: 240}
    assert whys("air", air(0.25), {Why.ODOUR: NOW_MS - HOUR_MS}) == {Why.ODOUR: 180}
    assert whys("air", air(0.0, 0.2), {Why.ODOUR: NOW_MS - HOUR_MS}) == {}


def test_when_it_is_full_is_a_straight_line_since_it_was_emptied() -> None:
    assert full_at(fills(BIN, 0.9, 0.1, 0.2, 0.3)) == NOW_MS + 7 * HOUR_MS
    assert full_at(fills(BIN, 0.3, 0.3)) is None
    assert full_at(fills(BIN, 0.3)) is None
    assert full_at(fills(BIN, 0.9, 1.1)) == NOW_MS
    assert full_at(fills(BIN, 0.3, 0.4, every_ms=QUARTER_MS)) is None  # a quarter's line points anywhere


class Desk:
    """One place, and time that goes on."""

    def __init__(self) -> None:
        self.order, self.now_ms = Order("WN-0001"), NOW_MS

    def sees(self, fill: float, of: Device = BIN, after_ms: int = HOUR_MS) -> Order:
        self.now_ms += after_ms
        fields = {"hours_above_nh3": fill} if of.kind == "air" else {"fill": fill}
        self.order = measured(self.order, of, [Sample(of.device_id, self.now_ms - QUARTER_MS, self.now_ms, fields)])
        return self.order

    def says(self, verb: Verb, by: str = "crew 1", **more: Any) -> Order:
        self.now_ms += MINUTE_MS
        command = Command(verb, self.order.place, self.order.id, by, self.now_ms)
        self.order = said(self.order, command._replace(**more))
        return self.order

    @property
    def whys(self) -> list[str]:
        return [f"{one.device_id} {one.why.value}" for one in self.order.reasons]


def test_an_order_lives() -> None:
    desk = Desk()
    assert desk.sees(0.5) == Order("WN-0001")
    opened = desk.sees(0.85)
    assert (opened.state, opened.n, opened.opened_ms, opened.name, opened.zone) == (
        State.OPEN,
        1,
        desk.now_ms,
        "Market",
        "old-town",
    )
    assert desk.sees(0.85) == opened
    assert (desk.sees(1.0).change, desk.whys) == (Change.UPDATED, ["WN-0001 full"])
    taken = desk.says(Verb.TAKE)
    assert (taken.state, taken.by, taken.taken_ms, taken.n) == (State.TAKEN, "crew 1", desk.now_ms, 3)
    assert desk.says(Verb.TAKE) == taken
    assert desk.says(Verb.TAKE, "crew 2").by == "crew 2"
    assert desk.says(Verb.TAKE, at_ms=taken.at_ms).by == "crew 2"  # what was said before is history
    done = desk.says(Verb.DONE, "crew 2", text="lid is broken")
    assert (done.state, done.change, done.at_ms, done.note, done.id) == (
        State.DONE,
        Change.DONE,
        desk.now_ms,
        "lid is broken",
        opened.id,
    )
    assert desk.says(Verb.DONE) == done
    assert desk.says(Verb.TAKE) == done


def test_what_goes_by_itself_is_over() -> None:
    desk = Desk()
    desk.sees(0.85)
    desk.says(Verb.TAKE)
    assert (desk.sees(0.1).state, desk.order.change, desk.order.n) == (State.OVER, Change.OVER, 3)
    assert over(desk.order, desk.now_ms).state is State.OVER


def test_done_comes_back_only_for_a_new_reason() -> None:
    desk = Desk()
    first = desk.sees(0.9)
    desk.says(Verb.DONE)
    assert desk.sees(0.9, after_ms=QUARTER_MS).state is State.DONE  # seen before it was emptied, perhaps
    assert desk.sees(0.05).state is State.DONE
    assert desk.order.served == ()
    again = desk.sees(0.85)
    assert (again.state, again.n, again.taken_ms) == (State.OPEN, 1, 0)
    assert again.id != first.id


def test_worse_is_a_new_reason_and_milder_is_none() -> None:
    desk = Desk()
    desk.sees(0.85)
    desk.says(Verb.DONE)
    assert desk.sees(1.05).state is State.OPEN
    assert desk.whys == ["WN-0001 full"]
    desk.says(Verb.DONE)
    assert desk.sees(0.85).state is State.DONE


def test_what_was_seen_before_it_was_done_is_none() -> None:
    desk = Desk()
    desk.sees(0.85)
    desk.says(Verb.DONE)
    assert desk.sees(1.05, after_ms=10 * MINUTE_MS).state is State.DONE  # this quarter began before
    assert desk.sees(1.05).state is State.DONE


def test_what_is_as_full_long_after_was_not_emptied_and_is_said_once() -> None:
    desk = Desk()
    desk.sees(0.9)
    desk.says(Verb.DONE)
    assert desk.sees(0.9).state is State.DONE
    assert desk.sees(0.9, after_ms=2 * HOUR_MS).state is State.OPEN
    assert desk.whys == ["WN-0001 not-emptied"]
    due_ms = desk.order.due_ms
    assert desk.sees(0.92).due_ms == due_ms
    desk.says(Verb.DONE)
    assert desk.sees(1.1, after_ms=5 * HOUR_MS).state is State.DONE
    desk.sees(0.1)
    assert desk.sees(0.9).state is State.OPEN


def test_a_station_has_one_order_for_all_that_is_wrong_there() -> None:
    desk = Desk()
    desk.order = Order("TS-01")
    opened = desk.sees(0.85, COMPACTOR)
    assert desk.sees(2.0, AIR).id == opened.id
    assert desk.whys == ["WA-001 odour", "WC-001 due"]
    assert (desk.order.severity, desk.order.due_ms) == (Severity.MEDIUM, desk.now_ms + 4 * HOUR_MS)
    assert desk.sees(0.0, COMPACTOR).is_active
    assert desk.whys == ["WA-001 odour"]
    desk.says(Verb.DONE)
    assert desk.sees(0.96, COMPACTOR).is_active
    assert desk.whys == ["WC-001 full"]
    assert desk.order.served == (("WA-001", Why.ODOUR),)
    assert not desk.sees(0.1, COMPACTOR).is_active


def test_a_word_to_an_order_that_has_gone_is_not_heard() -> None:
    desk = Desk()
    desk.sees(0.9)
    old = desk.order.id
    desk.sees(0.1)
    fresh = desk.sees(0.9)
    assert desk.says(Verb.DONE, id=old) == fresh


def test_by_deadline_then_severity() -> None:
    def order(place: str, due_ms: int, severity: Severity, state: State = State.OPEN) -> Order:
        return Order(place, state, reasons=(Reason(Why.DUE, place, 0, due_ms, severity, 1.0),))

    orders = [
        order("D", 1, Severity.HIGH, State.DONE),
        order("C", 5, Severity.LOW),
        order("B", 5, Severity.HIGH),
        order("A", 4, Severity.LOW, State.TAKEN),
    ]
    assert [one.place for one in next_first(orders)] == ["A", "B", "C", "D"]


def test_what_is_written_can_be_read() -> None:
    desk = Desk()
    desk.sees(0.9)
    done = desk.says(Verb.DONE, text='say "x", y')
    assert decode(encode(done)) == done
    for event in (Sample("WN-0001", 1, 2, {"fill": 0.5}), Command(Verb.TAKE, "WN-0001", "abc", "crew 1", 5)):
        assert decode_event(encode_event(event)) == event
    (line,) = order_lines(encode(done))
    assert line.startswith(f'workorder,place=WN-0001 id="{done.id}",state="done"')
    assert r'note="say \"x\", y",reasons="due",devices="WN-0001",' in line
    assert line.endswith(f",is_active=false {done.at_ms * 1_000_000 + done.n}")
    assert order_lines(b"") == ()
