"""What windows are made of, in the fast form against the plain one."""

from collections import Counter
from itertools import chain, pairwise
from typing import Any

from ddsketch.mapping import LogarithmicMapping
from hypothesis import given
from hypothesis import strategies as st

from processors.windows import parts
from processors.windows.plan import Plan
from processors.windows.sketch import RELATIVE_ACCURACY, merged, sketch_of, without
from schemas.codec import decode_reading, encode_fields
from schemas.kind import Kind
from schemas.metric import Metric
from schemas.numbers import Forms
from schemas.streams import BY_NAME

MAPPING = LogarithmicMapping(RELATIVE_ACCURACY)
NUMBERS = st.floats(-1e12, 1e12) | st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 5e-324, 1e308])
KINDS = [(stream, kind) for stream in BY_NAME.values() for kind in stream.kinds]


def bins(values: list[float]) -> list[int]:
    """As the definition says: a count for each of the library's bins, which are even above 0 and odd below."""
    tiny = MAPPING.min_possible
    above = Counter(2 * MAPPING.key(value) for value in values if value > tiny)
    below = Counter(2 * MAPPING.key(-value) + 1 for value in values if value < -tiny)
    zeros = len(values) - above.total() - below.total()
    return [zeros, *chain.from_iterable(sorted((above + below).items()))]


@given(st.lists(st.lists(NUMBERS, max_size=8), max_size=5))
def test_a_sketch_is_the_counts_of_the_bins_however_it_is_made(many: list[list[float]]) -> None:
    sketches = [sketch_of(values) for values in many]
    assert sketches == [bins(values) for values in many]
    whole = bins([value for values in many for value in values])
    assert merged(sketches) == whole
    for values in many:
        rest = [value for others in many if others is not values for value in others]
        assert without(whole, sketch_of(values)) == bins(rest)


def value_of(metric: Metric) -> st.SearchStrategy[Any]:
    if metric.type == "word":
        return st.sampled_from(metric.states)
    if metric.type == "bool":
        return st.booleans()
    return st.integers(-(2**53), 2**53) if metric.type == "int" else st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def readings(draw: st.DrawFn) -> tuple[str, Kind, bytes]:
    stream, kind = draw(st.sampled_from(KINDS))
    values = draw(st.fixed_dictionaries({}, optional={metric.name: value_of(metric) for metric in kind.metrics}))
    flagged = draw(st.sets(st.sampled_from([*[metric.name for metric in kind.metrics], "not_of_this_kind"]), max_size=2))
    ts = draw(st.integers(1, 2**42))
    event_id = draw(st.none() | st.text(min_size=1, max_size=9))
    flags = dict.fromkeys(sorted(flagged), "out_of_range")
    return stream.name, kind, encode_fields(kind.name, "D-1", ts, ts + 5, values, flags, draw(st.none() | st.just(7)), event_id)


@given(readings())
def test_a_row_is_the_same_by_either_way(given_reading: tuple[str, Kind, bytes]) -> None:
    stream, kind, data = given_reading
    plan, forms, reading = Plan(kind), Forms(BY_NAME[stream]), decode_reading(stream, data)
    found = forms.read(data)
    assert forms.kinds[type(found)] == kind.name
    assert (found.device_id, found.ts, found.received_at) == (reading.device_id, reading.ts_ms, reading.received_at_ms)
    assert found.event_id == reading.event_id
    assert plan.pack_numbers(found) == plan.pack(reading.ts_ms, reading.values, reading.flags)


@given(st.lists(st.tuples(st.integers(1, 60_000), st.sampled_from([0, 1])), min_size=1, max_size=9), st.integers(0, 1), st.data())
def test_a_steady_state_is_measured_as_any_other(steps: list[tuple[int, int]], before_code: int, data: st.DataObject) -> None:
    """Spoken for by each reading until the next, and no longer than the silence; with or without a change between them."""
    silence, start = data.draw(st.integers(1, 70_000)), 600_000
    times = [start - 1 + sum(step for step, _ in steps[: n + 1]) for n in range(len(steps))]
    end = times[-1] + data.draw(st.integers(1, 90_000))
    before = data.draw(st.none() | st.tuples(st.integers(start - 90_000, start - 1), st.just(before_code)))
    column = next(column for _, kind in KINDS for column in Plan(kind).columns if column.name == "pump_1")
    codes = [steps[0][1]] * len(times)
    if all(later - time <= silence for time, later in pairwise(times)):
        fast = parts.steady_state(len(times), codes[0], (times[0], times[-1]), column, (start, end), silence, before)
        assert fast == parts.measure_state(times, codes, column, (start, end), silence, before)
