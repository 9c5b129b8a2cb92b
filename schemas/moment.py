"""A reading as rules look at it: what `schemas.codec.encode_reading` wrote, parsed into a struct of its kind in one go.

Rules ask for its time, its receipt, its values and their flags; all else is passed over unparsed. Values stay what they were
written as. It costs a third of a dict of them, and a hundred thousand devices' last ones take a third of the memory.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Protocol

import msgspec

from schemas.kind import Kind

NotAMoment = (msgspec.DecodeError, UnicodeDecodeError)


class Moment(Protocol):
    """Times are epoch ms. `values` has every metric of the kind as an attribute, None for those that were not there."""

    ts: int
    received_at: int
    values: Any
    flags: Mapping[str, str]


@cache
def parser(kind: Kind) -> Callable[[bytes], Moment]:
    """NotAMoment is raised for what is no reading."""
    values = _values(kind)
    fields: list[Any] = [("ts", int), ("received_at", int), ("values", values), ("flags", dict[str, str])]
    parse: Any = msgspec.json.Decoder(msgspec.defstruct(f"{kind.name}_moment", fields, gc=False)).decode
    return parse  # type: ignore[no-any-return]


@cache
def _values(kind: Kind) -> type[msgspec.Struct]:
    return msgspec.defstruct(f"{kind.name}_values", [(metric.name, Any, None) for metric in kind.metrics], gc=False)


def said(kind: Kind, values: Mapping[str, Any]) -> Any:
    """Such values, made of a mapping."""
    return _values(kind)(**values)


def without(values: Any, names: Mapping[str, str]) -> Any:
    """The same values but for those of that name."""
    return msgspec.structs.replace(values, **{name: None for name in names if hasattr(values, name)})
