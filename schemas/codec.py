"""The JSON of the house, bytes to values and back; `schemas.plain` knows a shorter way for most readings."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson

from schemas.dead import Fault
from schemas.metric import Value
from schemas.reading import Reading
from schemas.reason import Reason


def loads(data: bytes) -> Any:
    return orjson.loads(data)


def dumps(value: Any) -> bytes:
    return orjson.dumps(value)


def parse_payload(data: bytes) -> Any | Fault:
    """The JSON value of a payload, or the Fault that says why it has none."""
    if not data:
        return Fault(0, Reason.EMPTY_PAYLOAD, "0 bytes")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return _why_not_json(data, str(error))


class _NotFinite(ValueError):
    pass


def _refuse(text: str) -> None:
    raise _NotFinite(text)


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        _refuse(text)
    return number


def _why_not_json(data: bytes, first_error: str) -> Fault:
    """Slow and exact, only for what failed: tells bad text from bad JSON from numbers that JSON cannot carry."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return Fault(0, Reason.NOT_UTF8, f"byte {data[error.start]:#04x} at {error.start}")
    try:
        json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except _NotFinite as error:
        return Fault(0, Reason.NOT_FINITE, f"{str(error)[:40]} is not a number")
    except (ValueError, RecursionError):
        return Fault(0, Reason.NOT_JSON, first_error[:200])
    return Fault(0, Reason.NOT_JSON, first_error[:200])  # stricter than the standard library, e.g. lone surrogates


def encode_reading(reading: Reading) -> bytes:
    return encode_fields(*reading[1:])


def encode_fields(
    kind: str,
    device_id: str,
    ts_ms: int,
    received_at_ms: int,
    values: Mapping[str, Value],
    flags: Mapping[str, str],
    seq: int | None,
    event_id: str | None,
) -> bytes:
    """A reading's fields but for the stream, which its topic names. For the hot path, which has them at hand."""
    body: dict[str, Any] = {
        "kind": kind,
        "device_id": device_id,
        "ts": ts_ms,
        "received_at": received_at_ms,
        "values": values,
        "flags": flags,
    }
    if seq is not None:
        body["seq"] = seq
    if event_id is not None:
        body["event_id"] = event_id
    return orjson.dumps(body)


def decode_reading(stream: str, data: bytes) -> Reading:
    """A reading that `encode_reading` wrote; KeyError or JSONDecodeError for anything else."""
    body = orjson.loads(data)
    get = body.get
    return _new_reading(
        (
            stream,
            body["kind"],
            body["device_id"],
            body["ts"],
            body["received_at"],
            body["values"],
            body["flags"],
            get("seq"),
            get("event_id"),
        )
    )


_new_reading = partial(tuple.__new__, Reading)  # a third of the price of the constructor
