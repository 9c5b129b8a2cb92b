"""Readings as validate writes them, read back by one library call that checks their form too.

Only good readings, which are nearly all; what has a flag or is an event, or was written by another, is `codec.decode_reading`'s.
The form is derived from the kinds' rows like that of payloads (`schemas.plain`), so a value is of its metric's type.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar, Protocol, Union

import msgspec

from schemas.kind import Kind, Stream
from schemas.numbers import type_of

NotGood = (msgspec.DecodeError, UnicodeDecodeError)


class _NoFlags(msgspec.Struct, forbid_unknown_fields=True):
    pass


class Good(Protocol):
    """`values` holds the metrics that are there; `values_text` writes them as JSON, in the order of the kind's rows."""

    of: ClassVar[Kind]
    device_id: str
    ts: int
    values: object


values_text = msgspec.json.Encoder().encode


@cache
def reader(stream: Stream) -> Callable[[bytes], Good]:
    """Raises NotGood for all that is no good reading of the stream's kinds."""
    forms = tuple(_form(kind) for kind in stream.kinds if not kind.event)
    read: Any = msgspec.json.Decoder(Union[forms]).decode  # noqa: UP007 - of as many as there are
    return read  # type: ignore[no-any-return]


def _form(kind: Kind) -> type[msgspec.Struct]:
    metrics = [(metric.name, type_of(metric) | None, None) for metric in kind.metrics]
    options: Any = {"forbid_unknown_fields": True, "omit_defaults": True, "gc": False}
    values = msgspec.defstruct(f"{kind.name}_values", metrics, kw_only=True, **options)
    fields: list[Any] = [("device_id", str), ("ts", int), ("received_at", int), ("values", values), ("flags", _NoFlags)]
    fields.append(("seq", int | None, None))
    tag: Any = {"tag_field": "kind", "tag": kind.name}
    return msgspec.defstruct(f"{kind.name}_written", fields, namespace={"of": kind}, **tag, **options)
