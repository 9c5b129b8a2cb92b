"""From the bytes of an MQTT message to candidate readings, or to faults that say why not. Pure; never raises for any bytes."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, Required

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from schemas import codec, senml
from schemas.dead import Fault
from schemas.instants import parse_rfc3339
from schemas.kind import Kind
from schemas.metric import Metric, Value
from schemas.reason import Reason
from schemas.topics import MAX_EVENT_ID, MAX_ITEMS, SENML

_INT64 = 2**63
_Int64 = Annotated[int, Field(ge=-_INT64, lt=_INT64)]
_TYPES: Mapping[str, Any] = {"float": float, "int": _Int64, "bool": bool}


class Candidate(NamedTuple):
    """A well-formed reading, not yet held against the registry, the time and its metrics' ranges."""

    place: int
    ts_ms: int
    values: dict[str, Value]
    seq: int | None
    event_id: str | None


_new_candidate = partial(tuple.__new__, Candidate)  # a third of the price of the constructor


class Decoded(NamedTuple):
    candidates: list[Candidate]
    faults: list[Fault]

    @property
    def readings(self) -> int:
        """How many readings came in, good or not."""
        return len(self.candidates) + sum(fault.readings for fault in self.faults)


def decode(payload: bytes, kind: Kind, device_id: str, channel: str) -> Decoded:
    """All readings of a message: of an object, of an array of objects, or on channel `senml` of a SenML pack."""
    body = codec.parse_payload(payload)
    if isinstance(body, Fault):
        return Decoded([], [body])
    items = senml.resolve(body, kind, device_id) if channel == SENML else _items(body)
    if isinstance(items, Fault):
        return Decoded([], [items])
    if len(items) > MAX_ITEMS:
        fault = Fault(0, Reason.TOO_MANY_ITEMS, f"{len(items)} items, at most {MAX_ITEMS}", len(items))
        return Decoded([], [fault])
    decoded = Decoded([], [])
    for place, item in enumerate(items):
        result = _item(place, item, kind, device_id)
        if isinstance(result, Fault):
            decoded.faults.append(result)
        else:
            decoded.candidates.append(result)
    return decoded


def _items(body: Any) -> list[Any] | Fault:
    if isinstance(body, dict):
        return [body]
    if isinstance(body, list) and body:
        return body
    return Fault(0, Reason.WRONG_SHAPE, "an empty array" if body == [] else f"a JSON {_json_name(body)}")


def _item(place: int, item: Any, kind: Kind, device_id: str) -> Candidate | Fault:
    validate = _validator(kind)
    try:
        body = validate(item)
    except ValidationError:
        if not isinstance(item, dict):
            return Fault(place, Reason.WRONG_SHAPE, f"a JSON {_json_name(item)}")
        try:
            body = validate(_understood(item, kind))
        except ValidationError as error:
            return _fault(place, error)
    return _candidate(place, body, device_id)


def _candidate(place: int, body: dict[str, Any], device_id: str) -> Candidate | Fault:
    """Of an object that has the kind's shape."""
    ts = body.pop("ts")
    if type(ts) is str:
        try:
            ts = parse_rfc3339(ts)
        except ValueError as error:
            return Fault(place, Reason.BAD_TS, str(error)[:100])
    named = body.pop("device_id", device_id)
    if named != device_id:
        return Fault(place, Reason.DEVICE_MISMATCH, f"payload says {named[:60]!r}")
    seq, event_id = body.pop("seq", None), body.pop("event_id", None)
    if None in body.values():
        body = {name: value for name, value in body.items() if value is not None}
    if not body:
        return Fault(place, Reason.NO_METRIC, "every metric is absent or null")
    return _new_candidate((place, ts, body, seq, event_id))


def _understood(item: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """What the contract allows and is too rare for the shape: names of the sender's own (`_…`, as in GBFS), 3.0 for 3."""
    return {name: _whole(value, name, kind) for name, value in item.items() if not name.startswith("_")}


def _whole(value: Any, name: str, kind: Kind) -> Any:
    """JSON has one kind of number: where the shape wants an integer, 3.0 is one."""
    if type(value) is float and value.is_integer() and -_INT64 <= value < _INT64:
        metric = kind.by_name.get(name)
        if name in {"ts", "seq"} or (metric and metric.type == "int"):
            return int(value)
    return value


@cache
def _validator(kind: Kind) -> Callable[[Any], dict[str, Any]]:
    validate: Callable[[Any], dict[str, Any]] = shape(kind).validator.validate_python  # past the adapter's own arguments
    return validate


@cache
def shape(kind: Kind) -> TypeAdapter[dict[str, Any]]:
    """The form of one payload object, derived from the kind's rows; a metric that may be absent may be null."""
    fields: dict[str, Any] = {"ts": Required[_Int64 | str], "device_id": NotRequired[str], "seq": NotRequired[_Int64 | None]}
    if kind.event:
        fields["event_id"] = Required[Annotated[str, Field(min_length=1, max_length=MAX_EVENT_ID)]]
    fields |= {metric.name: _field(metric) for metric in kind.metrics}
    return _adapter(kind, fields)


def _adapter(kind: Kind, fields: dict[str, Any]) -> TypeAdapter[dict[str, Any]]:
    strict = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    form: Any = with_config(strict)(TypedDict(f"{kind.name}_payload", fields))  # type: ignore[operator]
    return TypeAdapter(form)


def _field(metric: Metric) -> Any:
    return _presence(metric)[_base(metric) if metric.required else _base(metric) | None]


def _base(metric: Metric) -> Any:
    return Literal[metric.states] if metric.type == "word" else _TYPES[metric.type]


def _presence(metric: Metric) -> Any:
    return Required if metric.required else NotRequired


def _fault(place: int, error: ValidationError) -> Fault:
    """The first error that pydantic found, in our words."""
    first = error.errors(include_url=False)[0]
    name, code = str(first["loc"][0])[:60], first["type"]
    absent = code == "missing" or first["input"] is None
    if name == "ts":
        return Fault(place, Reason.MISSING_TS if absent else Reason.BAD_TS, f"ts: {first['msg']}")
    if code == "extra_forbidden":
        return Fault(place, Reason.UNKNOWN_METRIC, name)
    if name == "event_id" and (absent or first["input"] == ""):
        return Fault(place, Reason.MISSING_EVENT_ID, name)
    if absent and name != "device_id":
        return Fault(place, Reason.MISSING_METRIC, name)
    reason = Reason.NOT_FINITE if code == "finite_number" else Reason.WRONG_TYPE
    return Fault(place, reason, f"{name}: {first['msg']}; got {_shown(first['input'])}")


def _shown(value: Any) -> str:
    """Short, and safe for what is nested so deep that Python would not write it out."""
    return f"a JSON {_json_name(value)}" if isinstance(value, list | dict) else repr(value)[:60]


def _json_name(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
