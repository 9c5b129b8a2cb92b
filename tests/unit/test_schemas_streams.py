"""The declarations of the four streams, and the checks that hold any further one to the same."""

from dataclasses import replace
from typing import Any

import pytest

from schemas.kind import Kind, Parameter, Stream, check_declaration
from schemas.metric import ANY, LOGGER_SENTINELS, Aggregation, Check, Metric, Nature, Param, Range, counter, gauge, label, state
from schemas.reason import Flag, Reason
from schemas.streams import STREAMS, find_kind

KINDS = [pytest.param(stream, kind, id=f"{stream.name}/{kind.name}") for stream in STREAMS for kind in stream.kinds]
METRICS = [
    pytest.param(metric, id=f"{stream.name}/{kind.name}.{metric.name}")
    for stream in STREAMS
    for kind in stream.kinds
    for metric in kind.metrics
]

# Issue 3, "at least these"
WANTED = {
    "bike/station": "num_vehicles_available num_vehicles_disabled num_docks_available num_docks_disabled is_installed is_renting "
    "is_returning supply_v",
    "bike/vehicle": "lat lon current_fuel_percent is_locked is_disabled is_reserved",
    "waste/compactor": "fill hydraulic_pressure_mpa motor_current_a motor_temp_c cycles state is_door_open",
    "waste/weighbridge": "gross_kg tare_kg net_kg route_no source",
    "waste/air": "nh3_mg_m3 h2s_mg_m3 temp_c humidity_percent",
    "waste/leachate": "level_m ph pump",
    "waste/bin": "fill temp_c status",
    "heat/plant": "supply_temp_c return_temp_c supply_pressure_mpa return_pressure_mpa flow_m3_h power_kw energy_mwh "
    "makeup_flow_m3_h outdoor_temp_c",
    "heat/exchange": "primary_supply_temp_c primary_return_temp_c primary_supply_pressure_mpa primary_return_pressure_mpa "
    "primary_flow_m3_h primary_power_kw primary_energy_kwh secondary_supply_temp_c secondary_return_temp_c "
    "secondary_supply_pressure_mpa secondary_return_pressure_mpa secondary_flow_m3_h secondary_power_kw secondary_energy_kwh "
    "secondary_makeup_flow_m3_h valve_opening circulation_pump makeup_pump outdoor_temp_c",
    "heat/indoor": "temp_c humidity_percent",
    "drainage/rain": "rain_mm intensity_mm_h",
    "drainage/level": "level_m flow_m3_h velocity_m_s",
    "drainage/tank": "level_m volume_m3 inflow_m3_h outflow_m3_h pump_1 pump_2",
    "drainage/soil": "moisture infiltration_mm_h temp_c",
    "drainage/underpass": "depth_m",
}
# What the last part of a name promises of its unit
SUFFIXES = {
    "_temp_c": "Cel", "_mpa": "MPa", "_m3_h": "m3/h", "_kw": "kW", "_kwh": "kW.h", "_mwh": "MW.h", "_percent": "%", "_kg": "kg",
    "_mg_m3": "mg/m3", "_mm_h": "mm/h", "_mm": "mm", "_m_s": "m/s", "_m": "m", "_m3": "m3", "_a": "A", "_v": "V", "temp_c": "Cel",
}  # fmt: skip


def test_every_kind_and_metric_of_the_issue_is_declared() -> None:
    assert set(WANTED) <= {f"{stream.name}/{kind.name}" for stream in STREAMS for kind in stream.kinds}
    for name, metrics in WANTED.items():
        kind = find_kind(*name.split("/"))
        assert kind
        assert set(metrics.split()) <= set(kind.by_name), name


@pytest.mark.parametrize("metric", METRICS)
def test_a_row_is_complete(metric: Metric) -> None:
    assert metric.en.isascii()
    assert any("\u4e00" <= letter <= "\u9fff" for letter in metric.zh)
    assert metric.source.startswith(("S", "V", "P"))
    assert (metric.unit != "") == (metric.type in {"float", "int"})
    assert (metric.type in {"bool", "word"}) == (metric.nature is Nature.STATE)
    assert (Aggregation.INCREASE in metric.aggregations) == (metric.nature is Nature.COUNTER)


@pytest.mark.parametrize("metric", METRICS)
def test_a_name_and_its_unit_agree(metric: Metric) -> None:
    if metric.name == "current_fuel_percent":  # GBFS's name for a fraction
        assert metric.unit == "1"
        return
    ending = max((suffix for suffix in SUFFIXES if metric.name.endswith(suffix)), key=len, default="")
    if ending and metric.type == "float":
        assert metric.unit == SUFFIXES[ending]


@pytest.mark.parametrize("metric", METRICS)
def test_ranges_are_sane(metric: Metric) -> None:
    params = {"docks": 20, "depth_m": 3, "volume_m3": 500, "home_lat": 45.6, "home_lon": 126.6}
    possible_low, possible_high = metric.possible.of(params)
    low, high = metric.plausible.of(params)
    if metric.plausible == ANY:
        low, high = possible_low, possible_high
    assert possible_low <= low < high <= possible_high
    assert not any(low <= sentinel <= high for sentinel in metric.sentinels if sentinel)  # 0 is a receiver without a fix
    if metric.type == "float":
        assert -9999.0 in metric.sentinels, "loggers' -9999 would refuse the whole reading"


@pytest.mark.parametrize(("stream", "kind"), KINDS)
def test_titles_and_interval(stream: Stream, kind: Kind) -> None:
    assert kind.en.isascii()
    assert not kind.zh.isascii()
    assert 0 < kind.interval_s <= 3_600
    assert kind.memory_ms <= 2 * 3_600_000, "a restart reads this much again"
    assert stream.measurement(kind.name) == f"{stream.name}_{kind.name}"


def declared(*metrics: Metric, **rest: Any) -> Stream:
    kind = {"name": "thing", "en": "Thing", "zh": "物"} | rest
    return Stream(name="test", en="Test", zh="试", kinds=(Kind(metrics=metrics, **kind),))


GOOD = gauge("level_m", "m", "Level", "液位", possible=Range(-1, 10), plausible=Range(0, 5))
DEEP = Param("depth_m", offset=2)


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        (declared(GOOD, GOOD), "metric level_m is declared twice"),
        (declared(replace(GOOD, name="ts")), "a reserved name"),
        (declared(replace(GOOD, name="quality")), "a reserved name"),
        (declared(replace(GOOD, name="_level")), "a name like"),
        (declared(replace(GOOD, name="Level m")), "a name like"),
        (declared(replace(GOOD, en="")), "no title in en"),
        (declared(replace(GOOD, zh="")), "no title in zh"),
        (declared(replace(GOOD, unit="")), "a number needs its unit"),
        (declared(replace(GOOD, source="somebody said")), "begins with none of S, V and P"),
        (declared(replace(GOOD, plausible=Range(-2, 5))), "not within the possible"),
        (declared(replace(GOOD, plausible=Range(0, 11))), "not within the possible"),
        (declared(replace(GOOD, plausible=Range(5, 0))), "plausible range is empty"),
        (declared(replace(GOOD, possible=Range(10, 10), plausible=ANY)), "possible range is empty"),
        (declared(replace(GOOD, possible=Range(0, DEEP))), "needs param depth_m"),
        (declared(replace(GOOD, stuck_after_min=31)), "stuck_after_min is more than 30"),
        (declared(replace(GOOD, extra=(Aggregation.SUM,))), "only events are summed"),
        (declared(gauge("n", "1", "N", "数", type="int")), "an integer needs a possible range"),
        (declared(replace(state("door", "Door", "门"), type="word")), "a word needs its states"),
        (declared(GOOD, checks=(Check(Flag.INCONSISTENT, ("level_m", "flow"), lambda _v, _p: True, ""),)), "needs unknown flow"),
        (declared(GOOD, params=(Parameter("a", "1", "A", "甲"),) * 2), "param a is declared twice"),
        (declared(GOOD, name="a_thing"), "a name like"),
        (declared(GOOD, zh=""), "test/thing: no title in zh"),
        (replace(declared(GOOD), kinds=declared(GOOD).kinds * 2), "kind thing is declared twice"),
        (replace(declared(GOOD), name="Test"), "a name like"),
        (replace(declared(GOOD), en=""), "test: no title in en"),
    ],
)
def test_every_mistake_in_a_declaration_is_found(stream: Stream, problem: str) -> None:
    found = check_declaration(stream)
    assert len(found) == 1, found
    assert problem in found[0]


def test_a_good_declaration_has_no_problems() -> None:
    deep = replace(GOOD, possible=Range(-1, DEEP), plausible=Range(0, Param("depth_m")))
    assert check_declaration(declared(deep, params=(Parameter("depth_m", "m", "Depth", "深"),))) == []
    assert [problem for stream in STREAMS for problem in check_declaration(stream)] == []


def test_ranges_follow_the_device() -> None:
    bounds = Range(0, Param("docks", scale=2, offset=1))
    assert bounds.of({"docks": 20}) == (0, 41)
    assert bounds.of({}) == (0, float("inf"))


def test_a_sentinel_that_could_be_meant_is_none() -> None:
    assert gauge("t", "Cel", "t", "t", plausible=Range(-60, 200)).sentinels == LOGGER_SENTINELS
    assert gauge("p", "kW", "p", "p", plausible=Range(0, 5_000)).sentinels == (-88.8, -999.9, -9999.0)
    assert gauge("h", "m", "h", "h", plausible=Range(0, Param("depth_m"))).sentinels == (-88.8, -999.9, -9999.0)
    assert counter("e", "kW.h", "e", "e").sentinels == (-88.8, -999.9, -9999.0)
    assert label("lat", "deg", "l", "l", sentinels=(0.0,)).sentinels == (0.0,)
    assert gauge("n", "1", "n", "n", type="int").sentinels == ()


@pytest.mark.parametrize("code", [*Reason, *Flag])
def test_every_code_says_what_it_means_and_what_to_do(code: Reason | Flag) -> None:
    assert code.meaning
    assert code.advice
    assert type(code)(str(code)) is code


@pytest.mark.parametrize(
    ("name", "values", "params", "holds"),
    [
        ("bike/station", {"num_vehicles_available": 12, "num_docks_available": 8}, {"docks": 20}, True),
        ("bike/station", {"num_vehicles_available": 13, "num_docks_available": 8}, {"docks": 20}, False),
        ("bike/station", {"num_vehicles_available": 12, "num_docks_available": 7, "num_docks_disabled": 2}, {"docks": 20}, False),
        ("bike/station", {"num_vehicles_available": 99, "num_docks_available": 99}, {}, True),
        ("waste/weighbridge", {"gross_kg": 15_000, "tare_kg": 9_000, "net_kg": 6_000}, {}, True),
        ("waste/weighbridge", {"gross_kg": 15_000, "tare_kg": 9_000, "net_kg": 6_150}, {}, True),
        ("waste/weighbridge", {"gross_kg": 15_000, "tare_kg": 9_000, "net_kg": 6_151}, {}, False),
        ("waste/weighbridge", {"gross_kg": 800, "tare_kg": 500, "net_kg": 320}, {}, True),
        ("waste/weighbridge", {"gross_kg": 800, "tare_kg": 500, "net_kg": 321}, {}, False),
        ("heat/plant", {"supply_temp_c": 60, "return_temp_c": 65, "flow_m3_h": 100}, {}, True),
        ("heat/plant", {"supply_temp_c": 60, "return_temp_c": 65.1, "flow_m3_h": 100}, {}, False),
        ("heat/plant", {"supply_temp_c": 20, "return_temp_c": 65.1, "flow_m3_h": 0}, {}, True),
    ],
)
def test_metrics_are_checked_together(name: str, values: dict[str, float], params: dict[str, float], holds: bool) -> None:
    kind = find_kind(*name.split("/"))
    assert kind
    (check,) = kind.checks
    assert check.holds(values, params) is holds
