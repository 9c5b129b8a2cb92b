"""Between truth and message: instruments, clocks, radio, and what each device does when it cannot be heard."""

from itertools import pairwise
from statistics import fmean, pstdev
from typing import Any

import pytest

from deploy.demo.city.chance import dice
from deploy.demo.city.district import SensorPart, load_district
from deploy.demo.city.plan import plan_city
from deploy.demo.city.sensors.reporter import Reporter
from deploy.demo.city.sensors.spec import LUCK, spec_of
from deploy.demo.city.system import Values
from deploy.demo.recordings.recording import Message
from schemas import codec
from schemas.instants import DAY_MS, MINUTE_MS
from schemas.metric import Nature
from schemas.streams import STREAMS

PERFECT = SensorPart(
    noise=0, outages_a_day=0, longest_outage=4, duplicates=0, sentinels=0, reboots_a_day=0, clock_s=0
)  # fmt: skip
USUAL = load_district().sensors
DEVICES = {device.device_id: device for device in plan_city(load_district()).devices}
START_MS = 1_768_435_200_000
LEVEL: Values = {"level_m": 0.4321, "flow_m3_h": 100.0, "velocity_m_s": 0.8}


def reporter(device: str, values: Values, part: SensorPart = PERFECT) -> Reporter:
    made = Reporter(DEVICES[device], lambda: dict(values), part, dice(1, device))
    made.begin(START_MS)
    return made


def reports(made: Reporter, count: int) -> list[Message]:
    out: list[Message] = []
    for _ in range(count):
        made.report(out)
    return out


def bodies(messages: list[Message]) -> list[dict[str, Any]]:
    read = [codec.loads(message.payload) for message in messages]
    return [body for each in read for body in (each if isinstance(each, list) else [each])]


def test_a_perfect_instrument_shows_the_truth_at_its_resolution() -> None:
    made = reporter("DL-001", LEVEL)
    body = bodies(reports(made, 1))[0]
    assert (body["level_m"], body["flow_m3_h"], body["velocity_m_s"], body["seq"]) == (0.432, 100.0, 0.8, 1)


def test_noise_and_the_constant_error_are_those_of_the_table() -> None:
    levels = [body["level_m"] for body in bodies(reports(reporter("DL-001", LEVEL, USUAL), 3_000)) if body["level_m"] > 0]
    levels = [level for level in levels if level < 5]  # without sentinels
    assert pstdev(levels) == pytest.approx(0.003, rel=0.25)
    assert fmean(levels) == pytest.approx(0.432, abs=0.02)


def test_the_shared_luck_is_normal() -> None:
    assert fmean(LUCK) == pytest.approx(0, abs=0.05)
    assert pstdev(LUCK) == pytest.approx(1, abs=0.05)


def test_every_measured_metric_has_an_instrument_that_shows_digits() -> None:
    for stream in STREAMS:
        for kind in stream.kinds:
            for metric in kind.metrics:
                spec = spec_of(kind, metric)
                if metric.type == "float" and metric.nature is Nature.GAUGE and not kind.event:
                    assert spec.noise or spec.relative or metric.name == "current_fuel_percent", f"{kind.name}.{metric.name}"


def test_reports_keep_their_interval_with_a_little_jitter() -> None:
    messages = reports(reporter("DL-001", LEVEL), 200)
    gaps = [b.at_ms - a.at_ms for a, b in pairwise(messages)]
    assert all(57_000 <= gap <= 63_000 for gap in gaps)
    assert len(set(gaps)) > 100
    assert fmean(gaps) == pytest.approx(60_000, rel=0.01)


def test_a_device_that_was_out_of_reach_catches_up_in_an_array() -> None:
    made = reporter("DL-001", LEVEL)
    before = reports(made, 3)
    made.gateway_down = True
    assert reports(made, 5) == []
    made.gateway_down = False
    message = reports(made, 1)[0]
    read = codec.loads(message.payload)
    assert [body["seq"] for body in read] == [4, 5, 6, 7, 8, 9]
    assert message.readings == len(message.times) == 6
    assert read[0]["ts"] > codec.loads(before[-1].payload)["ts"]
    assert message.at_ms >= read[-1]["ts"]


def test_a_device_without_memory_loses_what_it_could_not_send() -> None:
    made = reporter("WA-001", {"nh3_mg_m3": 0.5})
    made.gateway_down = True
    assert reports(made, 5) == []
    made.gateway_down = False
    assert [body["seq"] for body in bodies(reports(made, 1))] == [6]


def test_natural_radio_losses_are_short() -> None:
    part = USUAL.model_copy(update={"outages_a_day": 40.0, "duplicates": 0.0})
    messages = reports(reporter("DL-001", LEVEL, part), 2_000)
    longest = max(message.readings for message in messages)
    assert 2 <= longest <= USUAL.longest_outage + 2
    assert sum(message.readings for message in messages) > 1_990


def test_duplicates_come_a_little_later_with_the_same_bytes() -> None:
    messages = reports(reporter("DL-001", LEVEL, PERFECT.model_copy(update={"duplicates": 0.5})), 100)
    twins = [(a, b) for a, b in pairwise(messages) if a.payload == b.payload]
    assert len(twins) > 20
    assert all(1_000 < b.at_ms - a.at_ms < 21_000 for a, b in twins)


def test_a_reboot_begins_sequence_and_volatile_counters_again() -> None:
    part = PERFECT.model_copy(update={"reboots_a_day": 200.0})
    made = reporter("DR-001", {"rain_mm": 12.0, "intensity_mm_h": 0.0}, part)
    read = bodies(reports(made, 300))
    resets = [n for n in range(1, len(read)) if read[n]["seq"] == 1]
    assert resets
    assert {body["rain_mm"] for body in read} == {12.0, 0.0}
    meter = reporter("HX-001", {"primary_energy_kwh": 500.0, "primary_flow_m3_h": 1.0}, part)
    assert {body["primary_energy_kwh"] for body in bodies(reports(meter, 300))} == {500.0}  # a heat meter remembers


def test_sentinels_are_the_metric_s_own() -> None:
    read = bodies(reports(reporter("DL-001", LEVEL, PERFECT.model_copy(update={"sentinels": 0.1})), 300))
    odd = {body["level_m"] for body in read} - {0.432}
    assert odd
    assert odd <= {888.8, -88.8, -999.9, -9999.0}


def test_clocks_are_off_by_seconds_and_differ() -> None:
    offsets = []
    for number in range(1, 40):
        made = reporter(f"DL-{number:03d}", LEVEL, PERFECT.model_copy(update={"clock_s": 4.0}))
        message = reports(made, 1)[0]
        offsets.append(message.times[0] - message.at_ms)
    assert 1_000 < pstdev(offsets) < 9_000
    assert all(abs(offset) < 61_000 for offset in offsets)


def test_times_of_one_device_are_all_different() -> None:
    messages = reports(reporter("DL-007", LEVEL, USUAL.model_copy(update={"duplicates": 0.0})), 3 * 1440)
    times = [ts for message in messages for ts in message.times]
    assert len(set(times)) == len(times)


def test_a_counter_never_steps_back() -> None:
    made = reporter("HX-001", {"primary_energy_kwh": 0.0}, PERFECT)
    shown = []
    for n in range(200):
        made._reader = lambda n=n: {"primary_energy_kwh": 1000 + n * 0.0031}
        shown.append(bodies(reports(made, 1))[0]["primary_energy_kwh"])
    assert shown == sorted(shown)


def test_a_sleeping_device_says_nothing() -> None:
    assert reports(reporter("BK-0001", {}), 10) == []


def test_a_drift_stays_small_for_months() -> None:
    made = reporter("HX-001", {"outdoor_temp_c": -20.0}, PERFECT.model_copy(update={"noise": 1.0}))
    first = fmean(body["outdoor_temp_c"] for body in bodies(reports(made, 200)))
    made.next_ms += 180 * DAY_MS
    later = fmean(body["outdoor_temp_c"] for body in bodies(reports(made, 200)))
    assert 0 < abs(later - first) < 1.0


def test_a_stuck_and_a_drifting_sensor() -> None:
    made = reporter("DL-001", LEVEL, PERFECT)
    made.freeze("level_m")
    made._reader = lambda: {**LEVEL, "level_m": 2.0}
    assert bodies(reports(made, 1))[0]["level_m"] == 0.432
    made.stuck.clear()
    made.offsets["level_m"] = 0.5
    assert bodies(reports(made, 1))[0]["level_m"] == 2.5


def test_garbled_payloads_are_no_json() -> None:
    made = reporter("DL-001", LEVEL, PERFECT)
    made.garbled = 1.0
    for message in reports(made, 20):
        with pytest.raises(ValueError, match=r"."):
            codec.loads(message.payload)
    assert made.interval_ms == MINUTE_MS
