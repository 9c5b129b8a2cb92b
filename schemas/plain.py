"""The short way of a payload that is a plain object without anything doubtful, at a fifth of the price of the long one.

Its form is derived from the kind's rows like the long way's (`schemas.payload`), but narrower: the time is in milliseconds, every
value is plausible for any device, nothing stands beside the kind's own names. Nearly all readings are of that form. What is not
goes the long way, which knows all that is allowed and says what is wrong; and whatever takes the short one ends as it would there
(tests/property/test_short_way.py).
"""

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, Protocol

import msgspec

from schemas.kind import Kind
from schemas.metric import Metric

NotPlain = (msgspec.DecodeError, UnicodeDecodeError)

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_Int64 = Annotated[int, msgspec.Meta(ge=_LOWEST, le=_HIGHEST)]


class Plain(Protocol):
    """What a payload says: beside these every metric of the kind as an attribute, None for those that are not there."""

    ts: int
    seq: int | None


@cache
def parser(kind: Kind) -> Callable[[bytes], Plain] | None:
    """Parses and checks in one go; NotPlain for all that must go the long way. None for events, which are few."""
    if kind.event:
        return None
    fields: list[Any] = [("ts", _Int64), ("seq", _Int64 | None, None)]
    fields += [(one.name, _bounded(one)) if one.required else (one.name, _bounded(one) | None, None) for one in kind.metrics]
    form = msgspec.defstruct(f"{kind.name}_plain", fields, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False)
    parse: Any = msgspec.json.Decoder(form).decode
    return parse  # type: ignore[no-any-return]


def _bounded(metric: Metric) -> Any:
    """The metric's type, with those bounds of what is plausible that hold for every device."""
    if metric.type == "word":
        return Literal[metric.states]
    if metric.type == "bool":
        return bool
    low, high = metric.plausible_everywhere
    if metric.type == "int":
        least, most = _LOWEST if low is None else math.ceil(low), _HIGHEST if high is None else math.floor(high)
        return Annotated[int, msgspec.Meta(ge=least, le=most)]
    bounds: dict[str, Any] = {name: bound for name, bound in (("ge", low), ("le", high)) if bound is not None}
    return Annotated[float, msgspec.Meta(**bounds)] if bounds else float


class _Written(msgspec.Struct, omit_defaults=True, gc=False):
    """A reading without flags, in the order in which `schemas.codec.encode_reading` writes it."""

    kind: str
    device_id: str
    ts: int
    received_at: int
    values: Plain
    flags: Mapping[str, str]
    seq: int | None = None


_NO_FLAGS: Mapping[str, str] = {}
_NO_VALUES = b'"values":{}'
_encode = msgspec.json.Encoder().encode


def encoder(kind: Kind, device_id: str) -> Callable[[Plain, int], bytes | None]:
    """Of what a device said and its time of receipt: as `schemas.codec.encode_reading` of the reading without flags.

    None when no metric is there. Takes `ts` and `seq` out of what was said, so that only the metrics are left.
    """
    name = kind.name
    # Nearly all are longer than any without a value could be, and need not be searched
    empty: Any = _Written(name, device_id, _LOWEST, _LOWEST, {}, _NO_FLAGS, _LOWEST)  # type: ignore[arg-type]
    longest_empty = 0 if any(metric.required for metric in kind.metrics) else len(_encode(empty))

    def encode(plain: Plain, received_at_ms: int) -> bytes | None:
        ts, seq = plain.ts, plain.seq
        plain.ts = msgspec.UNSET  # type: ignore[assignment]  # is not written
        if seq is not None:
            plain.seq = None
        reading = _encode(_Written(name, device_id, ts, received_at_ms, plain, _NO_FLAGS, seq))
        return None if len(reading) <= longest_empty and _NO_VALUES in reading else reading

    return encode
