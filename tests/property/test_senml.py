"""A SenML pack says the same as the JSON objects it was made from, however it is packed."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schemas.dead import Fault
from schemas.kind import Kind
from schemas.payload import decode
from schemas.senml import SYMBOLS, resolve
from schemas.topics import SENML
from tests.payloads import DEVICE_ID, KINDS, any_json, values

reading_kinds = st.sampled_from([kind for kind in KINDS if not kind.event])
moments = st.integers(2**28 * 1_000, 10**14)


@st.composite
def series(draw: st.DrawFn, kind: Kind) -> list[dict[str, Any]]:
    """Readings at different times, each with some metrics."""
    found = []
    for ts_ms in draw(st.lists(moments, min_size=1, max_size=3, unique=True)):
        chosen = draw(st.lists(st.sampled_from(kind.metrics), min_size=1, max_size=4, unique=True))
        found.append({"ts": ts_ms} | {metric.name: draw(values(metric)) for metric in chosen})
    return found


@st.composite
def packed(draw: st.DrawFn, kind: Kind, readings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A pack of them: base fields or none, a spelling of the unit or none."""
    prefix = draw(st.sampled_from(["", f"{DEVICE_ID}:", f"{DEVICE_ID}/", f"urn:dev:x:{DEVICE_ID}:"]))
    base_s = draw(st.sampled_from([0, 2**28, 2**30]))
    pack: list[dict[str, Any]] = []
    for reading in readings:
        for name in reading.keys() - {"ts"}:
            metric, value = kind.by_name[name], reading[name]
            label = {"word": "vs", "bool": "vb"}.get(metric.type, "v")
            record = {"n": name, "t": (reading["ts"] - base_s * 1_000) / 1_000, label: value}
            unit = draw(st.sampled_from([None, metric.unit, *sorted(SYMBOLS.get(metric.unit, ()))])) if metric.unit else None
            pack.append(record | ({"u": unit} if unit else {}))
    pack[0] |= {"bn": prefix, "bt": base_s, "bver": 10}
    return pack


@given(st.data(), reading_kinds)
def test_a_pack_says_the_same_as_the_objects(data: st.DataObject, kind: Kind) -> None:
    readings = data.draw(series(kind))
    pack = data.draw(packed(kind, readings))
    assert decode(orjson.dumps(pack), kind, DEVICE_ID, SENML) == decode(orjson.dumps(readings), kind, DEVICE_ID, "reading")


labels = st.sampled_from(["bn", "bt", "bu", "bv", "bver", "bs", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut", "x", "must_"])
likely = st.sampled_from([DEVICE_ID, f"{DEVICE_ID}:", "temp_c", "Cel", 2**28, 2**30, 10, 1, 1.5, True, 1e308])


@given(st.lists(st.dictionaries(labels, likely | any_json, max_size=5), max_size=5) | any_json, reading_kinds)
def test_any_json_is_objects_or_a_fault(body: Any, kind: Kind) -> None:
    body = orjson.loads(orjson.dumps(body))
    found = resolve(body, kind, DEVICE_ID)
    if isinstance(found, Fault):
        assert found.detail
    else:
        assert found
        assert all(type(item["ts"]) is int and len(item) > 1 for item in found)
