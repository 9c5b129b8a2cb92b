"""The rows of the state of the city: what each may read, and what each says of windows whose answer is plain."""

from collections.abc import Mapping
from typing import Any

import pytest

from schemas import bike, drainage, heat, waste
from schemas.aggregate import Window
from schemas.indicator import Amount, Indicator, Pool, Target
from schemas.instants import MINUTE_MS
from schemas.kind import Kind, Stream
from schemas.metric import Nature
from schemas.streams import STREAMS
from schemas.view import Absent, View, measure

AMOUNTS = [(stream, amount) for stream in STREAMS for amount in stream.amounts]


class Spy(View):
    """Notes what is read of a window and of the registry."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.read: set[str] = set()

    def has(self, metric: str) -> bool:
        self.read.add(metric)
        return super().has(metric)

    def _part(self, name: str) -> Any:
        self.read.add(name)
        return super()._part(name)

    def _given(self, name: str) -> Any:
        self.read.add(f"param {name}")
        return super()._given(name)


def window(kind: Kind, metrics: Mapping[str, list[Any]], minutes: int = 15, start: int = 0, **rest: Any) -> Window:
    found: Any = {
        "kind": kind.name,
        "device_id": "D-1",
        "zone": "z",
        "start": start,
        "end": start + minutes * MINUTE_MS,
        "readings": 15,
        "suspect": 0,
        "expected": 15,
        "devices": 1,
        "interval_ms": MINUTE_MS,
        "metrics": dict(metrics),
    }
    return found | rest


def gauge(*values: float) -> list[Any]:
    if len(values) == 1:
        return [1, values[0], 0]
    return [len(values), values[-1], 0, min(values), max(values), sum(values)]


def counter(increase: float) -> list[Any]:
    return [2, increase, 100.0, 0, 0, True]


def states(last: str, **minutes: float) -> list[Any]:
    return [1, {word: many * MINUTE_MS for word, many in minutes.items()}, last, 0, 0, None, None]


def full(kind: Kind) -> dict[str, list[Any]]:
    """Every metric of a kind, with some value."""
    parts = {
        Nature.GAUGE: gauge(0.5, 0.4),
        Nature.LABEL: [1, 1, 0],
        Nature.COUNTER: counter(3),
        Nature.STATE: states("true"),
    }
    return {metric.name: parts[metric.nature] for metric in kind.metrics}


@pytest.mark.parametrize(("stream", "amount"), AMOUNTS, ids=lambda each: getattr(each, "name", ""))
def test_an_amount_reads_nothing_but_what_it_says(stream: Stream, amount: Amount) -> None:
    kind = stream.by_name[amount.kind]
    params = {param.name: 5.0 for param in kind.params}
    before = View(kind, window(kind, full(kind) | {"fill": gauge(0.1)}), params)
    view = Spy(kind, window(kind, full(kind), start=15 * MINUTE_MS), params, 8.0, before)
    amount.of(view)
    declared = {*amount.inputs, *(f"param {name}" for name in amount.params)}
    assert view.read <= declared
    assert view.read or not declared


@pytest.mark.parametrize(("stream", "amount"), AMOUNTS, ids=lambda each: getattr(each, "name", ""))
def test_a_device_that_said_nothing_does_not_count(stream: Stream, amount: Amount) -> None:
    kind = stream.by_name[amount.kind]
    if amount.inputs:
        assert measure(amount, View(kind, window(kind, {}), {param.name: 5.0 for param in kind.params})) is None


def test_a_name_that_is_not_declared_is_an_error_and_not_an_absence() -> None:
    with pytest.raises(KeyError) as error:
        View(bike.STATION, window(bike.STATION, {}), {}).last("num_bikes")
    assert not isinstance(error.value, Absent)


def pool(*values: float) -> Pool:
    """Of devices in one window."""
    if not values:
        return Pool()
    return Pool(len(values), sum(values), min(values), max(values), sum(values) / len(values), 1)


def value_of(stream: Stream, name: str, views: list[View], hours: float = 0.25) -> float | None:
    """An indicator of devices in one window."""
    row: Indicator = next(row for row in stream.indicators if row.name == name)
    measured = [[measure(amount, view) for view in views] for amount in row.amounts]
    return row.value([pool(*(each for each in many if each is not None)) for many in measured], hours)


def stations(*bikes_and_docks: tuple[int, int], docks: float = 20) -> list[View]:
    return [
        View(
            bike.STATION,
            window(
                bike.STATION,
                {
                    "num_vehicles_available": gauge(bikes),
                    "num_docks_available": gauge(free),
                    "num_vehicles_disabled": gauge(1),
                    "num_docks_disabled": gauge(0),
                },
                minutes=1,
            ),
            {"docks": docks},
        )
        for bikes, free in bikes_and_docks
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("stations_with_bike", 3 / 4),
        ("stations_with_dock", 2 / 4),
        ("minutes_empty", 1),
        ("minutes_full", 2),
        ("bikes_available", 19 + 0 + 7 + 18),
        ("bikes_disabled", 4),
        # 19+0, 0+19, 7+5 and 18+0, each with 1 bicycle out of order: 0, 0, 7 and 1 of 20 docks are not spoken of
        ("docks_unaccounted", 8 / 80),
        ("stations_suspect", 0),
    ],
)
def test_bike(name: str, expected: float) -> None:
    assert value_of(bike.STREAM, name, stations((19, 0), (0, 19), (7, 5), (18, 0))) == pytest.approx(expected)


def test_rentals_and_returns_are_what_the_count_fell_and_rose() -> None:
    after = stations((5, 5), (9, 1), (3, 3))
    for view, before in zip(after, stations((8, 2), (7, 3), (3, 3)), strict=True):
        view.before = before
    assert value_of(bike.STREAM, "rentals_per_hour", after, 0.25) == 3 / 0.25
    assert value_of(bike.STREAM, "returns_per_hour", after, 0.25) == 2 / 0.25


def test_a_first_window_says_nothing_of_rentals() -> None:
    assert value_of(bike.STREAM, "rentals_per_hour", stations((5, 5))) is None


def compactor(fill: float, start: int = 0, **metrics: list[Any]) -> View:
    return View(waste.COMPACTOR, window(waste.COMPACTOR, {"fill": gauge(fill)} | metrics, start=start), {})


def filling(was: float, now: float) -> View:
    view = compactor(now, 15 * MINUTE_MS)
    view.before = compactor(was)
    return view


def test_minutes_to_full_is_a_line_through_two_quarters() -> None:
    assert value_of(waste.STREAM, "minutes_to_full", [filling(0.4, 0.5), filling(0.2, 0.6)]) == pytest.approx(15)  # 0.4 in 15 min
    assert value_of(waste.STREAM, "minutes_to_full", [filling(0.9, 0.1)]) is None
    assert value_of(waste.STREAM, "minutes_to_full", [filling(0.9, 1.1)]) == 0
    assert value_of(waste.STREAM, "fill_highest", [compactor(0.4), compactor(0.9)]) == 0.9


def test_tonnes_trucks_and_energy_a_tonne() -> None:
    bridge = View(waste.WEIGHBRIDGE, window(waste.WEIGHBRIDGE, {"net_kg": gauge(4_000, 6_500)}, readings=3, suspect=1), {})
    press = compactor(0.4, energy_kwh=counter(21), cycles=counter(40))
    assert value_of(waste.STREAM, "tonnes", [bridge]) == 10.5
    assert value_of(waste.STREAM, "trucks", [bridge]) == 2
    assert value_of(waste.STREAM, "weighings_doubtful", [bridge]) == pytest.approx(1 / 3)
    energy = next(amount for amount in waste.STREAM.amounts if amount.name == "energy_kwh")
    tonnes = next(amount for amount in waste.STREAM.amounts if amount.name == "tonnes")
    row = next(row for row in waste.STREAM.indicators if row.name == "energy_per_tonne")
    assert row.value([pool(measure(energy, press) or 0), pool(measure(tonnes, bridge) or 0)], 1) == 2
    assert value_of(waste.STREAM, "cycles", [press]) == 40


def test_hours_above_the_limits_of_the_boundary() -> None:
    air = [
        View(waste.AIR, window(waste.AIR, {"nh3_mg_m3": gauge(nh3), "h2s_mg_m3": gauge(h2s)}, minutes=1), {})
        for nh3, h2s in ((1.5, 0.07), (1.6, 0.06), (4.0, 0.2))
    ]
    assert value_of(waste.STREAM, "hours_above_nh3", air) == pytest.approx(2 / 60)
    assert value_of(waste.STREAM, "hours_above_h2s", air) == pytest.approx(2 / 60)


def test_containers_due_by_fill_or_by_light() -> None:
    told: list[dict[str, list[Any]]] = [
        {"fill": gauge(0.8)},
        {"fill": gauge(0.79), "fill_light": states("red")},
        {"fill_light": states("red")},
        {"fill_light": states("yellow")},
        {},
    ]
    bins = [View(waste.BIN, window(waste.BIN, each), {}) for each in told]
    assert value_of(waste.STREAM, "containers_due", bins) == 2
    assert value_of(waste.STREAM, "containers_due_share", bins) == 2 / 4


def rooms(*temps: float) -> list[View]:
    return [View(heat.INDOOR, window(heat.INDOOR, {"temp_c": gauge(temp)}), {}) for temp in temps]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("rooms_warm", 2 / 5), ("room_days_half", 2), ("room_days_full", 1), ("room_temp_lowest_c", 15.9), ("room_temp_c", 18.76)],
)
def test_rooms(name: str, expected: float) -> None:
    assert value_of(heat.STREAM, name, rooms(20.0, 19.9, 16.0, 15.9, 22.0)) == pytest.approx(expected)


def test_a_room_that_was_cold_for_a_moment_was_not_warm_all_the_time() -> None:
    room = View(heat.INDOOR, window(heat.INDOOR, {"temp_c": gauge(19, 23)}), {})
    assert value_of(heat.STREAM, "rooms_warm", [room]) == 1
    assert value_of(heat.STREAM, "rooms_never_cold", [room]) == 0


def test_supply_against_the_curve_spread_makeup_and_heat() -> None:
    curve = ((-24, 58), (-15, 52), (-5, 45))
    station = View(
        heat.EXCHANGE,
        window(
            heat.EXCHANGE,
            {
                "secondary_supply_temp_c": gauge(48, 50),
                "secondary_return_temp_c": gauge(39),
                "primary_supply_temp_c": gauge(90),
                "primary_return_temp_c": gauge(50),
                "outdoor_temp_c": gauge(-10),
                "secondary_flow_m3_h": gauge(100),
                "secondary_makeup_flow_m3_h": gauge(1.5),
                "primary_energy_kwh": counter(1_000),
            },
        ),
        {"heating_curve": curve},
    )
    # half way between -15 and -5 the curve says 48.5
    assert value_of(heat.STREAM, "above_curve_k", [station]) == pytest.approx(0.5)
    assert value_of(heat.STREAM, "secondary_spread_k", [station]) == 10
    assert value_of(heat.STREAM, "primary_spread_k", [station]) == 40
    assert value_of(heat.STREAM, "makeup_secondary_percent", [station]) == 1.5
    assert value_of(heat.STREAM, "heat_taken_gj", [station]) == pytest.approx(3.6)
    plant_metrics = {
        "supply_temp_c": gauge(90),
        "outdoor_temp_c": gauge(-40),
        "makeup_flow_m3_h": gauge(4),
        "flow_m3_h": gauge(2_000),
        "energy_mwh": counter(10),
    }
    plant = View(heat.PLANT, window(heat.PLANT, plant_metrics), {"heating_curve": ((-24, 115), (5, 70))})
    assert value_of(heat.STREAM, "plant_above_curve_k", [plant]) == -25  # level beyond its ends
    assert value_of(heat.STREAM, "makeup_primary_percent", [plant]) == pytest.approx(0.2)
    assert value_of(heat.STREAM, "heat_delivered_gj", [plant]) == 36


def test_rain_and_what_is_held_back() -> None:
    row = next(row for row in drainage.STREAM.indicators if row.name == "held_back_event")
    # 2 quarters: 3 and 5 mm on 20,000 m2 are 160 m3, of which 40 ran off
    rain = Pool(n=4, total=16, low=2, high=6, means=8, quarters=2)
    runoff = Pool(n=2, total=40, low=10, high=30, means=40, quarters=2)
    area = Pool(n=2, total=40_000, low=20_000, high=20_000, means=40_000, quarters=2)
    assert row.value([rain, runoff, area], 0.5) == pytest.approx(0.75)
    assert row.value([Pool(), runoff, area], 0.5) is None
    assert row.value([rain._replace(means=0), runoff, area], 0.5) is None


def test_runoff_is_what_is_beyond_dry_weather() -> None:
    params = {"catchment_m2": 20_000.0, "dry_flow_m3_h": ((0.0, 20.0), (8.0, 60.0), (24.0, 20.0))}
    outfall = View(drainage.LEVEL, window(drainage.LEVEL, {"flow_m3_h": gauge(100, 140)}), params, 4.0)
    assert value_of(drainage.STREAM, "runoff_m3", [outfall]) == (120 - 40) * 0.25
    elsewhere = View(drainage.LEVEL, window(drainage.LEVEL, {"flow_m3_h": gauge(100)}), {"dry_flow_m3_h": 30.0}, 4.0)
    assert value_of(drainage.STREAM, "runoff_m3", [elsewhere]) is None


def test_manholes_storage_pumps_and_underpasses() -> None:
    params = {"depth_m": 3.0, "pipe_diameter_m": 0.8}
    holes = [View(drainage.LEVEL, window(drainage.LEVEL, {"level_m": gauge(level, 0.1)}), params) for level in (2.5, 0.81, 0.8)]
    assert value_of(drainage.STREAM, "manholes_above_80", holes) == 1
    assert value_of(drainage.STREAM, "manholes_surcharged", holes) == 2
    tank_metrics = {"volume_m3": gauge(500), "pump_1": states("running", running=12), "pump_2": states("stopped", running=3)}
    tank = View(drainage.TANK, window(drainage.TANK, tank_metrics), {"volume_m3": 2_000.0})
    assert value_of(drainage.STREAM, "storage_used", [tank]) == 0.25
    assert value_of(drainage.STREAM, "pump_hours", [tank]) == 0.25
    wet = [
        View(drainage.UNDERPASS, window(drainage.UNDERPASS, {"depth_m": gauge(0.0, d)}), {}) for d in (0.14, 0.15, 0.3, 0.5, 2)
    ]
    found = [value_of(drainage.STREAM, f"underpasses_{cm}_cm", wet) for cm in (15, 27, 50)]
    assert found == [1, 1, 2]
    assert value_of(drainage.STREAM, "water_deepest_m", wet) == 2


def test_targets() -> None:
    more, less = Target(0.95, 0.85, "P"), Target(0.5, 1, "P")
    assert [more.judge(value) for value in (0.95, 0.9, 0.85)] == ["good", "fair", "poor"]
    assert [less.judge(value) for value in (0.5, 0.7, 1)] == ["good", "fair", "poor"]
