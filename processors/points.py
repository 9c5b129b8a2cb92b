"""A reading as InfluxDB line protocol: `<stream>_<kind>,device_id=… metric=…,quality="good",reasons="-" <ns>`.

Tags are identity and nothing else; quality and its reasons are fields, so that a reading judged again overwrites itself.
"""

from zlib import crc32

from schemas.metric import Value
from schemas.reading import Reading

_NS_PER_MS = 1_000_000
# Never empty text: a Flux query loses it and gives each row behind it the text of the next (influxdata/influxdb#26916).
NO_REASONS = "-"
_GOOD = f'quality="good",reasons="{NO_REASONS}"'


def line(reading: Reading) -> str:
    """One point with the reading's whole field set. A float is written as a float even where it is a whole number."""
    fields = ",".join(
        [f"{name}={value!r}" if type(value) is float else f"{name}={_field(value)}" for name, value in reading.values.items()]
    )
    if reading.flags:
        reasons = ",".join([f"{metric}:{flag}" for metric, flag in reading.flags.items()])
        quality = f'quality="suspect",reasons="{reasons}"'
    else:
        quality = _GOOD
    comma = "," if fields else ""
    return f"{reading.stream}_{reading.kind},device_id={reading.device_id} {fields}{comma}{quality} {time_ns(reading)}"


def time_ns(reading: Reading) -> int:
    """The point's time. Events of one device may share a millisecond; their id's hash tells them apart below it."""
    ns = reading.ts_ms * _NS_PER_MS
    return ns if reading.event_id is None else ns + crc32(reading.event_id.encode()) % _NS_PER_MS


def _field(value: Value) -> str:
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        return f"{value}i"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
