"""Line protocol. A reading is `<stream>_<kind>,device_id=… metric=…,quality="good",reasons="-" <ns>`.

Tags are identity and nothing else; quality and its reasons are fields, so that a reading judged again overwrites itself.
"""

import re
from collections.abc import Callable, Mapping
from zlib import crc32

from schemas import codec
from schemas.kind import Stream
from schemas.reading import Reading
from schemas.written import NotGood, reader, values_text

_NS_PER_MS = 1_000_000
_BELOW_MS = "000000"
# Never empty text: a Flux query loses it and gives each row behind it the text of the next (influxdata/influxdb#26916).
NOTHING = "-"
NO_REASONS = NOTHING


def line(reading: Reading) -> str:
    """One point with the reading's whole field set. A float is written as a float even where it is a whole number.

    TypeError for text with a comma, which no declared word has.
    """
    values = reading.values
    names = tuple(values)
    form = _FORMS.get((reading.stream, reading.kind, names)) or _form(reading, names)
    # The JSON of a number is line protocol's too, and comes at a fraction of the price of Python's own
    texts = codec.dumps(list(values.values())).decode()[1:-1].split(",") if names else ()
    if reading.flags:
        reasons = ",".join([f"{metric}:{flag}" for metric, flag in reading.flags.items()])
        return form % (reading.device_id, *texts, "suspect", reasons, time_ns(reading))
    return form % (reading.device_id, *texts, "good", NO_REASONS, time_ns(reading))


_EQUALS, _NO_SIGNS = bytes.maketrans(b":", b"="), b'"{}'
_WHOLE = re.compile(r"=-?[0-9]+(?=,|$)")


def line_maker(stream: Stream) -> Callable[[bytes], str]:
    """From a written reading to its point: `line` of it, but for most without taking the values out of their text.

    ValueError, KeyError or TypeError for what is no reading.
    """
    read, name = reader(stream), stream.name
    heads = {kind: f"{stream.measurement(kind.name)},device_id=" for kind in stream.kinds}
    with_whole, with_word = (
        {kind for kind in stream.kinds if any(metric.type == type_ for metric in kind.metrics)} for type_ in ("int", "word")
    )

    def make(value: bytes) -> str:
        try:
            good = read(value)
        except NotGood:
            return line(codec.decode_reading(name, value))
        kind, text = good.of, values_text(good.values)
        if kind in with_word:  # no declared word has a sign of JSON's, so these are between the values and nowhere else
            fields = text.decode()[2:-1].replace('":', "=").replace(',"', ",")
        else:
            fields = text.translate(_EQUALS, _NO_SIGNS).decode()
        if not fields:
            return line(codec.decode_reading(name, value))
        if kind in with_whole:
            fields = _WHOLE.sub(r"\g<0>i", fields)
        return f'{heads[kind]}{good.device_id} {fields},quality="good",reasons="{NO_REASONS}" {good.ts}{_BELOW_MS}'

    return make


def change_line(series: str, fields: Mapping[str, str | int], at_ms: int, n: int) -> str:
    """A point of the history of what changes: an alert, an order. `series` is the measurement with its tags.

    The change's number stands below the millisecond, so that two changes in one do not meet. Empty text becomes `NOTHING`.
    """
    said = ",".join([f"{name}={_field(value)}" for name, value in fields.items()])
    return f"{series} {said} {at_ms * _NS_PER_MS + n % _NS_PER_MS}"


def _field(value: str | int) -> str:
    if isinstance(value, str):
        text = str(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{text or NOTHING}"'
    return str(value).lower() if isinstance(value, bool) else f"{value}i"


def ts_ms(point: str) -> int:
    """The time of a point that was made here, or by another of our makers: its last word, in nanoseconds."""
    return int(point[point.rindex(" ") + 1 :]) // _NS_PER_MS


_FORMS: dict[tuple[str, str, tuple[str, ...]], str] = {}
_MAX_FORMS = 10_000  # there are few sets of metrics that are sent together; one that is never alike must not fill the memory


def _form(reading: Reading, names: tuple[str, ...]) -> str:
    """The line of a kind's readings that have these metrics, with places for what differs: a metric is always of one type."""
    whole = {name for name, value in reading.values.items() if type(value) is int}
    fields = "".join(f"{name}=%s{'i' if name in whole else ''}," for name in names)
    if len(_FORMS) >= _MAX_FORMS:
        _FORMS.clear()
    form = f'{reading.stream}_{reading.kind},device_id=%s {fields}quality="%s",reasons="%s" %d'
    _FORMS[reading.stream, reading.kind, names] = form
    return form


def time_ns(reading: Reading) -> int:
    """The point's time. Events of one device may share a millisecond; their id's hash tells them apart below it."""
    ns = reading.ts_ms * _NS_PER_MS
    return ns if reading.event_id is None else ns + crc32(reading.event_id.encode()) % _NS_PER_MS
