"""What becomes of the recordings in validate: each kind of dirt ends where the design says, with its reason."""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.cli.feed import default_data
from deploy.demo.player import put
from deploy.demo.recordings import Message, open_recording, present
from processors.validate import ValidateTask
from schemas import topics
from schemas.codec import decode_reading
from schemas.dead import from_record
from schemas.device import Device, Registry, encode
from schemas.instants import DAY_MS, parse_rfc3339
from schemas.metric import LOGGER_SENTINELS
from schemas.ports import Position, Record
from schemas.raw import key_of
from schemas.reading import Reading
from schemas.streams import BY_NAME

GOLDEN = Path(__file__).parents[1] / "golden" / "recordings"
NOW_MS = parse_rfc3339("2026-11-24T09:00:00Z")


@dataclass
class Outcome:
    """What came out of one recording."""

    messages: int = 0
    readings: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    good: int = 0
    flags: Counter[tuple[str, str]] = field(default_factory=Counter)
    identities: set[tuple[object, ...]] = field(default_factory=set)
    stored: list[Reading] = field(default_factory=list)

    @property
    def suspect(self) -> int:
        return len(self.stored) - self.good

    @property
    def repeats(self) -> int:
        return len(self.stored) - len(self.identities)


def validated(stream: str, messages: Iterable[Message], devices: Iterable[Device], now_ms: int) -> Outcome:
    """All of a recording through one partition of validate, received at one moment."""
    registry = Registry()
    for device in devices:
        assert registry.apply(device.device_id, encode(device)) is None
    task = ValidateTask(BY_NAME[stream], registry, 30 * DAY_MS, Position(0))
    outcome = Outcome()
    records = []
    for offset, message in enumerate(messages):
        records.append(Record(topics.raw(stream), 0, offset, key_of(str(message.topic), "c1"), message.payload, (), now_ms))
        outcome.messages += 1
        outcome.readings += message.readings
    for out in task.feed(records).records:
        assert out.value is not None
        if out.topic == topics.DEAD:
            letter = from_record(Record(out.topic, 0, 0, out.key, out.value, out.headers, out.timestamp_ms))
            outcome.dead[letter.reason.value] += letter.readings
        else:
            reading = decode_reading(stream, out.value)
            outcome.stored.append(reading)
            outcome.good += reading.quality == "good"
            outcome.flags.update(reading.flags.items())
            outcome.identities.add(reading.identity)
    assert outcome.readings == len(outcome.stored) + outcome.dead.total()
    return outcome


def played(data: Path, name: str) -> Outcome:
    recording = open_recording(data, name)
    return validated(name, put(recording, NOW_MS).messages(), recording.devices(), NOW_MS)


def no_sentinel_is_a_value(outcome: Outcome) -> bool:
    return not any(value in LOGGER_SENTINELS for reading in outcome.stored for value in reading.values.values())


def test_made_up_bike_dirt() -> None:
    outcome = played(GOLDEN, "bike")
    assert outcome.dead == {"beyond_retention": 1, "unknown_device": 1, "missing_ts": 1, "wrong_type": 1, "not_json": 1}
    assert outcome.flags == {("num_vehicles_available", "over_capacity"): 1, ("num_docks_available", "over_capacity"): 1}
    assert (len(outcome.stored), outcome.good, outcome.repeats) == (3, 2, 1)


def test_made_up_heat_sentinels_are_never_values() -> None:
    outcome = played(GOLDEN, "heat")
    assert no_sentinel_is_a_value(outcome)
    assert outcome.flags["temp_c", "sentinel"] == 4
    assert outcome.flags["primary_supply_pressure_mpa", "sentinel"] == 1
    assert outcome.dead == {"wrong_type": 2}


def real(name: str) -> Outcome:
    """All of it can be sent, and no local time in it is in doubt."""
    data = default_data()
    if name not in present(data):
        pytest.skip(f"there is no recording {name} in {data}; HANAN_DATA={os.environ.get('HANAN_DATA', '')!r}")
    recording = open_recording(data, name)
    assert not recording.unsendable
    assert not recording.notes
    return validated(name, put(recording, NOW_MS).messages(), recording.devices(), NOW_MS)


@pytest.mark.recordings
class TestReal:
    """Exact, since the moment at which it is played is fixed."""

    def test_bike(self) -> None:
        outcome = real("bike")
        assert (outcome.messages, outcome.readings) == (20_011, 20_011)
        assert outcome.dead == {"beyond_retention": 60, "not_json": 1}
        assert (len(outcome.stored), outcome.good, outcome.repeats) == (19_950, 19_950, 3_331)

    def test_waste(self) -> None:
        outcome = real("waste")
        assert (outcome.messages, outcome.readings) == (53_868, 53_868)
        assert outcome.dead == {"beyond_retention": 42_500}
        assert (len(outcome.stored), outcome.good, outcome.repeats) == (11_368, 11_368, 2_808)

    def test_heat(self) -> None:
        outcome = real("heat")
        assert (outcome.messages, outcome.readings) == (288, 17_280)
        assert outcome.dead == {"beyond_retention": 14_400}
        assert (len(outcome.stored), outcome.good, outcome.repeats) == (2_880, 0, 0)
        sentinels = {"outdoor_temp_c", "primary_supply_pressure_mpa", "primary_flow_m3_h", "temp_c"}
        assert {metric for metric, flag in outcome.flags if flag == "sentinel"} == sentinels
        assert {outcome.flags[metric, "sentinel"] for metric in sentinels} == {1_440}
        assert no_sentinel_is_a_value(outcome)

    def test_drainage(self) -> None:
        outcome = real("drainage")
        assert (outcome.messages, outcome.readings) == (12_667, 45_028)
        assert outcome.dead == {"no_metric": 6_048, "beyond_retention": 37_282}
        assert (len(outcome.stored), outcome.repeats) == (1_698, 0)
