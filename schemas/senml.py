"""SenML JSON (RFC 8428): a pack is resolved into payload objects, one for each time in it.

Of the standard's freedoms the contract allows those that leave no doubt: times are absolute (a relative one depends on when
somebody happens to read it), a name ends in the metric and may begin with the device, a unit must be the metric's own, a metric
has one value at a time.
"""

import re
from collections.abc import Mapping
from typing import Any

from schemas.dead import Fault
from schemas.kind import Kind
from schemas.metric import Value
from schemas.reason import Reason

_VERSION = 10
_FIRST_ABSOLUTE_S = 2**28  # below: seconds from now
_BASE: Mapping[str, type | tuple[type, ...]] = {"bn": str, "bt": (int, float), "bu": str, "bv": (int, float), "bver": int}
_RECORD: Mapping[str, type | tuple[type, ...]] = {"n": str, "u": str, "v": (int, float), "vs": str, "vb": bool, "t": (int, float)}
_KNOWN = frozenset(_BASE) | frozenset(_RECORD) | {"bs", "s", "ut", "vd"}
# SenML's symbols (IANA) for what UCUM writes otherwise
SYMBOLS: Mapping[str, frozenset[str]] = {
    "1": frozenset({"/", "count"}),
    "%": frozenset({"%RH", "%EL", "/100"}),
    "kW.h": frozenset({"kWh"}),
    "MW.h": frozenset({"MWh"}),
    "[pH]": frozenset({"pH"}),
    "deg": frozenset({"lat", "lon"}),
}


class _Unresolvable(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.fault = Fault(0, reason, detail)


def resolve(body: Any, kind: Kind, device_id: str) -> list[dict[str, Any]] | Fault:
    """Payload objects (`ts` in epoch ms, then metrics) in the order of their times' first appearance, or one Fault."""
    if not isinstance(body, list) or not body or not all(isinstance(record, dict) for record in body):
        return Fault(0, Reason.BAD_SENML, "a pack is a non-empty array of objects")
    base: dict[str, Any] = {}
    by_time: dict[int, dict[str, Any]] = {}
    try:
        for place, record in enumerate(body):
            _take_base(record, base, place)
            if any(label in record for label in ("v", "vs", "vb", "vd", "s")) or "bv" in record:
                ts_ms = _time(record, base, place)
                name, value = _measured(record, base, kind, device_id, place)
                _put(by_time.setdefault(ts_ms, {"ts": ts_ms}), name, value, place)
    except _Unresolvable as error:
        return error.fault
    return list(by_time.values()) or Fault(0, Reason.BAD_SENML, "a pack without a value")


def _put(reading: dict[str, Any], name: str, value: Value, place: int) -> None:
    if name in reading:
        raise _Unresolvable(Reason.BAD_SENML, f"record {place}: {name} at {reading['ts']} ms is given twice")
    reading[name] = value


def _take_base(record: Mapping[str, Any], base: dict[str, Any], place: int) -> None:
    for label, value in record.items():
        expected = _BASE.get(label) or _RECORD.get(label)
        if expected and (not isinstance(value, expected) or (isinstance(value, bool) and label != "vb")):
            raise _Unresolvable(Reason.BAD_SENML, f"record {place}: {label} is of the wrong type")
        if label in _BASE:
            base[label] = value
        elif label.endswith("_") and label not in _KNOWN:
            raise _Unresolvable(Reason.BAD_SENML, f"record {place}: {label[:40]} must be understood and is not")
    if base.get("bver", _VERSION) > _VERSION:
        raise _Unresolvable(Reason.BAD_SENML, f"record {place}: version {base['bver']}, this reads up to {_VERSION}")


def _time(record: Mapping[str, Any], base: Mapping[str, Any], place: int) -> int:
    seconds: float = base.get("bt", 0) + record.get("t", 0)
    if not seconds >= _FIRST_ABSOLUTE_S:
        raise _Unresolvable(Reason.SENML_TIME, f"record {place}: {seconds} s is relative to now")
    if seconds > 1e12:  # noqa: PLR2004 - beyond the year 9999, and safely inside 64 bits as milliseconds
        raise _Unresolvable(Reason.SENML_TIME, f"record {place}: {seconds} is not a time in seconds")
    return round(seconds * 1_000)


def _measured(record: Mapping[str, Any], base: Mapping[str, Any], kind: Kind, device_id: str, place: int) -> tuple[str, Value]:
    full = base.get("bn", "") + record.get("n", "")
    *before, name = re.split(r"[/:]", full)
    owner = next((part for part in reversed(before) if part), device_id)
    if owner != device_id:
        raise _Unresolvable(Reason.DEVICE_MISMATCH, f"record {place}: names {full[:80]!r}")
    metric = kind.by_name.get(name)
    if metric is None:
        raise _Unresolvable(Reason.UNKNOWN_METRIC, f"record {place}: {name[:60] or 'no name'}")
    unit = record.get("u", base.get("bu"))
    if unit is not None and metric.unit and unit != metric.unit and unit not in SYMBOLS.get(metric.unit, ()):
        raise _Unresolvable(Reason.BAD_SENML, f"record {place}: {name} in {unit[:20]!r}, expected {metric.unit!r}")
    values = [label for label in ("v", "vs", "vb", "vd") if label in record]
    if len(values) > 1:
        raise _Unresolvable(Reason.BAD_SENML, f"record {place}: {name} has both {values[0]} and {values[1]}")
    if values in (["vb"], ["vs"]):
        value: Value = record[values[0]]
        return name, value
    if "v" not in record and "bv" not in base:
        raise _Unresolvable(Reason.BAD_SENML, f"record {place}: {name} has no v, vs or vb")
    return name, base.get("bv", 0) + record.get("v", 0)
