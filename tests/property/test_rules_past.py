"""The past of a device answers as one does who keeps every reading and looks through all; so does what parses a reading."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processors.rules.past import STEP_MS, STILL_CAP_MS, Past, Shape
from schemas import codec
from schemas.instants import HOUR_MS, MINUTE_MS, SECOND_MS
from schemas.moment import parser, without
from schemas.reading import Reading
from schemas.streams import find_kind
from tests.factories import NOW_MS

SPANS = {"a": 10 * MINUTE_MS, "b": 3 * MINUTE_MS, "c": 2 * HOUR_MS}
SHAPE = Shape(SPANS, ["a"], 4)
VALUE = st.one_of(st.none(), st.sampled_from([1.0, 1.0, 2, 3.5]))
STEP = st.tuples(st.sampled_from([1, 20, 60, 60, 60, 150, 600, 4_000]), VALUE, VALUE, VALUE)

Said = list[tuple[int, Any]]


def window(said: Said, span_ms: int, ts: int, step_ms: int) -> list[float] | None:
    kept = [each for n, each in enumerate(said) if not step_ms or n == 0 or said[n - 1][0] // step_ms != each[0] // step_ms]
    start, reach_ms = ts - span_ms, 2 * max(MINUTE_MS, step_ms)
    first = next((at for at, value in kept if value is not None and at >= start - reach_ms), None)
    if first is None or first > start + reach_ms:
        return None
    return [float(value) for at, value in kept if at > start and value is not None] or None


def held_s(said: Said, ts: int) -> float | None:
    spoken = [each for each in said if each[1] is not None]
    if not spoken or spoken[-1][0] != ts:
        return None
    since = spoken[0][0]
    for (before, value), (after, other) in pairwise(spoken):
        if other != value or after - before > STILL_CAP_MS:
            since = after
    return min(ts - since, STILL_CAP_MS) / 1_000


@given(st.lists(STEP, min_size=1, max_size=60), st.booleans())
def test_it_answers_as_if_all_were_kept(steps: list[tuple[int, Any, Any, Any]], reloaded: bool) -> None:
    past, ts, said = Past(SHAPE, MINUTE_MS), NOW_MS, {name: Said() for name in SPANS}
    for seconds, *values in steps:
        ts += seconds * SECOND_MS
        for name, value in zip(SPANS, values, strict=True):
            said[name].append((ts, value))
        past.note(ts, SimpleNamespace(**dict(zip(SPANS, values, strict=True))))
        if reloaded:
            past = past.reshaped(SHAPE)
        for name, span_ms in SPANS.items():
            found = past.window(name, span_ms, ts)
            expected = window(said[name], span_ms, ts, STEP_MS if span_ms > HOUR_MS else 0)
            assert (found if found is None else list(found)) == expected
        assert past.held_s(0, ts) == held_s(said["a"], ts)
        times = [at for at, _ in said["a"]]
        if len(times) < 4 or ts - times[-4] > 3 * 4 * MINUTE_MS:
            assert past.span(4, ts) is None
        elif ts - times[-4] < 4 * MINUTE_MS:
            assert past.span(4, ts) == (ts - times[-4]) / MINUTE_MS


def test_a_reading_is_parsed_as_it_was_written() -> None:
    kind = find_kind("heat", "exchange")
    assert kind
    values = {"secondary_flow_m3_h": 197, "valve_opening": 0.5, "circulation_pump": "running"}
    reading = Reading("heat", "exchange", "HX-001", NOW_MS, NOW_MS + 5, values, {"valve_opening": "stuck"}, 7)
    moment = parser(kind)(codec.encode_reading(reading))
    assert (moment.ts, moment.received_at, moment.flags) == (NOW_MS, NOW_MS + 5, {"valve_opening": "stuck"})
    found = {name: getattr(moment.values, name) for name in kind.by_name}
    assert {name: value for name, value in found.items() if value is not None} == values
    assert type(moment.values.secondary_flow_m3_h) is int
    good = without(moment.values, moment.flags)
    assert (good.valve_opening, good.secondary_flow_m3_h, moment.values.valve_opening) == (None, 197, 0.5)
