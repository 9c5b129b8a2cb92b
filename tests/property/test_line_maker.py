"""A point made of a written reading's text is the one that is made of its values."""

import re
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from processors.points import line, line_maker
from schemas.codec import decode_reading, encode_reading
from schemas.reading import Reading
from schemas.reason import Flag
from schemas.streams import BY_NAME, STREAMS
from tests.payloads import DEVICE_ID, any_json, values

KINDS = [(stream.name, kind) for stream in STREAMS for kind in stream.kinds]
MAKERS = {name: line_maker(stream) for name, stream in BY_NAME.items()}


def parts(point: str) -> tuple[str, dict[str, Any], str]:
    """Series, fields with numbers as numbers, time: the order of fields and the spelling of a number say nothing."""
    series, fields, time = re.fullmatch(r"(\S+) (.*) (-?\d+)", point).groups()  # type: ignore[union-attr]
    found = dict(field.split("=", 1) for field in re.findall(r'\w+=(?:"[^"]*"|[^,]*)', fields))
    assert ",".join(f"{name}={text}" for name, text in found.items()) == fields
    return series, {name: _value(text) for name, text in found.items()}, str(int(time))


def _value(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    stream, kind = draw(st.sampled_from(KINDS))
    chosen = draw(st.lists(st.sampled_from(kind.metrics), max_size=6, unique=True))
    sent = {metric.name: draw(values(metric)) for metric in chosen}
    sent |= {metric.name: float(sent[metric.name]) for metric in chosen if metric.type == "float"}
    flags = draw(st.dictionaries(st.sampled_from(kind.metrics).map(lambda one: one.name), st.sampled_from([*Flag]), max_size=2))
    seq, event_id = draw(st.none() | st.integers(0, 2**62)), draw(st.none() | st.text(min_size=1, max_size=9))
    times = st.integers(1, 2**42)
    return Reading(stream, kind.name, DEVICE_ID, draw(times), draw(times), sent, flags, seq, event_id)


@given(readings())
def test_of_whatever_validate_writes(reading: Reading) -> None:
    assert parts(MAKERS[reading.stream](encode_reading(reading))) == parts(line(reading))


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(["ts", "values", "flags", "seq", "kind", "more"]), any_json))
def test_of_whatever_another_writes(of: tuple[str, Any], changes: dict[str, Any]) -> None:
    """The same point, or none: what is not of our form is read as it always was."""
    stream, kind = of
    body = {"kind": kind.name, "device_id": DEVICE_ID, "ts": 1, "received_at": 2, "values": {}, "flags": {}} | changes
    data = orjson.dumps(body)
    try:
        expected = line(decode_reading(stream, data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        try:
            made = MAKERS[stream](data)
        except type(error):
            return
        raise AssertionError(made) from error
    assert MAKERS[stream](data) == expected


def test_the_types_are_those_of_the_rows() -> None:
    whole = Reading("bike", "station", "BK-1", 1_000, 2_000, {"num_vehicles_available": 3, "is_renting": True}, {}, 7)
    assert MAKERS["bike"](encode_reading(whole)) == (
        'bike_station,device_id=BK-1 num_vehicles_available=3i,is_renting=true,quality="good",reasons="-" 1000000000'
    )
    heat = Reading("heat", "indoor", "RM-1", 1_000, 2_000, {"temp_c": 21.0}, {})
    assert MAKERS["heat"](encode_reading(heat)) == (
        'heat_indoor,device_id=RM-1 temp_c=21.0,quality="good",reasons="-" 1000000000'
    )
