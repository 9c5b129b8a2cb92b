"""Bad input, one row each, and the reason it gets; odd but good input, and what becomes of it."""

from typing import Any

import orjson
import pytest

from schemas.dead import Fault
from schemas.kind import Kind
from schemas.payload import Candidate, decode
from schemas.reason import Reason
from schemas.streams import find_kind
from schemas.topics import SENML

TS = 1_768_435_200_000
DEEP = 1_000


def kind(name: str) -> Kind:
    found = find_kind(*name.split("/"))
    assert found
    return found


ROOM, STATION, BRIDGE = kind("heat/indoor"), kind("bike/station"), kind("waste/weighbridge")


def room(**fields: Any) -> bytes:
    return orjson.dumps({"ts": TS, "temp_c": 20.5} | fields)


def faults(payload: bytes, of: Kind = ROOM, channel: str = "reading") -> list[Fault]:
    decoded = decode(payload, of, "RM-001", channel)
    assert decoded.readings == len(decoded.candidates) + sum(fault.readings for fault in decoded.faults)
    return decoded.faults


def one(payload: bytes, of: Kind = ROOM) -> Candidate:
    decoded = decode(payload, of, "RM-001", "reading")
    assert not decoded.faults
    (candidate,) = decoded.candidates
    return candidate


@pytest.mark.parametrize(
    ("payload", "reason", "detail"),
    [
        # bytes
        (b"", Reason.EMPTY_PAYLOAD, "0 bytes"),
        (b"404 Not Found", Reason.NOT_JSON, "line 1 column 5"),
        (b'{"ts": 1, "temp_c": 2', Reason.NOT_JSON, "line 1"),
        (b'{"ts": 1, "temp_c": 2}}', Reason.NOT_JSON, "line 1"),
        (b"{'ts': 1}", Reason.NOT_JSON, "line 1"),
        (b'{"ts": 1, "temp_c": "\xc4rger"}', Reason.NOT_UTF8, "byte 0xc4 at 21"),
        (b'\xff\xfe{\x00"\x00', Reason.NOT_UTF8, "byte 0xff at 0"),
        (b'{"ts": 1, "temp_c": NaN}', Reason.NOT_FINITE, "NaN is not a number"),
        (b'{"ts": 1, "temp_c": -Infinity}', Reason.NOT_FINITE, "-Infinity"),
        (b'{"ts": 1, "temp_c": 1e999}', Reason.NOT_FINITE, "1e999"),
        (b"[" * DEEP * DEEP, Reason.NOT_JSON, "depth limit"),
        # the message
        (b'"text"', Reason.WRONG_SHAPE, "a JSON string"),
        (b"17", Reason.WRONG_SHAPE, "a JSON number"),
        (b"null", Reason.WRONG_SHAPE, "a JSON null"),
        (b"[]", Reason.WRONG_SHAPE, "an empty array"),
        (b"[" * DEEP + b"]" * DEEP, Reason.WRONG_SHAPE, "a JSON array"),
        # the reading
        (b"{}", Reason.MISSING_TS, "ts: Field required"),
        (room(ts=None), Reason.MISSING_TS, "ts"),
        (room(ts="2026-01-15T08:00:00"), Reason.BAD_TS, "no offset"),
        (room(ts="2026-01-15"), Reason.BAD_TS, "not a date and time"),
        (room(ts="2026-02-30T08:00:00Z"), Reason.BAD_TS, "day"),
        (room(ts="yesterday at 8"), Reason.BAD_TS, ""),
        (room(ts=TS + 0.5), Reason.BAD_TS, "ts"),
        (room(ts=True), Reason.BAD_TS, "ts"),
        (room(ts=2**63), Reason.BAD_TS, "ts"),
        (room(device_id="RM-002"), Reason.DEVICE_MISMATCH, "payload says 'RM-002'"),
        (room(device_id=None), Reason.WRONG_TYPE, "device_id"),
        (room(temperature=20.5), Reason.UNKNOWN_METRIC, "temperature"),
        (room(temp_c="20.5"), Reason.WRONG_TYPE, "temp_c: Input should be a valid number; got '20.5'"),
        (room(temp_c=True), Reason.WRONG_TYPE, "got True"),
        (room(temp_c={"value": 20.5}), Reason.WRONG_TYPE, "got a JSON object"),
        (b'{"ts": 1, "temp_c": %s}' % (b"[" * (DEEP - 10) + b"]" * (DEEP - 10)), Reason.WRONG_TYPE, "got a JSON array"),
        (b'{"ts": 1, "x": %s}' % (b'{"a":' * (DEEP - 10) + b"1" + b"}" * (DEEP - 10)), Reason.UNKNOWN_METRIC, "x"),
        (room(seq=1.5), Reason.WRONG_TYPE, "seq"),
        (room(seq=2**63), Reason.WRONG_TYPE, "seq"),
        (room(temp_c=None), Reason.NO_METRIC, "absent or null"),
        (b'{"ts": 1}', Reason.NO_METRIC, "absent or null"),
        (b'{"ts": 1, "_note": "nothing else"}', Reason.NO_METRIC, "absent or null"),
        (b'{"ts": 1, "_note": "and", "typo": 1}', Reason.UNKNOWN_METRIC, "typo"),
        (b'{"ts": 1, "": 1}', Reason.UNKNOWN_METRIC, ""),
    ],
)
def test_bad_input_gets_its_reason(payload: bytes, reason: Reason, detail: str) -> None:
    (fault,) = faults(payload)
    assert (fault.reason, fault.place, fault.readings) == (reason, 0, 1)
    assert detail in fault.detail
    assert len(fault.detail) < 300


@pytest.mark.parametrize(
    ("of", "body", "reason"),
    [
        (STATION, {"num_docks_available": 1.5}, Reason.WRONG_TYPE),
        (STATION, {"num_docks_available": True}, Reason.WRONG_TYPE),
        (STATION, {"num_docks_available": 2**63}, Reason.WRONG_TYPE),
        (STATION, {"num_docks_available": 1e300}, Reason.WRONG_TYPE),
        (STATION, {"is_renting": 1}, Reason.WRONG_TYPE),
        (kind("waste/bin"), {"status": "on fire"}, Reason.WRONG_TYPE),
        (kind("waste/bin"), {"status": "OK"}, Reason.WRONG_TYPE),
        (BRIDGE, {"net_kg": 5_000}, Reason.MISSING_EVENT_ID),
        (BRIDGE, {"net_kg": 5_000, "event_id": None}, Reason.MISSING_EVENT_ID),
        (BRIDGE, {"net_kg": 5_000, "event_id": ""}, Reason.MISSING_EVENT_ID),
        (BRIDGE, {"net_kg": 5_000, "event_id": 17}, Reason.WRONG_TYPE),
        (BRIDGE, {"net_kg": 5_000, "event_id": "x" * 65}, Reason.WRONG_TYPE),
        (BRIDGE, {"gross_kg": 5_000, "event_id": "t-1"}, Reason.MISSING_METRIC),
        (BRIDGE, {"net_kg": None, "event_id": "t-1"}, Reason.MISSING_METRIC),
    ],
)
def test_bad_fields_of_other_kinds(of: Kind, body: dict[str, Any], reason: Reason) -> None:
    (fault,) = faults(orjson.dumps({"ts": TS} | body), of)
    assert fault.reason is reason


def test_too_many_items_are_all_counted() -> None:
    (fault,) = faults(b"[" + b",".join([room()] * 1_001) + b"]")
    assert (fault.reason, fault.readings) == (Reason.TOO_MANY_ITEMS, 1_001)
    assert not faults(b"[" + b",".join([room()] * 1_000) + b"]")


def test_a_bad_item_does_not_spoil_the_array() -> None:
    decoded = decode(b"[%s, 17, {}, %s, %s]" % (room(), room(temp_c="x"), room(temp_c=1)), ROOM, "RM-001", "reading")
    assert [(c.place, c.values) for c in decoded.candidates] == [(0, {"temp_c": 20.5}), (4, {"temp_c": 1.0})]
    assert [(f.place, f.reason) for f in decoded.faults] == [
        (1, Reason.WRONG_SHAPE),
        (2, Reason.MISSING_TS),
        (3, Reason.WRONG_TYPE),
    ]


@pytest.mark.parametrize(
    "ts", [TS, float(TS), "2026-01-15T08:00:00+08:00", "2026-01-15T00:00:00.000Z", "2026-01-15 08:00:00+0800"]
)
def test_every_form_of_ts(ts: Any) -> None:
    assert one(room(ts=ts)).ts_ms == TS


def test_own_names_nulls_and_whole_numbers() -> None:
    got = one(
        b'{"ts": 1, "_ext": {"a": [1]}, "_": null, "num_docks_available": 3.0, "supply_v": 12, "is_renting": null}', STATION
    )
    assert got == Candidate(0, 1, {"num_docks_available": 3, "supply_v": 12.0}, None, None)
    assert [type(value) for value in got.values.values()] == [int, float]


def test_identity_goes_along() -> None:
    assert one(room(seq=7, device_id="RM-001")) == Candidate(0, TS, {"temp_c": 20.5}, 7, None)
    event = orjson.dumps({"ts": TS, "event_id": "2026-00017", "net_kg": 5_120, "source": "market"})
    assert one(event, BRIDGE) == Candidate(0, TS, {"net_kg": 5_120.0, "source": "market"}, None, "2026-00017")


PACK: list[dict[str, Any]] = [{"bn": "RM-001:", "bt": TS / 1_000, "n": "temp_c", "v": 20.5}]


@pytest.mark.parametrize(
    ("pack", "reason"),
    [
        ([{"n": "temp_c", "v": 20.5}], Reason.SENML_TIME),
        ([{"n": "temp_c", "v": 20.5, "t": -60}], Reason.SENML_TIME),
        ([{"n": "temp_c", "v": 20.5, "bt": 1_000, "t": 5}], Reason.SENML_TIME),
        ([{"n": "temp_c", "v": 20.5, "bt": 1e308, "t": 1e308}], Reason.SENML_TIME),
        ([{"n": "temp_c", "v": 20.5, "t": TS}], Reason.SENML_TIME),
        ([{"n": "temp_c", "v": 20.5, "t": "now"}], Reason.BAD_SENML),
        ([{"n": "temp_c", "v": 20.5, "t": True}], Reason.BAD_SENML),
        ({"n": "temp_c"}, Reason.BAD_SENML),
        ([], Reason.BAD_SENML),
        ([{"bn": "RM-001:", "bt": TS / 1_000}], Reason.BAD_SENML),
        ([*PACK, 17], Reason.BAD_SENML),
        ([*PACK, {"n": "humidity_percent", "v": 40, "u": "Cel"}], Reason.BAD_SENML),
        ([*PACK, {"n": "temp_c", "v": 20.6}], Reason.BAD_SENML),
        ([*PACK, {"n": "humidity_percent", "v": 40, "vb": True}], Reason.BAD_SENML),
        ([*PACK, {"n": "humidity_percent", "vd": "AAAA"}], Reason.BAD_SENML),
        ([*PACK, {"n": "humidity_percent", "v": 40, "later_": 1}], Reason.BAD_SENML),
        ([{"bver": 11}, *PACK], Reason.BAD_SENML),
        ([*PACK, {"n": "pressure", "v": 40}], Reason.UNKNOWN_METRIC),
        ([*PACK, {"v": 40}], Reason.UNKNOWN_METRIC),
        ([{**PACK[0], "bn": "RM-002:"}], Reason.DEVICE_MISMATCH),
        ([{**PACK[0], "bv": 1e308, "v": 1e308}], Reason.NOT_FINITE),
        ([{**PACK[0], "v": None}], Reason.BAD_SENML),
        ([{"bn": "RM-001:", "bt": TS / 1_000, "n": "temp_c", "vs": "warm"}], Reason.WRONG_TYPE),
    ],
)
def test_bad_senml_gets_its_reason(pack: Any, reason: Reason) -> None:
    (fault,) = faults(orjson.dumps(pack), channel=SENML)
    assert fault.reason is reason


def test_senml_has_no_events() -> None:
    pack = [{"bt": TS / 1_000, "n": "net_kg", "v": 5_000}]
    assert [fault.reason for fault in faults(orjson.dumps(pack), BRIDGE, SENML)] == [Reason.MISSING_EVENT_ID]


def test_senml_of_the_contract_page() -> None:
    pack = [
        {"bn": "RM-001:", "bt": TS / 1_000, "bu": "Cel", "n": "primary_supply_temp_c", "v": 96.4},
        {"n": "primary_return_temp_c", "u": "Cel", "v": 51.0, "unknown": 1},
        {"n": "circulation_pump", "vs": "running"},
        {"n": "primary_energy_kwh", "u": "kWh", "v": 5},
        {"n": "primary_supply_temp_c", "t": 60, "v": 96.5},
    ]
    decoded = decode(orjson.dumps(pack), kind("heat/exchange"), "RM-001", SENML)
    assert not decoded.faults
    assert [(c.ts_ms - TS, c.values) for c in decoded.candidates] == [
        (
            0,
            {
                "primary_supply_temp_c": 96.4,
                "primary_return_temp_c": 51.0,
                "circulation_pump": "running",
                "primary_energy_kwh": 5.0,
            },
        ),
        (60_000, {"primary_supply_temp_c": 96.5}),
    ]
