"""What takes the short way through validate ends as it would on the long one."""

from copy import deepcopy
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from processors.judge import Memory, judge
from processors.limits import limits_of
from processors.short import short_way
from schemas.codec import decode_reading
from schemas.kind import Kind
from schemas.metric import Metric
from schemas.payload import decode
from schemas.plain import parser
from schemas.reading import Reading
from schemas.streams import STREAMS
from schemas.topics import MAX_FUTURE_MS
from tests.factories import device
from tests.payloads import DEVICE_ID, nearly, noise, objects, values

STREAM_OF = {kind: stream.name for stream in STREAMS for kind in stream.kinds}
kinds = st.sampled_from([kind for kind in STREAM_OF if not kind.event])
RETENTION_MS = 2**40


def near_the_bounds(metric: Metric) -> st.SearchStrategy[Any]:
    """Plausible, just so, just not, and what stands for no value."""
    if not metric.is_number:
        return values(metric)
    low, high = metric.plausible_everywhere
    floor, ceiling = -1e6 if low is None else low, 1e6 if high is None else high
    inside: st.SearchStrategy[float] = st.floats(floor, ceiling) | st.sampled_from([floor, ceiling, floor - 0.5, ceiling + 0.5])
    if metric.sentinels:
        inside |= st.sampled_from(metric.sentinels)
    return inside.map(int) if metric.type == "int" else inside | inside.map(int)


@st.composite
def bodies(draw: st.DrawFn, kind: Kind) -> dict[str, Any]:
    chosen = draw(st.lists(st.sampled_from(kind.metrics), max_size=6, unique=True))
    chosen += [metric for metric in kind.metrics if metric.required and metric not in chosen]
    body = {"ts": draw(st.integers(0, 2**41)), **{metric.name: draw(near_the_bounds(metric)) for metric in chosen}}
    body |= draw(st.fixed_dictionaries({}, optional={"seq": st.integers(-(2**63), 2**63 - 1) | st.none()}))
    return dict(draw(st.permutations(list(body.items()))))


@given(st.data(), kinds)
def test_reading_after_reading_ends_as_on_the_long_way(data: st.DataObject, kind: Kind) -> None:
    params = {one.name: data.draw(st.floats(0.1, 1e4)) for one in kind.params if "curve" not in one.name}
    limits = limits_of(kind, device(DEVICE_ID, STREAM_OF[kind], kind.name, params=params))
    memory: Memory = {}
    short = short_way(kind, DEVICE_ID, limits, memory, RETENTION_MS)
    assert short
    payloads = st.lists(noise(kind) | (objects(kind) | nearly(kind) | bodies(kind)).map(orjson.dumps), min_size=1, max_size=4)
    for payload in data.draw(payloads):
        received_at_ms = data.draw(st.integers(0, 2**41))
        expected = deepcopy(memory)
        found = short(payload, received_at_ms)
        candidates, faults = decode(payload, kind, DEVICE_ID, "reading")
        if found is None:
            # Flagged perhaps, and judged by now: asked again it is judged as if it had not been
            for candidate in candidates:
                again = deepcopy(candidate.values)
                flags = judge(candidate.ts_ms, candidate.values, limits, expected)
                assert judge(candidate.ts_ms, again, limits, memory) == flags
            assert memory == expected
            continue
        ((_, ts_ms, sent, seq, event_id),) = candidates
        assert not faults
        assert received_at_ms - RETENTION_MS <= ts_ms <= received_at_ms + MAX_FUTURE_MS
        assert judge(ts_ms, sent, limits, expected) == {}
        assert memory == expected
        reading = Reading(STREAM_OF[kind], kind.name, DEVICE_ID, ts_ms, received_at_ms, sent, {}, seq, event_id)
        stored = decode_reading(STREAM_OF[kind], found)
        assert stored == reading
        assert [type(value) for value in stored.values.values()] == [type(sent[name]) for name in stored.values]


def test_plain_readings_do_take_it() -> None:
    for kind in STREAM_OF:
        parse = parser(kind)
        if parse is None:
            continue
        metric = next((one for one in kind.metrics if not one.is_number), kind.metrics[0])
        low, high = metric.plausible_everywhere if metric.is_number else (None, None)
        value = metric.states[0] if metric.states else True if not metric.is_number else (low or 0) if high is None else high
        required = {one.name: one.plausible_everywhere[1] or 1.0 for one in kind.metrics if one.required}
        assert parse(orjson.dumps({"ts": 1, **required, metric.name: value})).ts == 1


def test_what_is_no_text_goes_the_long_way() -> None:
    (level,) = (kind for kind in STREAM_OF if kind.name == "level")
    limits = limits_of(level, device(DEVICE_ID, "drainage", "level", params={"depth_m": 3.0}))
    short = short_way(level, DEVICE_ID, limits, {}, RETENTION_MS)
    assert short
    assert short(b'{"ts":0,"level_m":0.5}', 0)
    assert short(b'{"\x80ts":0,"level_m":0.5}', 0) is None
