"""The parts of the soak and the chaos suite that need no server: above all, that the oracle would notice."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from deploy.registry_file import load_devices
from deploy.settings import load_settings
from deploy.soak.acks import Acks, read_acks
from deploy.soak.fleet import Fleet, Numbered, Pattern, some_of_each_kind
from deploy.soak.memory import chart, slope
from deploy.soak.oracle import Allowance, Kept, Lost, Verdict, _compare_messages, _quality
from deploy.soak.points import Place
from deploy.soak.sender import Order
from deploy.soak.strikes import Recovery, schedule, summary
from deploy.soak.windows import _differences, _fields, _wanted
from processors.validate import ValidateTask
from processors.windows.calendar import Calendar, Span
from schemas import topics
from schemas.codec import decode_reading
from schemas.dead import from_record
from schemas.device import Registry
from schemas.instants import DAY_MS, HOUR_MS, MINUTE_MS
from schemas.ports import Position, Record
from schemas.raw import key_of
from schemas.reading import Reading
from schemas.streams import BY_NAME
from tests.factories import NOW_MS

DEVICES = list(some_of_each_kind(load_devices(load_settings().registry), 3))
PATTERN = Pattern(seed=7, base_ms=NOW_MS, rate=150.0)
COUNT = 4_000


def fleet() -> Fleet:
    return Fleet(PATTERN, DEVICES)


def outcome(made: Numbered) -> tuple[dict[int, dict[str, Any]], Counter[str]]:
    """What validate makes of the message: points by time, letters by reason."""
    registry = Registry({device.device_id: device for device in DEVICES})
    task = ValidateTask(BY_NAME[made.topic.stream], registry, 30 * DAY_MS, Position(0))
    record = Record(topics.raw(made.topic.stream), 0, 0, key_of(str(made.topic), "c1"), made.payload, (), made.due_ms + 50)
    points: dict[int, dict[str, Any]] = {}
    letters: Counter[str] = Counter()
    for out in task.feed([record]).records:
        if out.topic == topics.DEAD:
            letter = from_record(Record("dead", 0, 0, out.key, out.value, out.headers, 0))
            letters[letter.reason.value] += letter.readings
        else:
            reading = decode_reading(made.topic.stream, out.value or b"")
            points[reading.ts_ms] = dict(reading.values) | _quality(reading.flags)
    return points, letters


def test_of_every_message_comes_what_the_fleet_says() -> None:
    kinds: Counter[str] = Counter()
    for made in map(fleet().message, range(COUNT)):
        points, letters = outcome(made)
        assert letters == made.letters, made
        assert len(points) == len(made.points), made
        for point in made.points:
            fields = points[point.time_ns // 1_000_000]
            expected = dict(point.values) | (_quality(point.flags) if point.flags is not None else {})
            assert {name: fields[name] for name in expected} == expected
            kinds[fields["quality"]] += 1
            kinds["by what was before"] += point.flags is None
        kinds += letters
        kinds["arrays"] += len(made.points) > 1
    assert set(kinds) >= {"good", "suspect", "arrays", "by what was before"}
    assert set(kinds) >= {"not_json", "unknown_device", "unknown_metric", "from_the_future"}
    assert 0.85 < kinds["good"] / sum(kinds[name] for name in ("good", "suspect")) < 1


def test_a_message_is_the_same_whoever_asks_and_no_two_share_an_identity() -> None:
    one, other = fleet(), fleet()
    seen: set[tuple[str, int]] = set()
    for number in range(COUNT):
        made = one.message(number)
        assert made == other.message(number)
        for point in made.points:
            assert (made.device_id, point.time_ns) not in seen
            seen.add((made.device_id, point.time_ns))
    assert one.last_due(PATTERN.base_ms + 1_000) == 150


def test_an_order_survives_a_command_line() -> None:
    order = Order(PATTERN, 3, "/tmp/acks.txt")
    assert Order.from_json(order.to_json()) == order


def test_what_was_acknowledged_is_known_however_the_writer_died(tmp_path: Path) -> None:
    path = tmp_path / "acks.txt"
    assert read_acks(path) == {}
    acks = Acks(path)
    acks.add([3, 1], NOW_MS)
    acks.close()
    with path.open("a") as stream:
        stream.write(f"17 {NOW_MS}"[:9])  # cut off in the middle
    again = Acks(path)
    again.add([2, 3], NOW_MS + 5)
    again.close()
    assert read_acks(path) == {3: NOW_MS, 1: NOW_MS, 2: NOW_MS + 5}


def held(made: Numbered) -> tuple[dict[int, dict[str, Any]], dict[tuple[str, bytes], Kept]]:
    stored = {point.time_ns: dict(point.values) | _quality(point.flags or {}) for point in made.points}
    letters = {(str(made.topic), made.payload): Kept(Counter(made.letters))} if made.letters else {}
    return stored, letters


MESSAGES = [made for made in map(fleet().message, range(300)) if made.device_id == DEVICES[0].device_id]
FULL = next(made for made in MESSAGES if made.points and not made.letters)
DEAD = next(made for made in map(fleet().message, range(COUNT)) if made.letters and not made.points)


def verdict_on(made: Numbered, stored: Any, letters: Any, *, acked: bool = True) -> tuple[int, int]:
    verdict = Verdict()
    lost = list(_compare_messages(verdict, [made], {made.number: NOW_MS} if acked else {}, stored, letters))
    return len(lost), len(verdict.wrong)


def test_all_as_it_should_be() -> None:
    for made in (FULL, DEAD):
        assert verdict_on(made, *held(made)) == (0, 0)


def test_a_missing_point_is_lost_if_it_was_acknowledged() -> None:
    assert verdict_on(FULL, {}, {}) == (1, 0)
    assert verdict_on(FULL, {}, {}, acked=False) == (0, 0)


def test_a_missing_letter_is_lost() -> None:
    assert verdict_on(DEAD, {}, {}) == (1, 0)


@pytest.mark.parametrize("change", ["a value", "a type", "a field less", "a field more", "another verdict"])
def test_a_field_that_differs_is_wrong(change: str) -> None:
    stored, letters = held(FULL)
    fields = stored[FULL.points[0].time_ns]
    name = next(name for name, value in fields.items() if type(value) is int)
    match change:
        case "a value":
            fields[name] += 1
        case "a type":
            fields[name] = True if fields[name] == 1 else float(fields[name]) + 0.5
        case "a field less":
            del fields[name]
        case "a field more":
            fields["strange"] = 1
        case _:
            fields["quality"] = "suspect"
    assert verdict_on(FULL, stored, letters) == (0, 1)


def test_what_nobody_sent_and_what_should_not_be_dead_is_wrong() -> None:
    stored, letters = held(FULL)
    assert verdict_on(FULL, stored | {1: {"a": 1}}, letters) == (0, 1)
    letters = {(str(FULL.topic), FULL.payload): Kept(Counter({"refused_by_store": 1}))}
    assert verdict_on(FULL, stored, letters) == (0, 1)


WINDOW = {"readings": 3, "temp_c_mean": 1.5, "state_last": "idle"}


@pytest.mark.parametrize(
    ("changed", "whys"),
    [
        ({}, 0),
        ({"temp_c_mean": 1.5 + 1e-12}, 0),
        ({"temp_c_mean": 1.500001}, 1),
        ({"readings": 4}, 1),
        ({"readings": 3.0}, 1),
        ({"state_last": "busy"}, 1),
        ({"more": 1}, 1),
    ],
)
def test_a_window_that_differs_is_wrong(changed: dict[str, Any], whys: int) -> None:
    place = Place("WC-1", "", NOW_MS)
    assert len(list(_differences("", {place: WINDOW}, {place: WINDOW | changed}))) == whys


def test_a_window_that_is_missing_and_one_of_nothing_are_wrong() -> None:
    place = Place("", "north", NOW_MS)
    assert [why.endswith("missing") for why in _differences("", {place: WINDOW}, {})] == [True]
    assert [why.endswith("nobody made it") for why in _differences("", {}, {place: WINDOW})] == [True]


def test_windows_are_those_of_the_readings_given_as_they_are_stored() -> None:
    line = 'waste_bin,device_id=B-1,window=1m readings=2i,fill_mean=0.5,state_last="idle" 60000000000'
    assert _fields(line) == {"readings": 2, "fill_mean": 0.5, "state_last": "idle"}
    device = next(one for one in DEVICES if one.stream == "heat" and one.kind == "indoor")
    stream = BY_NAME["heat"]
    kind = stream.by_name["indoor"]
    start = NOW_MS - NOW_MS % HOUR_MS
    values = {kind.metrics[0].name: 20.0}
    given = {ts * 1_000_000: Reading("heat", "indoor", device.device_id, ts, ts, values, {}) for ts in (start, start + 61_000)}
    readings = {(stream.measurement("indoor"), device.device_id): given}
    span = Span(start, start + 15 * MINUTE_MS)
    found = _wanted(stream, kind, Registry({device.device_id: device}), Calendar("Asia/Shanghai"), readings, span)
    assert {level: len(of_level) for level, of_level in found.items()} == {"1m": 4, "15m": 2, "1h": 0}
    assert found["15m"][Place(device.device_id, "", start * 1_000_000)]["readings"] == 2


def test_a_broker_is_excused_for_its_last_seconds_only() -> None:
    allowance = Allowance([NOW_MS, NOW_MS + 9_000], 3_000)
    assert allowance.age_ms(Lost(1, NOW_MS - 3_000, "")) == 3_000
    assert allowance.age_ms(Lost(1, NOW_MS + 8_000, "")) == 1_000
    assert allowance.age_ms(Lost(1, NOW_MS - 3_001, "")) is None
    assert allowance.age_ms(Lost(1, NOW_MS + 1, "")) is None
    assert Allowance().age_ms(Lost(1, NOW_MS, "")) is None


def test_the_schedule_has_as_many_kills_as_asked_for_and_is_fair() -> None:
    names = ["collect-1", "collect-2", "store-1", "kafka", "sender"]
    strokes = list(schedule(names, 101, 5))
    assert strokes == list(schedule(names, 101, 5))
    kills = Counter(name for stroke in strokes for name in stroke.victims)
    assert kills.total() == 101
    assert max(kills.values()) - min(kills.values()) <= 1
    assert {len(stroke.victims) for stroke in strokes} == {1, 2}
    assert all(len(set(stroke.victims)) == len(stroke.victims) == len(stroke.absences_s) for stroke in strokes)
    assert strokes[-1].wait


def test_recoveries_by_what_was_killed() -> None:
    found = [Recovery(("store-1",), 10, 8), Recovery(("store-2",), 12, 9), Recovery(("kafka", "sender"), 30, 20)]
    assert [(row[0], row[1], row[2], row[3]) for row in summary(found)] == [
        ("store", 2, 11, 12),
        ("two at once", 1, 30, 30),
        ("all", 3, 12, 30),
    ]


def test_slopes_and_charts() -> None:
    assert slope([(0, 10), (10, 15), (20, 20)]) == pytest.approx(0.5)
    assert slope([(3, 1)]) is None
    (line,) = chart({"store-1": [(float(n), 100.0 + n) for n in range(100)]})
    assert line.startswith("store-1      ▄")
    assert line.endswith("█    199 MB at most")
