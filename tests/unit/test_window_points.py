"""Windows as points: the whole field set each time, by the names and types of the declaration."""

import re

import pytest

from processors.store import StoreTasks
from processors.windows.plan import Plan
from processors.windows.points import WindowLines, field_names
from processors.windows.sketch import sketch_of
from schemas import topics
from schemas.aggregate import LEVELS, Window, encode
from schemas.kind import Kind, Stream
from schemas.metric import Metric, Nature
from schemas.ports import Partition, Position, Record
from schemas.streams import BY_NAME, STREAMS
from tests.memory import MemoryPointWriter
from tests.windows_log import TRIAL

START = 1_768_435_200_000


def window(kind: str, metrics: dict[str, list[object]], **given: object) -> Window:
    fixed: dict[str, object] = {
        "kind": kind, "device_id": "D-1", "zone": "north", "start": START, "end": START + 60_000, "readings": 2, "suspect": 1,
        "expected": 3, "devices": 1, "interval_ms": 20_000, "metrics": metrics,
    }  # fmt: skip
    return fixed | given  # type: ignore[return-value]


def line(stream: str, *windows: Window) -> str:
    (text,) = WindowLines(BY_NAME.get(stream, TRIAL))(encode("1m", windows))
    return text


def fields(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split(" ")[1].split(","))


def test_each_nature_has_its_fields_and_a_metric_without_a_good_value_says_so() -> None:
    parts: dict[str, list[object]] = {
        "bikes": [2, 5, 40_000, 3, 5, 8],
        "energy": [2, 1.5, 7, 40_000, 6, True],
        "pump": [2, {"running": 40_500}, "running", 40_000, 0, None, None],
        "route": [2, 7, 40_000],
    }
    assert line("trial", window("everything", parts)) == (
        "trial_everything,device_id=D-1,window=1m readings=2i,suspect=1i,expected=3i,level_count=0i,"
        "bikes_count=2i,bikes_min=3i,bikes_max=5i,bikes_mean=4.0,bikes_last=5i,"
        "energy_count=2i,energy_increase=1.5,energy_last=7.0,cycles_count=0i,"
        'pump_count=2i,pump_stopped_seconds=0.0,pump_running_seconds=40.5,pump_fault_seconds=0.0,pump_last="running",'
        f"door_count=0i,route_last=7i {START}000000"
    )


def test_a_single_value_is_its_own_mean_and_extremes_and_p95() -> None:
    found = fields(line("trial", window("everything", {"level": [1, 2.5, 0]})))
    assert {found[f"level_{how}"] for how in ("min", "max", "mean", "last", "p95")} == {"2.5"}
    assert found["level_count"] == "1i"


def test_a_zone_has_its_devices_and_nothing_that_is_only_one_device_s() -> None:
    parts: dict[str, list[object]] = {
        "bikes": [4, None, None, 1, 9, 20],
        "energy": [4, 3.0],
        "pump": [4, {"stopped": 120_000, "running": 60_000}],
    }
    text = line("trial", window("everything", parts, device_id="", devices=3, interval_ms=0))
    assert text.startswith("trial_everything,window=1m,zone=north readings=2i,suspect=1i,expected=3i,devices=3i,")
    assert not re.findall(r"_last=", text)
    assert fields(text)["pump_stopped_seconds"] == "120.0"


def test_events_are_counted_by_state_and_summed_where_asked() -> None:
    parts: dict[str, list[object]] = {"net": [2, 10.0, 0, 10.0, 30.0, 40.0], "source": [2, {"streets": 2}, "streets", 9]}
    found = fields(line("trial", window("weighing", parts)))
    assert (found["net_sum"], found["net_mean"]) == ("40.0", "20.0")
    assert (found["source_streets_count"], found["source_households_count"]) == ("2i", "0i")


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_a_full_window_has_every_field_that_may_be_asked_for_and_types_never_change(stream: Stream) -> None:
    lines, writer = WindowLines(stream), MemoryPointWriter("aggregates")
    for kind in stream.kinds:
        for start, number in ((0, 1), (60_000, 2.5)):
            metrics = {metric.name: part_of(kind, metric, number) for metric in kind.metrics}
            made = lines(encode("1m", [window(kind.name, metrics, start=start)]))
            assert writer.write("aggregates", made) == []
            assert sorted(fields(made[0])) == sorted(field_names(kind))


def part_of(kind: Kind, metric: Metric, number: float) -> list[object]:
    column = Plan(kind).by_name[metric.name]
    if metric.nature is Nature.GAUGE:
        return [2, number, 0, number, number, 2 * number, *([sketch_of((number, number))] if column.sketched else [])]
    if metric.nature is Nature.COUNTER:
        return [2, number, number, 0, number, True]
    if metric.nature is Nature.STATE:
        return [1, {column.words[0]: 1}, column.words[0], 0, *([] if kind.event else [0, None, None])]
    return [1, number, 0]


def test_the_store_role_takes_windows_of_all_levels_and_of_zones() -> None:
    tasks = StoreTasks()
    wanted = {topics.aggregate(level, name) for level in LEVELS for name in BY_NAME} | {topics.zone(name) for name in BY_NAME}
    assert wanted <= set(tasks.topics)
    topic = topics.aggregate("1m", "heat")
    value = encode("1m", [window("indoor", {}), window("indoor", {}, device_id="D-2")])
    task = tasks.start(Partition(topic, 0), Position(0))
    tick, broken = Record(topic, 0, 0, None, b"", (), START), Record(topic, 0, 2, b"1m", b"{}", (), START)
    out = task.feed([tick, Record(topic, 0, 1, b"1m", value, (), START), broken])
    assert [point.bucket for point in out.points] == ["aggregates"] * 2
    assert [record.topic for record in out.records] == [topics.DEAD]
    assert task.position() == Position(3, START)
