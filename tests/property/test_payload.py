"""Whatever bytes come, they are readings or faults; what is well-formed goes through unchanged; the schemas judge alike."""

from functools import cache
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas import codec, contract
from schemas.dead import Fault
from schemas.instants import parse_rfc3339
from schemas.kind import Kind
from schemas.payload import Candidate, Decoded, decode
from schemas.reading import Reading
from schemas.streams import STREAMS
from schemas.topics import SENML
from tests.payloads import DEVICE_ID, any_json, kinds, nearly, noise, objects


def decoded(data: bytes, kind: Kind, channel: str = "reading") -> Decoded:
    return decode(data, kind, DEVICE_ID, channel)


@given(st.data(), kinds, st.sampled_from(["reading", "event", SENML]))
def test_any_bytes_are_readings_or_faults(data: st.DataObject, kind: Kind, channel: str) -> None:
    payload = data.draw(noise(kind))
    result = decoded(payload, kind, channel)
    assert all(type(one) is Candidate and one.values for one in result.candidates)
    assert all(type(one) is Fault and one.readings >= 1 and one.detail.encode() for one in result.faults)
    assert result.readings >= 1
    places = [one.place for one in (*result.candidates, *result.faults)]
    assert len(places) == len(set(places))
    for one in result.candidates:
        assert codec.encode_reading(reading_of(kind, one))


@given(st.data(), kinds)
def test_every_item_of_an_array_is_accounted_for(data: st.DataObject, kind: Kind) -> None:
    items = data.draw(st.lists(nearly(kind) | any_json, min_size=1, max_size=5))
    result = decoded(orjson.dumps(items), kind)
    assert result.readings == len(items)
    assert sorted(one.place for one in (*result.candidates, *result.faults)) == list(range(len(items)))


@given(st.data(), kinds)
def test_a_bad_item_does_not_touch_its_neighbours(data: st.DataObject, kind: Kind) -> None:
    good = data.draw(st.lists(objects(kind), min_size=1, max_size=3))
    bad = data.draw(st.lists(any_json.filter(lambda value: not isinstance(value, dict)), max_size=3))
    places = data.draw(st.permutations(range(len(good) + len(bad))))
    mixed: list[Any] = [None] * len(places)
    for place, item in zip(places, [*good, *bad], strict=True):
        mixed[place] = item
    result = decoded(orjson.dumps(mixed), kind)
    alone = [decoded(orjson.dumps(item), kind).candidates[0] for item in good]
    assert sorted(result.candidates, key=lambda one: places.index(one.place)) == [
        one._replace(place=place) for place, one in zip(places, alone, strict=False)
    ]
    assert sorted(fault.place for fault in result.faults) == sorted(places[len(good) :])


@given(st.data(), kinds)
def test_what_is_well_formed_goes_through_unchanged(data: st.DataObject, kind: Kind) -> None:
    body = data.draw(objects(kind))
    (candidate,) = decoded(orjson.dumps(body), kind).candidates
    assert candidate.values == {name: body[name] for name in kind.by_name if body.get(name) is not None}
    assert candidate.ts_ms == (body["ts"] if isinstance(body["ts"], int) else parse_rfc3339(body["ts"]))
    assert (candidate.seq, candidate.event_id) == (body.get("seq"), body.get("event_id"))
    types = {"float": float, "int": int, "bool": bool, "word": str}
    assert all(type(value) is types[kind.by_name[name].type] for name, value in candidate.values.items())


@given(st.data(), kinds, st.integers(0, 2**53))
def test_a_reading_survives_its_encoding(data: st.DataObject, kind: Kind, received_at_ms: int) -> None:
    (candidate,) = decoded(orjson.dumps(data.draw(objects(kind))), kind).candidates
    reading = reading_of(kind, candidate, received_at_ms)
    assert codec.decode_reading("any", codec.encode_reading(reading)) == reading


def reading_of(kind: Kind, one: Candidate, received_at_ms: int = 0) -> Reading:
    flags = dict.fromkeys(list(one.values)[:1], "out_of_range")
    return Reading("any", kind.name, DEVICE_ID, one.ts_ms, received_at_ms, one.values, flags, one.seq, one.event_id)


@cache
def schema(kind: Kind) -> Draft202012Validator:
    (stream,) = (stream for stream in STREAMS if kind in stream.kinds)
    found = contract.payload_schema(stream, kind)
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


@given(st.data(), kinds)
def test_the_published_schema_and_the_decoder_judge_alike(data: st.DataObject, kind: Kind) -> None:
    items = nearly(kind) | any_json
    payload = orjson.dumps(data.draw(items | st.lists(items, max_size=3)))
    assert schema(kind).is_valid(orjson.loads(payload)) == (not decoded(payload, kind).faults), payload


@given(st.sampled_from(["ts", "seq", "num_docks_available"]), st.floats(-(2.0**64), 2.0**64).map(round) | st.floats(-1e3, 1e3))
@example("num_docks_available", -(2.0**63))
@example("num_docks_available", 2.0**63)
@example("ts", 3.0)
def test_a_whole_number_is_an_integer_however_it_is_written(name: str, number: float) -> None:
    (kind,) = (kind for kind in STREAMS[0].kinds if kind.name == "station")
    payload = orjson.dumps({"ts": 1, "supply_v": 12.0} | {name: float(number)})
    result = decoded(payload, kind)
    assert schema(kind).is_valid(orjson.loads(payload)) == (not result.faults)
    if not result.faults:
        one = result.candidates[0]
        got = {"ts": one.ts_ms, "seq": one.seq}.get(name, one.values.get(name))
        assert type(got) is int
        assert got == number
