"""Rules over windows: judged once a window, of what the aggregate role really writes, and the same after a restart."""

from pathlib import Path

import pytest

from processors.rules.board import Board
from processors.rules.engine import Watched
from processors.rules.load import Book, load_book
from processors.rules.problems import RulesError
from processors.rules.rehearse import run
from processors.rules.seasons import CityClock
from processors.rules.terms import Term
from processors.rules.watching import Plans
from processors.rules.windowed import WindowTask, WindowView
from processors.rules.world import World
from processors.windows.book import Place
from processors.windows.minute import MinuteTask
from processors.windows.roster import Roster
from schemas import aggregate, codec, topics
from schemas.aggregate import Window
from schemas.device import Device, Registry, encode
from schemas.instants import MINUTE_MS
from schemas.ports import Position, Record
from schemas.reading import Reading
from schemas.streams import BY_NAME
from tests.factories import NOW_MS, device

TEXT = "    zh: {summary: x, todo: x}\n    en: {summary: x, todo: x}\n"
PACK = f"""
pack: proof
stream: drainage
rules:
  - id: pump-runs-on
    kinds: [tank]
    over: 15m
    when: share(pump_1, "running") > 0.9 && mean(level_m) > 0.5 && coverage() > 0.5
    clear: share(pump_1, "running") < 0.5
    for: 30m
    severity: low
{TEXT}"""
TANK = device("DT-001", "drainage", "tank", interval_s=60, params={"depth_m": 4.0})
QUARTER_MS = 15 * MINUTE_MS


@pytest.fixture
def book(tmp_path: Path) -> Book:
    (tmp_path / "proof.yaml").write_text(PACK)
    return load_book([tmp_path / "proof.yaml"])


def measured(one: Device, *rows: dict[str, float | str]) -> list[Window]:
    """The quarters that the aggregate role makes of a value a minute."""
    stream, roster = BY_NAME[one.stream], Roster()
    roster.apply(one.device_id, encode(one))
    task = MinuteTask(stream, roster, Place(0, 1), Position(0), ())
    topic, records = topics.reading(one.stream), list[Record]()
    for minute, row in enumerate(rows):
        at_ms = NOW_MS + minute * MINUTE_MS
        reading = Reading(one.stream, one.kind, one.device_id, at_ms, at_ms, row, {})
        records.append(Record(topic, 0, len(records), one.device_id.encode(), codec.encode_reading(reading), (), at_ms))
    end_ms = NOW_MS + len(rows) * MINUTE_MS
    records += [Record(topic, 0, len(records) + n, None, b"", (), end_ms + n * 1_000) for n in range(3)]
    made = [out for out in task.feed(records).records if out.topic == topics.aggregate("15m", one.stream) and out.key]
    return [window for out in made for window in aggregate.decode(out.value or b"")[1]]


def test_terms_are_read_out_of_what_the_aggregate_role_writes(book: Book) -> None:
    rows: list[dict[str, float | str]] = [
        {"level_m": 1.0 + n / 10, "pump_1": "running" if n < 9 else "stopped", "pump_2": "stopped"} for n in range(15)
    ]
    (window,) = measured(TANK, *rows)
    plan = Plans(book, CityClock("Asia/Shanghai")).over("15m", "drainage", "tank")
    assert plan
    view = WindowView(window, Watched(TANK, plan))
    asked = {name: view.term(Term(name, ("level_m",))) for name in ("mean", "min", "max", "last", "count")}
    assert asked == pytest.approx({"mean": 1.7, "min": 1.0, "max": 2.4, "last": 2.4, "count": 15})
    assert view.term(Term("share", ("pump_1", "running"))) == pytest.approx(0.6)
    assert view.term(Term("last", ("pump_1",))) == "stopped"
    assert view.term(Term("coverage", ())) == 1
    assert view.term(Term("mean", ("inflow_m3_h",))) is None


def quarter(number: int, running: float, level_m: float = 1.0) -> Window:
    start = NOW_MS + number * QUARTER_MS
    spent = {"running": round(running * QUARTER_MS), "stopped": round((1 - running) * QUARTER_MS)}
    return {
        "kind": "tank", "device_id": "DT-001", "zone": "old-town", "start": start, "end": start + QUARTER_MS, "readings": 15,
        "suspect": 0, "expected": 15, "devices": 1, "interval_ms": MINUTE_MS,
        "metrics": {
            "level_m": [15, level_m, 0, level_m, level_m, 15 * level_m], "pump_1": [15, spent, "running", 0, 0, None, None]
        },
    }  # fmt: skip


def tell(world: World, window: Window, after_ms: int = 0) -> None:
    world.windows("15m", "drainage", [window], window["end"] + after_ms)


def states(world: World) -> list[tuple[int, str]]:
    return [((alert.at_ms - NOW_MS) // MINUTE_MS, alert.state.value) for alert in world.changes]


def test_a_window_counts_once_when_it_ends(book: Book) -> None:
    world = World(book, [TANK])
    for number in range(3):
        tell(world, quarter(number, 1.0))
        tell(world, quarter(number, 0.1), after_ms=MINUTE_MS)  # corrected: history
    tell(world, quarter(3, 0.7))  # not clear yet
    tell(world, quarter(4, 0.1), after_ms=20 * MINUTE_MS)  # written long after its end
    tell(world, quarter(5, 0.1))
    assert states(world) == [(15, "pending"), (45, "firing"), (90, "resolved")]


def test_a_restart_judges_nothing_again(book: Book) -> None:
    plans, registry, board = Plans(book, CityClock("Asia/Shanghai")), Registry({TANK.device_id: TANK}), Board()
    topic = topics.aggregate("15m", "drainage")
    windows = [quarter(0, 1.0), quarter(1, 1.0), quarter(2, 1.0), quarter(2, 1.0), quarter(3, 0.1), quarter(4, 0.1)]
    log = [Record(topic, 0, n, b"15m", aggregate.encode("15m", [one]), (), one["end"]) for n, one in enumerate(windows)]

    def task(position: Position) -> WindowTask:
        return WindowTask(BY_NAME["drainage"], "15m", plans, registry, board, 0, position)

    calm = task(Position(0)).feed(log).records
    assert len(calm) == 3
    for cut in range(1, len(log)):
        board.alerts.clear()
        first = task(Position(0))
        rough = [*first.feed(log[:cut]).records]
        for out in rough:
            board.take_alert(out.key or b"", out.value)
        second = task(first.position())
        second.warm(log[:cut])
        rough += second.feed(log[cut:]).records
        assert [out.value for out in rough] == [out.value for out in calm]
        for out in calm:  # all was written, and nothing committed
            board.take_alert(out.key or b"", out.value)
        assert not task(Position(0)).feed(log).records


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("level_m > 1", "level_m is many values over 15m; ask for one of mean"),
        ("mean(pump_1) > 1", "windows have no mean of pump_1, which is a state"),
        ('share(pump_1, "asleep") > 0.5', "share takes a word that pump_1 may say"),
        ("still(level_m) > 3", "there is no function still"),
        ("p95(level_m) > 1", "windows have no p95 of level_m"),
        ("mean(depth_m) > 1", "tank has no metric depth_m"),
    ],
)
def test_what_a_window_does_not_tell_is_refused(tmp_path: Path, when: str, why: str) -> None:
    path = tmp_path / "proof.yaml"
    whole = 'share(pump_1, "running") > 0.9 && mean(level_m) > 0.5 && coverage() > 0.5'
    path.write_text(PACK.replace(whole, when))
    with pytest.raises(RulesError) as refused:
        load_book([path])
    assert [(problem.line, why in problem.why) for problem in refused.value.problems] == [(8, True)]


def test_its_own_tests_tell_windows(tmp_path: Path, book: Book) -> None:
    (tmp_path / "proof.tests.yaml").write_text("""
tests:
  - rule: pump-runs-on
    name: half of a day
    kind: drainage/tank
    series: {"share(pump_1, running)": 0.95*4 0.2, "mean(level_m)": 1*5}
    expect: [15m pending, 45m firing low, 75m resolved]
  - rule: pump-runs-on
    name: as ever
    kind: drainage/tank
    series: {"share(pump_1, running)": 0.5*8, "mean(level_m)": 1*8}
    expect: []
""")
    verdicts = list(run(book, [tmp_path / "proof.yaml"]))
    assert [(verdict.passed, verdict.got) for verdict in verdicts if not verdict.passed] == []
    assert len(verdicts) == 2
