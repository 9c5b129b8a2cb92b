"""What devices send, for hypothesis: payloads as they should be, and as they should not."""

from typing import Any

import orjson
from hypothesis import strategies as st

from schemas.kind import Kind
from schemas.metric import Metric
from schemas.streams import STREAMS

DEVICE_ID = "X-001"
KINDS = tuple(kind for stream in STREAMS for kind in stream.kinds)
INT64 = (-(2**63), 2**63 - 1)

kinds = st.sampled_from(KINDS)
finite = st.floats(allow_nan=False, allow_infinity=False)
rfc3339 = (
    st.datetimes().map(lambda moment: moment.isoformat()).flatmap(lambda text: st.sampled_from([f"{text}Z", f"{text}+08:00"]))
)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | finite | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def values(metric: Metric) -> st.SearchStrategy[Any]:
    if metric.type == "word":
        return st.sampled_from(metric.states)
    if metric.type == "bool":
        return st.booleans()
    return st.integers(*INT64) if metric.type == "int" else finite | st.integers(-(10**6), 10**6)


@st.composite
def objects(draw: st.DrawFn, kind: Kind) -> dict[str, Any]:
    """A well-formed payload object: some metrics, some of them null, at least one with a value."""
    body: dict[str, Any] = {"ts": draw(st.integers(*INT64) | rfc3339)}
    body |= draw(st.fixed_dictionaries({}, optional={"seq": st.none() | st.integers(*INT64), "device_id": st.just(DEVICE_ID)}))
    if kind.event:
        body["event_id"] = draw(st.text(min_size=1, max_size=64))
    body |= {metric.name: draw(values(metric)) for metric in kind.metrics if metric.required}
    sure = draw(st.sampled_from(kind.metrics))
    body[sure.name] = draw(values(sure))
    for metric in draw(st.lists(st.sampled_from(kind.metrics), max_size=6)):
        body.setdefault(metric.name, draw(st.none() | values(metric)))
    body |= draw(st.dictionaries(st.text(max_size=4).map("_{}".format), any_json, max_size=1))
    return body


@st.composite
def nearly(draw: st.DrawFn, kind: Kind) -> dict[str, Any]:
    """A well-formed object, or one with something wrong: names, types, absences as they come."""
    body = draw(objects(kind))
    for name in draw(st.lists(st.sampled_from(["ts", "seq", "event_id", *kind.by_name, "no_such_metric"]), max_size=2)):
        if draw(st.booleans()):
            body.pop(name, None)
        else:
            body[name] = draw(any_json)
    return body


@st.composite
def noise(draw: st.DrawFn, kind: Kind) -> bytes:
    """Any bytes, any JSON, a payload with a piece cut out or a byte changed."""
    body = nearly(kind) | st.lists(nearly(kind) | any_json, max_size=4) | any_json
    data = draw(body.map(orjson.dumps) | st.binary(max_size=40))
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, min(len(data), start + 3)))
    middle = draw(st.just(data[start:end]) | st.binary(max_size=3) | st.sampled_from([b"NaN", b"1e999", b"[" * 2_000, b'"\xff"']))
    return data[:start] + middle + data[end:]
