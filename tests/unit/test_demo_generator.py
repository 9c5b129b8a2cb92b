"""The generator's readings, against the contract and the judgement they will meet."""

from collections import Counter
from itertools import islice, pairwise, takewhile

import pytest

from deploy.demo import generator
from deploy.demo.generator import generate
from deploy.demo.recordings import Message
from deploy.registry_file import load_devices
from deploy.settings import Settings
from processors.judge import Impossible, Memory, judge
from processors.limits import limits_of
from schemas import payload
from schemas.codec import loads
from schemas.device import Device
from schemas.instants import HOUR_MS
from schemas.kind import Kind
from schemas.metric import Param, Range, counter, gauge, state
from schemas.streams import STREAMS, find_kind
from tests.factories import device

START_MS = 1_768_435_200_000


def one_of_each() -> list[Device]:
    """A device of every kind, without params, as a careless registry would have it."""
    return [
        device(f"{stream.name}-{kind.name}", stream.name, kind.name, interval_s=kind.interval_s)
        for stream in STREAMS
        for kind in stream.kinds
    ]


def first(devices: list[Device], hours: float, seed: int = 0) -> list[Message]:
    dues = takewhile(lambda due: due.at_ms < hours * HOUR_MS, generate(devices, START_MS, seed))
    return [due.message for due in dues]


def registry() -> list[Device]:
    path = Settings.model_fields["registry"].default
    return load_devices(path)


@pytest.mark.parametrize("devices", [registry(), one_of_each()], ids=["registry", "one of each kind"])
def test_a_day_passes_the_contract_without_a_dead_letter_or_a_flag(devices: list[Device]) -> None:
    by_id = {each.device_id: each for each in devices}
    limits = {d.device_id: limits_of(kind, d) for d in devices if (kind := find_kind(d.stream, d.kind))}
    memories: dict[str, Memory] = {}
    spoke: Counter[str] = Counter()
    for message in first(devices, 24 if len(devices) < 30 else 3):
        stream, kind_name, device_id, channel = message.topic
        assert (by_id[device_id].stream, by_id[device_id].kind) == (stream, kind_name)
        kind = find_kind(stream, kind_name)
        assert kind
        decoded = payload.decode(message.payload, kind, device_id, channel)
        assert not decoded.faults, message
        (candidate,) = decoded.candidates
        flags = judge(candidate.ts_ms, candidate.values, limits[device_id], memories.setdefault(device_id, {}))
        assert not isinstance(flags, Impossible), (message, flags)
        assert not flags, (message, flags)
        assert message.times == (candidate.ts_ms,)
        spoke[device_id] += 1
    assert set(spoke) == set(by_id)


def test_each_device_keeps_its_interval_with_a_phase_of_its_own_and_has_spoken_within_a_minute() -> None:
    devices = [each.model_copy(update={"device_id": f"D-{n}00", "interval_s": n}) for n in (7, 600) for each in one_of_each()[:1]]
    messages = first(devices, 1)
    for each in devices:
        times = [message.at_ms - START_MS for message in messages if message.topic.device_id == each.device_id]
        assert 0 <= times[0] < 60_000
        assert {after - before for before, after in pairwise(times)} == {each.interval_s * 1_000}
    assert [message.at_ms for message in messages] == sorted(message.at_ms for message in messages)
    firsts = {each.device_id: min(m.at_ms for m in messages if m.topic.device_id == each.device_id) for each in devices}
    assert len(set(firsts.values())) == len(devices)


def test_the_same_seed_says_the_same_and_another_something_else() -> None:
    devices = one_of_each()
    assert first(devices, 0.2, seed=1) == first(devices, 0.2, seed=1)
    assert first(devices, 0.2, seed=1) != first(devices, 0.2, seed=2)


def test_a_device_says_the_same_whoever_else_is_there() -> None:
    devices = one_of_each()
    alone = first(devices[3:4], 0.5)
    assert alone == [m for m in first(devices, 0.5) if m.topic.device_id == devices[3].device_id]


def test_values_move_as_their_nature_says(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Kind(
        "fan",
        "t",
        "t",
        (
            gauge("air_c", "Cel", "a", "a", plausible=Range(-5, 40), max_per_minute=1),
            gauge("deep_m", "m", "d", "d", plausible=Range(0, Param("depth_m"))),
            counter("turns", "1", "t", "t", type="int", wraps_at=2_000),
            counter("kwh", "kW.h", "k", "k"),
            state("mode", "m", "m", "off", "on", "fault"),
            state("is_open", "o", "o"),
        ),
    )
    monkeypatch.setattr(generator, "find_kind", lambda *_: kind)
    fan = one_of_each()[0].model_copy(update={"interval_s": 60, "params": {"depth_m": 3.0}})
    bodies = [loads(due.message.payload) for due in islice(generate([fan], START_MS), 3_000)]
    air = [body["air_c"] for body in bodies]
    assert len(set(air)) > 100
    assert min(air) >= -5
    assert max(air) <= 40
    assert max(abs(b - a) for a, b in pairwise(air)) <= 1
    assert all(0 <= body["deep_m"] <= 3 for body in bodies)
    kwh = [body["kwh"] for body in bodies]
    assert kwh == sorted(kwh)
    turns = [body["turns"] for body in bodies]
    assert all(type(turn) is int and 0 <= turn < 2_000 for turn in turns)
    assert sum(b < a for a, b in pairwise(turns)) in (0, 1)
    assert {body["mode"] for body in bodies} >= {"off", "on"}
    assert {body["is_open"] for body in bodies} == {True, False}
    assert [body["seq"] for body in bodies[:3]] == [1, 2, 3]


def test_without_devices_there_is_nothing() -> None:
    assert list(generate([], START_MS)) == []
