"""Whatever dies, is read again, or comes twice: a place's orders are the same, to the last byte where nothing came twice.

`HANAN_SEED=…` tries one log again, `HANAN_LONG=1` tries hundreds.
"""

import os
from itertools import pairwise
from random import Random

import pytest

from schemas import topics
from schemas.alert import Severity
from schemas.device import Device
from schemas.instants import HOUR_MS, MINUTE_MS
from schemas.ports import OutRecord
from schemas.streams import BY_NAME
from schemas.workorder import (
    EVENT,
    WORKORDER,
    Command,
    Order,
    Reason,
    Sample,
    State,
    Verb,
    Why,
    decode,
    encode_event,
    next_first,
)
from tests.city_world import CityWorld
from tests.factories import NOW_MS, device

LONG = os.environ.get("HANAN_LONG") == "1"
SEEDS = [int(os.environ["HANAN_SEED"])] if "HANAN_SEED" in os.environ else range(500 if LONG else 10)
QUARTER_MS = 15 * MINUTE_MS
DEVICES = [
    device("WN-0001", "waste", "bin", site="WN-0001"),
    device("WN-0002", "waste", "bin", site="WN-0002"),
    device("WC-001", "waste", "compactor", site="TS-01"),
    device("WC-002", "waste", "compactor", site="TS-01"),
    device("WA-001", "waste", "air", site="TS-01"),
]
Event = tuple[int, Sample | Command]

pytestmark = pytest.mark.usefixtures("quiet_log")


def log_of(random: Random) -> list[Event]:
    """Up to two days of samples, a little out of order, and words to whatever order there may be."""
    found: list[Event] = []
    fill = {each.device_id: random.random() for each in DEVICES}
    for number in range(random.choice([40, 160])):
        start = NOW_MS + number * QUARTER_MS
        for each in DEVICES:
            if random.random() < 0.3:
                continue  # it said nothing
            late_ms = random.choice([0, 0, 0, 20, 180]) * MINUTE_MS
            found.append(
                (start + QUARTER_MS + late_ms, Sample(each.device_id, start, start + QUARTER_MS, said(each, fill, random)))
            )
    return sorted(found, key=lambda event: event[0])


def said(each: Device, fill: dict[str, float], random: Random) -> dict[str, float]:
    if each.kind == "air":
        return {"hours_above_nh3": random.choice([0.0, 0.0, 0.2, 0.25]), "hours_above_h2s": 0.0}
    fill[each.device_id] = 0.02 if random.random() < 0.03 else fill[each.device_id] + random.random() * 0.04
    return {"fill": fill[each.device_id]}


class Place(CityWorld):
    def __init__(self, random: Random) -> None:
        super().__init__(DEVICES, 1, "Asia/Shanghai", random, BY_NAME["waste"])

    def tell(self, event: Event) -> None:
        at_ms, what = event
        self.kafka.append(OutRecord(EVENT, b"", encode_event(what), (), at_ms, 0))

    def orders(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for record in self.kafka.records(WORKORDER):
            found.setdefault((record.key or b"").decode(), []).append(record.value or b"")
        return found

    def finish(self) -> None:
        while not self._done():
            self.step()


def calm_run(random: Random, samples: list[Event]) -> tuple[list[Event], Place]:
    """With people who look at the orders and say something now and then; returns all that was measured and said."""
    place, events = Place(Random(1)), []
    place.step()
    for event in samples:
        events.append(event)
        place.tell(event)
        if random.random() < 0.2:
            place.finish()
            now = {one.place: one for many in place.orders().values() for one in map(decode, many)}
            for one in now.values():
                if one.is_active and random.random() < 0.3:
                    verb = random.choice([*Verb])
                    events.append(
                        (event[0], Command(verb, one.place, one.id, random.choice("ab"), event[0] + random.randrange(999)))
                    )
                    place.tell(events[-1])
    place.finish()
    return events, place


@pytest.mark.timeout(3_600 if LONG else 300)
@pytest.mark.parametrize("seed", SEEDS)
def test_death_and_a_second_reading_change_no_byte(seed: int) -> None:
    random = Random(seed)
    events, calm = calm_run(random, log_of(random))
    wild = Place(Random(-seed - 1))
    chaos = random.choice([0.05, 0.3])
    for event in events:
        wild.tell(event)
        if random.random() < 0.3:
            wild.step(chaos)
    wild.finish()
    assert wild.orders() == calm.orders(), f"after {wild.deaths} deaths"
    assert not wild.kafka.records(topics.DEAD)
    check(calm)


def check(place: Place) -> None:
    """What must be so of every place: numbered one by one, and never reopened by what was served."""
    for many in place.orders().values():
        orders = [decode(value) for value in many]
        for before, after in pairwise(orders):
            is_quiet = after == before._replace(served=after.served, offset=after.offset)  # only what is remembered changed
            is_new = after.n == 1 and after.id != before.id and not before.is_active
            assert is_quiet or is_new or (after.n == before.n + 1 and after.id == before.id)
            if not before.is_active and after.is_active:
                assert not {(one.device_id, one.why) for one in after.reasons} & set(after.served)
        assert all(one.reasons for one in orders if one.is_active)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_comes_twice_changes_nothing(seed: int) -> None:
    random = Random(seed)
    events, calm = calm_run(random, log_of(random))
    twice = Place(Random(1))
    for number, event in enumerate(events):
        twice.tell(event)
        if random.random() < 0.3:
            twice.tell(event)
        if random.random() < 0.2:
            twice.tell(events[random.randrange(number + 1)])
    twice.finish()
    assert without_offsets(twice) == without_offsets(calm)


def without_offsets(place: Place) -> dict[str, list[Order]]:
    return {key: [decode(value)._replace(offset=0) for value in many] for key, many in place.orders().items()}


@pytest.mark.parametrize("seed", range(20))
def test_the_list_is_by_deadline_then_severity_whatever_its_order_was(seed: int) -> None:
    random = Random(seed)
    orders = [
        Order(
            f"P{number}",
            random.choice([*State]),
            reasons=tuple(
                Reason(Why.DUE, "D", 0, NOW_MS + random.randrange(3) * HOUR_MS, random.choice([*Severity]), 1.0)
                for _ in range(random.randint(1, 3))
            ),
        )
        for number in range(30)
    ]
    listed = next_first(orders)
    random.shuffle(orders)
    assert next_first(orders) == listed
    active = [(one.due_ms, -one.severity.rank) for one in listed if one.is_active]
    assert active == sorted(active)
    assert not any(one.is_active for one in listed[len(active) :])
