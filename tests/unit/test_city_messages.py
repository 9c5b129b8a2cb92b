"""What the city sends: the contract's messages, in order, the same for the same seed, and all of them accepted."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from deploy.demo.city.city import City
from deploy.demo.city.district import load_district
from deploy.demo.city.plan import plan_city
from deploy.demo.city.scale import Copies, scaled_devices
from deploy.demo.recordings.recording import Message
from processors.validate import ValidateTask
from schemas import codec, topics
from schemas.device import Device, Registry
from schemas.instants import DAY_MS, HOUR_MS, parse_rfc3339
from schemas.ports import Position, Record
from schemas.raw import key_of
from schemas.reason import Flag
from schemas.streams import BY_NAME

pytest.importorskip("pyswmm", reason="needs the extra: pip install 'hanan[city]'")

DISTRICT = load_district()
PLAN = plan_city(DISTRICT)
STORM, COLD = (parse_rfc3339(f"2026-{hour}+08:00") for hour in ("07-22T15:00:00", "01-15T05:00:00"))


def made(start_ms: int, hours: float, seed: int = 1, scale: int = 1, faults: Path | None = None) -> list[Message]:
    city = City(DISTRICT, seed, start_ms, plan=PLAN)
    try:
        if faults:
            city.load_faults(faults)
        minutes = Copies(scale).minutes(city.minutes(start_ms + int(hours * HOUR_MS)), city.start_ms)
        return [message for minute in minutes for message in minute]
    finally:
        city.close()


def digest(messages: list[Message]) -> str:
    total = hashlib.sha256()
    for message in messages:
        total.update(b"%d %s %s\n" % (message.at_ms, str(message.topic).encode(), message.payload))
    return total.hexdigest()


class Judged:
    """Counts of what the validate role makes of messages."""

    def __init__(self, messages: list[Message], devices: list[Device]) -> None:
        registry = Registry({device.device_id: device for device in devices})
        tasks = {name: ValidateTask(stream, registry, 30 * DAY_MS, Position(0)) for name, stream in BY_NAME.items()}
        self.dead: Counter[tuple[str, str]] = Counter()
        self.flags: Counter[str] = Counter()
        self.readings = 0
        by_stream: dict[str, list[Record]] = {}
        for message in messages:
            name = message.topic.stream
            records = by_stream.setdefault(name, [])
            key = key_of(str(message.topic), "c1")
            records.append(Record(topics.raw(name), 0, len(records), key, message.payload, (), message.at_ms + 25))
        for name, records in by_stream.items():
            for record in tasks[name].feed(records).records:
                if record.topic == topics.DEAD:
                    found = dict(record.headers)
                    self.dead[found["device_id"].decode(), found["reason"].decode()] += 1
                else:
                    self.readings += 1
                    if record.value and b'"flags":{}' not in record.value:
                        self.flags.update(codec.loads(record.value)["flags"].values())


@pytest.mark.parametrize(("start_ms", "hours"), [(STORM, 4), (COLD, 4)])
def test_all_traffic_passes_the_pipeline_s_own_validator(start_ms: int, hours: float) -> None:
    messages = made(start_ms, hours)
    judged = Judged(messages, list(PLAN.devices))
    assert judged.dead == Counter()
    assert judged.readings == sum(message.readings for message in messages) > 100_000 * hours / 4 / 2
    doubtful = judged.flags.total() - judged.flags[Flag.SENTINEL.value]
    assert doubtful < judged.readings / 1_000  # backwater in the storm


def test_dead_letters_come_only_from_devices_with_a_fault_that_makes_them(tmp_path: Path) -> None:
    faults = tmp_path / "faults.yaml"
    faults.write_text(
        "faults:\n"
        "  - {fault: garbled-payload, device: DL-005, from: +20m, to: +80m}\n"
        "  - {fault: clock-jump, device: DL-006, from: +20m, to: +80m, luck: 0.9}\n"
        "  - {fault: clock-jump, device: DL-007, from: +20m, to: +80m, luck: 0.1}\n"
        "  - {fault: count-over-capacity, device: BK-0005, from: +20m, to: +80m}\n"
        "  - {fault: gateway-down, device: DL-030, from: +20m, to: +60m}\n",
        encoding="utf-8",
    )
    messages = made(STORM, 1.5, faults=faults)
    judged = Judged(messages, list(PLAN.devices))
    assert {device for device, _ in judged.dead} == {"DL-005", "DL-006"}
    assert {reason for _, reason in judged.dead} == {"not_json", "from_the_future"}
    assert judged.flags[Flag.OVER_CAPACITY.value] > 50
    assert any(message.readings > 30 for message in messages)  # catching up


def test_the_same_seed_makes_the_same_bytes_and_another_does_not() -> None:
    one = digest(made(STORM, 0.5))
    assert one == digest(made(STORM, 0.5))
    assert one != digest(made(STORM, 0.5, seed=2))


def test_leaving_streams_out_changes_nothing_in_the_others() -> None:
    whole = [message for message in made(COLD, 0.5) if message.topic.stream == "heat"]
    city = City(DISTRICT, 1, COLD, streams=("heat",), plan=PLAN)
    assert digest(list(city.messages(COLD + HOUR_MS // 2))) == digest(whole)


def test_messages_come_in_the_order_of_time_at_about_their_intervals() -> None:
    messages = made(COLD, 1)
    times = [message.at_ms for message in messages]
    assert times == sorted(times)
    assert times[0] >= COLD
    count = Counter((message.topic.stream, message.topic.kind) for message in messages)
    assert count["drainage", "level"] == pytest.approx(150 * 60, rel=0.02)
    assert count["heat", "indoor"] == pytest.approx(300 * 6, rel=0.02)
    assert {message.topic.channel for message in messages if message.topic.kind == "weighbridge"} == {"event"}


def test_copies_are_valid_and_differ() -> None:
    messages = made(COLD, 0.4, scale=3)
    judged = Judged(messages, list(scaled_devices(PLAN.devices, 3)))
    assert judged.dead == Counter()
    names = {message.topic.device_id for message in messages}
    assert {"HX-001", "HX-001-001", "HX-001-002"} <= names
    times = [message.at_ms for message in messages]
    assert times == sorted(times)
    by_device = Counter(message.topic.device_id for message in messages if message.topic.kind == "exchange")
    assert by_device["HX-003-002"] == pytest.approx(by_device["HX-003"], abs=2)
    latest = {message.topic.device_id: codec.loads(message.payload) for message in messages if message.readings == 1}
    assert latest["HX-002"] != latest["HX-002-001"]


def test_copies_never_repeat_a_time_of_their_own() -> None:
    messages = made(COLD, 0.4, scale=4)
    own = Counter(
        (m.topic.device_id, m.times) for m in messages if m.topic.device_id.count("-") == 2 and m.topic.kind != "weighbridge"
    )
    assert max(own.values()) == 1
