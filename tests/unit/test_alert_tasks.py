"""The alert role as a whole, without Kafka: what counts as a reading, who inhibits whom, what people say, changed packs."""

from pathlib import Path

import pytest

from processors.rules.load import load_book
from processors.rules.points import alert_lines, line
from processors.rules.watching import put
from processors.rules.world import World
from processors.task import Output
from schemas import alert as alerts
from schemas import topics
from schemas.alert import CLOCK_KEY, GROUP, Alert, Change, Command, Severity, State, Verb
from schemas.instants import MINUTE_MS
from schemas.partitions import partition_of
from schemas.ports import Record
from schemas.reading import Reading
from tests.factories import NOW_MS, device
from tests.memory import murmur2

BOOK = load_book()
MANHOLES = [
    device(f"DL-00{n}", "drainage", "level", site="DT-001", gateway="GW-1", params={"pipe_diameter_m": 0.8}) for n in range(6)
]


def level(number: int, minute: float, level_m: float, *, late_min: float = 0, flags: dict[str, str] | None = None) -> Reading:
    at_ms = NOW_MS + round(minute * MINUTE_MS)
    values = {"level_m": level_m + minute % 7 / 1_000, "flow_m3_h": 5.0, "velocity_m_s": 0.02}
    return Reading("drainage", "level", f"DL-00{number}", at_ms - round(late_min * MINUTE_MS), at_ms, values, flags or {})


def world(count: int = 6) -> World:
    return World(BOOK, MANHOLES[:count])


def told(one: World, rule: str = "") -> list[str]:
    return [f"{a.subject} {a.change.value}" for a in one.changes if a.n and (not rule or a.rule == rule)]


def backed_up(one: World, number: int, minutes: int, start: int = 0) -> None:
    for minute in range(start, start + minutes):
        one.read("drainage", [level(number, minute, 1.5)])


def test_what_nobody_is_told_of_is_written_and_not_counted() -> None:
    out = Output()
    put([Alert("r", "D-1", n=0, stream="heat"), Alert("r", "D-2", change=Change.FIRED, n=1, stream="heat")], out)
    assert len(out.records) == 2
    assert out.counts == {("alerts", "heat", "fired"): 1}


def test_a_fault_is_told_once() -> None:
    one = world(1)
    backed_up(one, 0, 30)
    assert told(one) == ["DL-000 fired"]


@pytest.mark.parametrize("header", [topics.RETAINED, topics.REPLAYED])
def test_what_is_retained_or_replayed_changes_nothing(header: str) -> None:
    one = world(1)
    for minute in range(30):
        one.read("drainage", [level(0, minute, 1.5)], ((header, b"1"),))
    assert told(one, "drain-sewer-backed-up") == []


def test_what_is_late_or_older_than_what_is_known_is_history() -> None:
    one = world(1)
    one.read("drainage", [level(0, 0, 0.1)])
    for minute in range(1, 30):
        one.read(
            "drainage", [level(0, minute, 0.1), level(0, minute, 1.5, late_min=minute + 1), level(0, minute, 1.5, late_min=20)]
        )
    assert told(one) == []


def test_what_is_suspect_neither_fires_nor_clears() -> None:
    one = world(1)
    for minute in range(10):
        one.read("drainage", [level(0, minute, 1.5, flags={"level_m": "rate_of_change"})])
    assert told(one) == []
    backed_up(one, 0, 10, start=10)
    for minute in range(20, 60):
        one.read("drainage", [level(0, minute, 0.1, flags={"level_m": "rate_of_change"})])
    assert told(one) == ["DL-000 fired"]


def test_a_reading_that_is_repeated_changes_nothing() -> None:
    one = world(1)
    for minute in range(30):
        one.read("drainage", [level(0, minute, 1.5)] * 3)
    assert told(one) == ["DL-000 fired"]


def test_of_a_sewer_that_backs_up_one_manhole_calls() -> None:
    one = world(4)
    for minute in range(30):
        one.read("drainage", [level(number, minute, 1.5) for number in range(4)])
    calls = [a for a in one.changes if a.change is Change.FIRED]
    held = {a.subject for a in one.changes if a.state is State.SUPPRESSED}
    assert len({a.subject for a in calls} | held) == 4
    assert sum(a.rule == "drain-sewer-backed-up" and a.state is State.FIRING for a in one.board.alerts.values()) == 1


def test_a_gateway_that_is_down_calls_once_for_all_behind_it_and_those_that_stay_away_call_afterwards() -> None:
    one = world(6)
    for minute in range(5):
        one.read("drainage", [level(number, minute, 0.1) for number in range(6)] + [NOW_MS + minute * MINUTE_MS])
    for minute in range(5, 40):
        one.tick(NOW_MS + minute * MINUTE_MS)
    assert [line for line in told(one) if line.endswith("fired")] == ["gateway:GW-1 fired"]
    for minute in range(40, 70):
        one.read("drainage", [level(number, minute, 0.1) for number in range(5)] + [NOW_MS + minute * MINUTE_MS])
    assert "gateway:GW-1 resolved" in told(one)
    assert [line for line in told(one) if line.endswith("returned")] == ["DL-005 returned"]


def test_a_command_is_obeyed_once_and_a_silence_ends_by_itself() -> None:
    one = world(1)
    backed_up(one, 0, 8)
    slot = "drain-sewer-backed-up/DL-000"
    one.command(Command(Verb.ACK, slot, "li", NOW_MS + 8 * MINUTE_MS, text="on my way"))
    backed_up(one, 0, 5, start=9)
    assert told(one) == ["DL-000 fired", "DL-000 acknowledged"]
    match = {"site": "DT-001"}
    one.command(Command(Verb.SILENCE, "site=DT-001", "li", NOW_MS + 14 * MINUTE_MS, NOW_MS + 20 * MINUTE_MS, "works", match))
    backed_up(one, 0, 10, start=15)
    assert told(one)[2:] == ["DL-000 suppressed", "DL-000 returned"]
    assert one.board.alerts[slot].state is State.ACKNOWLEDGED


def test_a_changed_pack_is_taken_up_without_losing_what_is_open(tmp_path: Path) -> None:
    one = world(1)
    backed_up(one, 0, 8)
    text = (Path(load_book.__code__.co_filename).parent / "packs" / "drainage.yaml").read_text()
    path = tmp_path / "drainage.yaml"
    path.write_text(text.replace("stagnant_m_s: {value: 0.3", "stagnant_m_s: {value: 0.01"))
    book = load_book([path])
    one.take(book)
    backed_up(one, 0, 30, start=8)
    assert told(one, "drain-sewer-backed-up") == ["DL-000 fired"]
    path.write_text(text.replace("drain-sewer-backed-up", "drain-renamed"))
    book = load_book([path])
    one.take(book)
    backed_up(one, 0, 2, start=40)
    assert told(one, "drain-sewer-backed-up") == ["DL-000 fired", "DL-000 resolved"]


def test_groups_and_alerts_are_told_the_time_by_one_stream_and_at_once_when_somebody_has_spoken() -> None:
    one = World(BOOK, [device("BS-001", "bike", "station", params={"docks": 20}), *MANHOLES[:1]])

    def ticks(stream: str, number: int, seconds: float) -> list[tuple[str, int | None]]:
        at_ms = NOW_MS + round(seconds * 1_000)
        records = one.tasks[stream].feed([Record(topics.reading(stream), 0, number, None, b"", (), at_ms)]).records
        return [(record.topic, record.partition) for record in records if record.key in (None, CLOCK_KEY)]

    assert ticks("bike", 0, 0) == [(GROUP, 0), (topics.ALERT, 0)]
    assert ticks("bike", 1, 9) == [(GROUP, 0)]
    one.command(Command(Verb.ACK, "gateway-down/gateway:GW-1", "li", NOW_MS))
    assert ticks("bike", 2, 9.5) == [(GROUP, 0), (topics.ALERT, 0)]
    assert ticks("bike", 3, 10.6) == [(GROUP, 0)]
    assert ticks("drainage", 0, 0) == []


def test_a_device_is_looked_for_in_the_partition_where_kafka_puts_it() -> None:
    for name in ("DL-001", "HX-0042", "a", "abcdefg-12345"):
        assert partition_of(name.encode(), 7) == (murmur2(name.encode()) & 0x7FFFFFFF) % 7


def test_each_change_is_a_point_of_its_own() -> None:
    alert = Alert("drain-sewer-backed-up", "DL-000", State.FIRING, Change.FIRED, 1, NOW_MS, NOW_MS, severity=Severity.HIGH)
    alert = alert._replace(values={"level_m": 1.5}, name='the "old" one')
    assert line(alert).startswith("alert,rule=drain-sewer-backed-up,subject=DL-000 id=")
    assert line(alert).endswith(f" {NOW_MS}000001")
    assert 'zone="-"' in line(alert)
    assert '=""' not in line(alert)
    assert alert_lines(alerts.encode(alert)) == (line(alert),)
    assert alert_lines(alerts.encode(alert._replace(n=0))) == alert_lines(b'{"clock":1}') == alert_lines(b"") == ()
    with pytest.raises(ValueError, match="invalid literal"):
        alert_lines(b"nothing")
