"""Plausibility of one reading, with the device's memory in the test's hand."""

import pytest

from processors.judge import Impossible, Memory, judge
from processors.limits import limits_of
from schemas.device import Device
from schemas.kind import Kind
from schemas.metric import Param, Range, gauge
from schemas.streams import find_kind

MINUTE = 60_000
KIND = Kind(
    name="exchange",
    en="t",
    zh="t",
    metrics=(
        gauge(
            "t_c", "Cel", "t", "t", possible=Range(-60, 200), plausible=Range(-30, 150), max_per_minute=5.0, stuck_after_min=10
        ),
        gauge("h_m", "m", "h", "h", possible=Range(0, Param("depth_m", offset=2)), plausible=Range(0, Param("depth_m"))),
        gauge("any", "1", "a", "a", sentinels=(-1.0,)),
    ),
)
DEVICE = Device(
    device_id="HX-1", stream="heat", kind="exchange", zone="z", site="s", lat=45, lon=126, interval_s=60, params={"depth_m": 3}
)
LIMITS = limits_of(KIND, DEVICE)


def one(ts_min: float, memory: Memory, **values: float) -> dict[str, str] | Impossible:
    found = judge(int(ts_min * MINUTE), dict(values), LIMITS, memory)
    return found if isinstance(found, Impossible) else dict(found)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("t_c", 20.0, {}),
        ("t_c", -30.0, {}),
        ("t_c", 150.0, {}),
        ("t_c", 150.1, {"t_c": "out_of_range"}),
        ("t_c", -60.0, {"t_c": "out_of_range"}),
        ("t_c", 888.8, {"t_c": "sentinel"}),
        ("t_c", -88.8, {"t_c": "sentinel"}),
        ("t_c", -9999.0, {"t_c": "sentinel"}),
        ("t_c", 200.1, Impossible("t_c", 200.1)),
        ("h_m", 3.0, {}),
        ("h_m", 3.5, {"h_m": "out_of_range"}),  # surcharged: above the cover, and real
        ("h_m", 5.1, Impossible("h_m", 5.1)),
        ("any", -1.0, {"any": "sentinel"}),  # a sentinel inside the plausible range is still one
        ("any", -1e300, {}),
    ],
)
def test_one_value(name: str, value: float, expected: object) -> None:
    assert one(0, {}, **{name: value}) == expected


def test_a_sentinel_is_taken_out_of_the_values_and_leaves_the_others() -> None:
    values: dict[str, object] = {"t_c": 888.8, "h_m": 1.0}
    assert judge(0, values, LIMITS, {}) == {"t_c": "sentinel"}  # type: ignore[arg-type]
    assert values == {"h_m": 1.0}


def test_a_step_is_judged_by_the_time_it_took() -> None:
    memory: Memory = {}
    assert one(0, memory, t_c=20) == {}
    assert one(0.5, memory, t_c=25) == {}  # the step of a minute is allowed at once
    assert one(1.5, memory, t_c=31) == {"t_c": "rate_of_change"}
    assert one(3.5, memory, t_c=40.9) == {}  # 9.9 in two minutes


def test_a_step_after_a_long_silence_is_no_step() -> None:
    memory: Memory = {}
    one(0, memory, t_c=20)
    assert one(16, memory, t_c=140) == {}


def test_history_is_neither_judged_nor_remembered() -> None:
    memory: Memory = {}
    one(10, memory, t_c=20)
    assert one(5, memory, t_c=90) == {}
    assert one(11, memory, t_c=21) == {}


def test_a_reading_that_comes_again_is_flagged_again() -> None:
    memory: Memory = {}
    steps = [(0, 20.0), (1, 44.0), (2, 20.1), (3, 20.2), (4, 20.3)]
    first = [one(minute, memory, t_c=value) for minute, value in steps]
    assert [bool(flags) for flags in first] == [False, True, True, False, False]
    again = [one(minute, memory, t_c=value) for minute, value in steps]
    assert again == first


def test_a_value_that_does_not_move_is_stuck_until_it_moves() -> None:
    memory: Memory = {}
    flags = [one(minute, memory, t_c=20.5) for minute in range(12)]
    assert flags[:10] == [{}] * 10
    assert flags[10:] == [{"t_c": "stuck"}] * 2
    assert one(12, memory, t_c=20.6) == {}


def test_over_capacity_is_flagged_on_all_counts() -> None:
    kind = find_kind("bike", "station")
    assert kind
    device = DEVICE.model_copy(update={"stream": "bike", "kind": "station", "params": {"docks": 10}})
    counts = {"num_vehicles_available": 8, "num_vehicles_disabled": 0, "num_docks_available": 3, "num_docks_disabled": 0}
    flags = judge(0, dict(counts), limits_of(kind, device), {})
    assert not isinstance(flags, Impossible)
    assert set(flags.values()) == {"over_capacity"}
    assert judge(0, counts | {"num_docks_available": 2}, limits_of(kind, device), {}) == {}


def test_a_relation_with_a_missing_or_flagged_part_says_nothing() -> None:
    kind = find_kind("waste", "weighbridge")
    assert kind
    device = DEVICE.model_copy(update={"stream": "waste", "kind": "weighbridge"})
    limits = limits_of(kind, device)
    assert judge(0, {"gross_kg": 18_000.0, "tare_kg": 11_000.0, "net_kg": 7_000.0}, limits, {}) == {}
    off = judge(0, {"gross_kg": 18_000.0, "tare_kg": 11_000.0, "net_kg": 5_000.0}, limits, {})
    assert not isinstance(off, Impossible)
    assert set(off.values()) == {"inconsistent"}
    assert judge(0, {"gross_kg": 18_000.0, "net_kg": 5_000.0}, limits, {}) == {}
