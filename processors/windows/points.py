"""Windows as InfluxDB line protocol: `<stream>_<kind>,device_id=…,window=1m readings=…,temp_c_count=…,… <ns>`.

A point has its whole field set each time, since InfluxDB keeps fields that a later point leaves out: all states of a metric,
and of a metric without a good value that it has none (`…_count=0i`).
"""

from collections.abc import Callable, Iterator, Sequence

from processors.windows.sketch import quantile
from schemas.aggregate import Part, Window, decode
from schemas.fields import aggregate_field, state_field, states_of
from schemas.kind import Kind, Stream
from schemas.metric import Aggregation, Metric, Nature

_NS_PER_MS = 1_000_000
_MS_PER_SECOND = 1_000

Fields = Callable[[Part], str]  # of one metric


class WindowLines:
    """Of one stream. Called with a record's value; ValueError, KeyError or TypeError where that holds no windows."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._kinds = {kind.name: [(metric.name, *_fields_of(kind, metric)) for metric in kind.metrics] for kind in stream.kinds}

    def __call__(self, value: bytes) -> Sequence[str]:
        level, windows = decode(value)
        return [self._line(level, window) for window in windows]

    def _line(self, level: str, window: Window) -> str:
        kind, found = window["kind"], window["metrics"].get
        device_id, zone = window["device_id"], window["zone"]
        tags = f"device_id={device_id},window={level}" if device_id else f"window={level},zone={zone}"
        fields = [f"readings={window['readings']}i,suspect={window['suspect']}i,expected={window['expected']}i"]
        if not device_id:
            fields.append(f"devices={window['devices']}i")
        for name, fields_of, none in self._kinds[kind]:
            part = found(name)
            text = none if part is None else fields_of(part)
            if text:
                fields.append(text)
        return f"{self._stream.measurement(kind)},{tags} {','.join(fields)} {window['start'] * _NS_PER_MS}"


def _fields_of(kind: Kind, metric: Metric) -> tuple[Fields, str]:
    """How a part is written, and what is written where there is none."""
    count = aggregate_field(metric, Aggregation.COUNT)
    if metric.nature is Nature.LABEL:
        return _label(metric), ""
    make = {Nature.GAUGE: _gauge, Nature.COUNTER: _counter, Nature.STATE: _state}
    return make[metric.nature](kind, metric), f"{count}=0i"


def _gauge(_kind: Kind, metric: Metric) -> Fields:
    count, low, high, mean, last, p95, total = [
        aggregate_field(metric, how)
        for how in (
            Aggregation.COUNT,
            Aggregation.MIN,
            Aggregation.MAX,
            Aggregation.MEAN,
            Aggregation.LAST,
            Aggregation.P95,
            Aggregation.SUM,
        )
    ]
    number = _number(metric)
    sketched, summed = Aggregation.P95 in metric.extra, Aggregation.SUM in metric.extra

    def fields(part: Part) -> str:
        amount, newest = part[0], part[1]
        if amount == 1 and newest is not None:
            value = number(newest)
            text = f"{count}=1i,{low}={value},{high}={value},{mean}={float(newest)!r},{last}={value}"
            if sketched:
                text += f",{p95}={float(newest)!r}"
            return f"{text},{total}={value}" if summed else text
        text = f"{count}={amount}i,{low}={number(part[3])},{high}={number(part[4])},{mean}={float(part[5] / amount)!r}"
        if newest is not None:
            text += f",{last}={number(newest)}"
        if sketched:
            text += f",{p95}={quantile(part[6], 0.95)!r}"
        return f"{text},{total}={number(part[5])}" if summed else text

    return fields


def _counter(_kind: Kind, metric: Metric) -> Fields:
    count, increase, last = [aggregate_field(metric, how) for how in (Aggregation.COUNT, Aggregation.INCREASE, Aggregation.LAST)]
    number = _number(metric)

    def fields(part: Part) -> str:
        text = f"{count}={part[0]}i,{increase}={number(part[1])}"
        return f"{text},{last}={number(part[2])}" if len(part) > 2 else text  # noqa: PLR2004  # a zone has no last

    return fields


def _state(kind: Kind, metric: Metric) -> Fields:
    count, last = (aggregate_field(metric, how) for how in (Aggregation.COUNT, Aggregation.LAST))
    names = [(state, state_field(kind, metric, state)) for state in states_of(metric)]
    event = kind.event

    def fields(part: Part) -> str:
        amount = part[1].get
        if event:
            amounts = [f"{name}={amount(state, 0)}i" for state, name in names]
        else:
            amounts = [f"{name}={amount(state, 0) / _MS_PER_SECOND!r}" for state, name in names]
        text = f"{count}={part[0]}i,{','.join(amounts)}"
        return f'{text},{last}="{part[2]}"' if len(part) > 2 else text  # noqa: PLR2004  # a zone has no last

    return fields


def _label(metric: Metric) -> Fields:
    last, number = aggregate_field(metric, Aggregation.LAST), _number(metric)
    return lambda part: f"{last}={number(part[1])}"


def _number(metric: Metric) -> Callable[[float], str]:
    """InfluxDB fixes a field's type at its first point: it is the metric's own, whatever a value looks like."""
    if metric.type == "int":
        return lambda value: f"{int(value)}i"
    return lambda value: repr(float(value))


def field_names(kind: Kind) -> Iterator[str]:
    """All that a device's window of that kind may have, for whoever asks for them by name."""
    yield from ("readings", "suspect", "expected")
    for metric in kind.metrics:
        for how in metric.aggregations:
            if how is Aggregation.SECONDS:
                yield from (state_field(kind, metric, state) for state in states_of(metric))
            else:
                yield aggregate_field(metric, how)
