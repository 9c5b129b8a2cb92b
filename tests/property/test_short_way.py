"""What takes the short way through validate ends as it would on the long one."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from processors.judge import Memory, judge
from processors.limits import limits_of
from schemas.kind import Kind
from schemas.metric import Metric
from schemas.payload import decode, parser, sure
from schemas.streams import STREAMS
from tests.factories import device
from tests.payloads import DEVICE_ID, nearly, noise, objects, values

STREAM_OF = {kind: stream.name for stream in STREAMS for kind in stream.kinds}
kinds = st.sampled_from([kind for kind in STREAM_OF if parser(kind)])


def near_the_bounds(metric: Metric) -> st.SearchStrategy[Any]:
    """Plausible, just so, just not, and what stands for no value."""
    if not metric.is_number:
        return values(metric)
    low, high = metric.plausible_everywhere
    floor, ceiling = -1e6 if low is None else low, 1e6 if high is None else high
    inside: st.SearchStrategy[float] = st.floats(floor, ceiling) | st.sampled_from([floor, ceiling, floor - 0.5, ceiling + 0.5])
    if metric.sentinels:
        inside |= st.sampled_from(metric.sentinels)
    return inside.map(int) if metric.type == "int" else inside


@st.composite
def bodies(draw: st.DrawFn, kind: Kind) -> dict[str, Any]:
    chosen = draw(st.lists(st.sampled_from(kind.metrics), min_size=1, max_size=6, unique=True))
    chosen += [metric for metric in kind.metrics if metric.required and metric not in chosen]
    return {"ts": draw(st.integers(0, 2**41)), **{metric.name: draw(near_the_bounds(metric)) for metric in chosen}}


@given(st.data(), kinds)
def test_what_the_short_way_takes_the_long_way_decodes_alike(data: st.DataObject, kind: Kind) -> None:
    payload = data.draw(noise(kind) | (objects(kind) | nearly(kind) | bodies(kind)).map(orjson.dumps))
    parse = parser(kind)
    assert parse
    taken = sure(payload, parse)
    assert taken is None or decode(payload, kind, DEVICE_ID, "reading") == ([taken], [])


@given(st.data(), kinds)
def test_and_it_is_judged_alike_reading_after_reading(data: st.DataObject, kind: Kind) -> None:
    params = {one.name: data.draw(st.floats(0.1, 1e4)) for one in kind.params if "curve" not in one.name}
    limits = limits_of(kind, device(DEVICE_ID, STREAM_OF[kind], kind.name, params=params))
    parse = parser(kind)
    assert parse
    short: Memory = {}
    long: Memory = {}
    for body in data.draw(st.lists(bodies(kind), min_size=1, max_size=4)):
        payload = orjson.dumps(body)
        (candidate,) = decode(payload, kind, DEVICE_ID, "reading").candidates
        expected = judge(candidate.ts_ms, candidate.values, limits, long)
        taken = sure(payload, parse)
        if taken is None:
            again = decode(payload, kind, DEVICE_ID, "reading").candidates[0]
            found = judge(again.ts_ms, again.values, limits, short)
        else:
            found = judge(taken.ts_ms, taken.values, limits, short, plausible=True)
        assert (found, short) == (expected, long)


def test_plain_readings_do_take_it() -> None:
    for kind in STREAM_OF:
        parse = parser(kind)
        if parse is None:
            continue
        metric = next((one for one in kind.metrics if not one.is_number), kind.metrics[0])
        low, high = metric.plausible_everywhere if metric.is_number else (None, None)
        value = metric.states[0] if metric.states else True if not metric.is_number else (low or 0) if high is None else high
        required = {one.name: one.plausible_everywhere[1] or 1.0 for one in kind.metrics if one.required}
        assert sure(orjson.dumps({"ts": 1, **required, metric.name: value}), parse), kind.name
