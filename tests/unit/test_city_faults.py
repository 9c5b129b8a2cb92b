"""Faults: files and chance, what they do and undo, and the truth that is written down."""

import json
from pathlib import Path

import pytest

from deploy.demo.city.city import City
from deploy.demo.city.district import DistrictError, load_district
from deploy.demo.city.faults.schedule import KINDS, reach
from deploy.demo.city.plan import plan_city
from schemas import codec
from schemas.instants import HOUR_MS, parse_rfc3339
from schemas.streams import STREAMS

pytest.importorskip("pyswmm", reason="needs the extra: pip install 'hanan[city]'")

DISTRICT = load_district()
PLAN = plan_city(DISTRICT)
JULY, JANUARY = (parse_rfc3339(f"2026-{day}T00:00:00+08:00") for day in ("07-20", "01-12"))


def city(start_ms: int, *streams: str, seed: int = 1) -> City:
    return City(DISTRICT, seed, start_ms, streams=streams or ("bike", "waste", "heat", "drainage"), plan=PLAN)


def schedule(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "faults.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_there_are_three_kinds_of_fault_for_each_stream_and_shared_ones() -> None:
    for stream in STREAMS:
        assert sum(kind.stream == stream.name for kind in KINDS.values()) >= 3
    assert sum(not kind.stream for kind in KINDS.values()) >= 5
    for kind in KINDS.values():
        declared = {kind.name for stream in STREAMS for kind in stream.kinds}
        assert set(kind.kinds) <= declared


@pytest.mark.parametrize("name", sorted(KINDS))
def test_each_kind_can_begin_go_on_and_be_undone(name: str, tmp_path: Path) -> None:
    """Afterwards the levers stand as before: the next minutes' truth of an unhurried value is as it was."""
    kind = KINDS[name]
    winter = kind.season == "heating" or kind.stream == "heat"
    streams = (kind.stream,) if kind.stream else ("drainage",)
    made = city(JANUARY if winter else JULY, *streams)
    try:
        made.minute()
        device = next(
            id_ for id_, r in made.reporters.items() if r.device.kind in kind.kinds and kind.may_sit_on(made.levers, id_)
        )
        made.load_faults(schedule(tmp_path, f"faults: [{{fault: {name}, device: {device}, from: +2m, to: +12m}}]"))
        fault = made.faults[0]
        before = codec.dumps(_levers(made, device))
        list(made.minutes(made.start_ms + 8 * 60_000))
        assert fault.id in made._active
        list(made.minutes(made.start_ms + 14 * 60_000))
        assert not made._active
        assert codec.dumps(_levers(made, device)) == before
        assert device in reach(made.levers, fault)
    finally:
        made.close()


def _levers(made: City, device: str) -> dict[str, object]:
    """All knobs that a fault on this device could have turned."""
    levers, reporter = made.levers, made.reporters[device]
    knobs: dict[str, object] = {
        "reporter": [
            reporter.silent, reporter.gateway_down, reporter.stuck, reporter.offsets, reporter.clock_jump_ms, reporter.garbled,
        ],
        "docks": [(d.controller_dead, d.counted_twice, d.vandals) for d in levers.bike.fleet.docks],
        "volts": levers.bike.supply_v,
        "yards": [
            (y.gain, y.zero_kg, y.hall.release_mg_m3, y.sump.pump_fault, [(c.jammed, c.leak) for c in y.compactors])
            for y in levers.waste.yards.values()
        ],
        "fires": [can.fire for can in levers.waste.cans.values()],
        "stations": [(s.fouling, s.pump_fault, s.stuck_at) for s in levers.heat.stations.values()],
        "bursts": [net.burst for net in levers.heat.networks],
        "warmth": [flat.warmth for flat in levers.heat.flats.values()],
        "pumps": {owner: [pump.broken for pump in pumps] for owner, pumps in levers.drainage.pumps.items()},
        "gates": [levers.drainage.gate_open, levers.drainage.blocked, levers.drainage.burst_m3_s, levers.drainage.funnel],
    }  # fmt: skip
    return knobs


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{fault: nonsense, device: DL-001, from: +1h, to: +2h}", "there is no fault 'nonsense'"),
        ("{fault: pipe-blockage, device: DL-999, from: +1h, to: +2h}", "no device 'DL-999'"),
        ("{fault: pump-no-start, device: DL-001, from: +1h, to: +2h}", "sits on tank; DL-001 is of kind level"),
        ("{fault: pipe-blockage, device: DL-001, from: +2h, to: +1h}", "ends before it begins"),
        ("{fault: pipe-blockage, device: DL-001, from: +2x, to: +1h}", "no time such as"),
        ("{fault: pipe-blockage, device: DL-001, from: '+2', to: +1h}", "of what"),
        ("{fault: pipe-blockage, device: DL-001, from: +1h, to: +2h, severity: 3}", "between 0 and 1"),
        ("{fault: pipe-blockage, device: DL-001, to: +2h}", "from"),
    ],
)
def test_a_wrong_schedule_is_refused_with_what_is_wrong(tmp_path: Path, row: str, says: str) -> None:
    made = city(JULY, "drainage")
    with pytest.raises(DistrictError, match=says):
        made.load_faults(schedule(tmp_path, f"faults: [{row}]"))


def test_times_may_be_absolute_or_from_the_beginning(tmp_path: Path) -> None:
    made = city(JULY, "drainage")
    text = (
        "faults:\n"
        "  - {fault: pipe-blockage, device: DL-005, from: +1d6h30m, to: +2d}\n"
        "  - {fault: pump-no-start, device: DT-001, from: 2026-07-20T12:00:00+08:00, to: '2026-07-20T18:00:00+08:00'}\n"
    )
    made.load_faults(schedule(tmp_path, text))
    assert [(fault.from_ms - JULY) / HOUR_MS for fault in made.faults] == [30.5, 12]


@pytest.mark.parametrize("start_ms", [JULY, JANUARY])
@pytest.mark.parametrize("seed", [3, 4])
def test_random_faults_are_different_visible_and_apart(start_ms: int, seed: int) -> None:
    made = city(start_ms, seed=seed)
    made.draw_faults(15, days=7)
    assert len(made.faults) == 15
    assert len({fault.name for fault in made.faults}) >= 12
    for fault in made.faults:
        shows = KINDS[fault.name].shows(made.levers, fault)
        assert shows is not None
        assert fault.from_ms <= shows < fault.to_ms
        assert start_ms + 6 * HOUR_MS - 6 * HOUR_MS <= fault.from_ms
        assert fault.to_ms <= start_ms + 7 * 24 * HOUR_MS
    for n, one in enumerate(made.faults):
        for other in made.faults[n + 1 :]:
            if one.from_ms < other.to_ms and other.from_ms < one.to_ms:
                assert set(reach(made.levers, one)).isdisjoint(reach(made.levers, other))
    again = city(start_ms, seed=seed)
    again.draw_faults(15, days=7)
    assert again.faults == made.faults


def test_no_bicycle_fault_in_winter_and_no_heating_fault_in_summer() -> None:
    for start_ms, absent in ((JANUARY, "bikes"), (JULY, "heating")):
        made = city(start_ms, seed=9)
        made.draw_faults(20, days=7)
        assert not [fault for fault in made.faults if KINDS[fault.name].season == absent]


def test_the_truth_has_a_line_for_each_device_and_the_conditions_that_came_by_themselves(tmp_path: Path) -> None:
    made = city(parse_rfc3339("2026-07-22T16:00:00+08:00"), "drainage")
    try:
        text = "faults: [{fault: gateway-down, device: DL-001, from: +10m, to: +40m}]"
        made.load_faults(schedule(tmp_path, text))
        path = tmp_path / "truth.jsonl"
        made.write_truth(path)  # before anything happens: the plan
        planned = [json.loads(line) for line in path.read_text().splitlines()]
        assert len(planned) > 15
        assert {line["device"] for line in planned} >= {"DL-001", "DL-002"}
        assert all(line["gateway"] == "GW-DT-001" and line["class"] == "fault" for line in planned)
        list(made.minutes(made.start_ms + 3 * HOUR_MS))
        made.write_truth(path)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        conditions = {line["fault"] for line in lines if line["class"] == "condition"}
        assert {"surcharge", "water-on-road", "basin-high"} <= conditions
        assert len({(line["id"], line["device"]) for line in lines}) == len(lines)
    finally:
        made.close()
