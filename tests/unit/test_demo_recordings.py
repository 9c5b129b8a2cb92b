"""The adapters, on made-up recordings in the form of the real ones."""

import json
import shutil
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from deploy.demo.recordings import NAMES, Message, Recording, RecordingError, open_recording, present, recorded_devices
from deploy.demo.recordings.recording import LocalTimes
from schemas import payload
from schemas.device import encode
from schemas.instants import WEEK_MS, format_rfc3339
from schemas.streams import find_kind

GOLDEN = Path(__file__).parents[1] / "golden" / "recordings"


def opened(name: str, data: Path = GOLDEN) -> Recording:
    return open_recording(data, name)


def as_json(message: Message) -> dict[str, object]:
    try:
        said: object = json.loads(message.payload)
    except ValueError:
        said = {"bytes": message.payload.decode("latin-1")}
    return {
        "at": format_rfc3339(message.at_ms),
        "topic": str(message.topic),
        "readings": message.readings,
        "times": [format_rfc3339(ts_ms) for ts_ms in message.times],
        "payload": said,
    }


def reasons(messages: list[Message]) -> Counter[str]:
    """What the contract has against them, by reading."""
    found: Counter[str] = Counter()
    for message in messages:
        stream, kind, device_id, channel = message.topic
        declared = find_kind(stream, kind)
        assert declared
        decoded = payload.decode(message.payload, declared, device_id, channel)
        assert decoded.readings == message.readings
        times = [candidate.ts_ms for candidate in decoded.candidates]
        assert set(times) <= set(message.times)
        for fault in decoded.faults:
            found[fault.reason.value] += fault.readings
        found["good"] += len(times)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_messages_are_the_expected_ones(name: str) -> None:
    recording = opened(name)
    folder = GOLDEN / {"bike": "bike-gbfs", "waste": "waste-bins", "heat": "heat-logs", "drainage": "drainage-inflow"}[name]
    found = {
        "messages": [as_json(message) for message in recording.messages(0)],
        "unsendable": [list(part) for part in recording.unsendable],
        "notes": list(recording.notes),
        "period": [format_rfc3339(recording.period.first_ms), format_rfc3339(recording.period.last_ms)],
        "devices": [json.loads(encode(device)) for device in recording.devices()],
    }
    expected = folder / "expected.json"
    assert found == json.loads(expected.read_text())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bike", {"good": 5, "missing_ts": 1, "wrong_type": 1, "not_json": 1}),
        ("waste", {"good": 6, "wrong_type": 1, "no_metric": 1}),
        ("heat", {"good": 8, "wrong_type": 2}),
        ("drainage", {"good": 17, "no_metric": 5, "wrong_type": 1}),
    ],
)
def test_dirt_reaches_the_contract_and_is_found_there(name: str, expected: dict[str, int]) -> None:
    assert reasons(list(opened(name).messages(0))) == Counter(expected)


@pytest.mark.parametrize("name", NAMES)
def test_messages_come_in_the_order_they_are_sent(name: str) -> None:
    times = [message.at_ms for message in opened(name).messages(0)]
    assert times == sorted(times)


@pytest.mark.parametrize("name", NAMES)
def test_a_shift_moves_every_time_by_the_same(name: str) -> None:
    recording = opened(name)
    shift_ms = -3 * WEEK_MS
    for before, after in zip(recording.messages(0), recording.messages(shift_ms), strict=True):
        assert after.at_ms - before.at_ms == shift_ms
        assert [ts_ms - shift_ms for ts_ms in after.times] == list(before.times)
        assert after.topic == before.topic
    assert reasons(list(recording.messages(shift_ms))) == reasons(list(recording.messages(0)))


def test_what_a_logger_writes_for_no_value_is_in_no_unit_and_is_not_converted() -> None:
    first, *_ = (json.loads(m.payload)[0] for m in opened("heat").messages(0) if m.topic.kind == "exchange")
    assert (first["outdoor_temp_c"], first["primary_supply_pressure_mpa"], first["primary_flow_m3_h"]) == (-88.8, -999.9, -9999)
    room = next(json.loads(m.payload)[0] for m in opened("heat").messages(0) if m.topic.kind == "indoor")
    assert room["temp_c"] == 888.8


def test_a_file_that_is_no_snapshot_goes_out_as_it_is_under_the_gateways_name() -> None:
    last = list(opened("bike").messages(0))[-1]
    assert (str(last.topic), last.payload) == ("hanan/bike/station/ecobici-gateway/reading", b"404 Not Found")
    assert (last.readings, last.times) == (1, ())


def test_a_broken_file_does_not_move_the_period(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "bike-gbfs", tmp_path / "bike-gbfs")
    (tmp_path / "bike-gbfs" / "station_status_20290101000000.json").write_bytes(b"\xff{")
    recording = opened("bike", tmp_path)
    assert recording.period == opened("bike").period
    assert list(recording.messages(0))[-1].payload == b"\xff{"


@pytest.mark.parametrize(
    ("name", "file", "text", "complaint"),
    [
        ("bike", "bike-gbfs/station_status_20260101000000.json", "404 Not Found", "no station_status_"),
        ("waste", "waste-bins/BigBelly_Collections.csv", "SN;Level\n", "the first line is not SN,StreamType"),
        ("waste", "waste-bins/BigBelly_Collections.csv", "SN,StreamType,Lat,Long,Timestamp,Level\n", "no row"),
        ("heat", "heat-logs/20250101.csv", "", "no log that can be read"),
        ("drainage", "drainage-inflow/data.csv", "", "no column 'time'"),
        ("drainage", "drainage-inflow/data.csv", "time,flow,acc_precip,temp_soil_10,temp_soil_30\n", "no row"),
    ],
)
def test_a_recording_of_another_form_is_refused_in_one_line(
    tmp_path: Path, name: str, file: str, text: str, complaint: str
) -> None:
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(text)
    with pytest.raises(RecordingError, match=complaint) as refusal:
        opened(name, tmp_path)
    assert str(tmp_path) in str(refusal.value)


def test_only_what_is_there_is_present(tmp_path: Path) -> None:
    (tmp_path / "heat-logs").mkdir()
    assert present(tmp_path) == ["heat"]
    assert present(tmp_path / "nowhere") == []
    with pytest.raises(RecordingError, match="no such folder"):
        opened("bike", tmp_path)


def test_recorded_devices_are_all_devices_that_the_operators_know() -> None:
    devices = {device.device_id: device for device in recorded_devices(GOLDEN)}
    assert devices["ecobici-901"].params == {"docks": 12}
    assert "ecobici-904" not in devices  # reports, and is not in station_information
    assert "bigbelly-990005" not in devices  # its position is no position
    senders = {message.topic.device_id for name in NAMES for message in opened(name).messages(0)}
    assert senders - set(devices) == {"ecobici-904", "bigbelly-990005", "ecobici-gateway"}
    assert [device.stream for device in recorded_devices(GOLDEN, ("heat",))] == ["heat", "heat"]


class TestLocalTimes:
    @staticmethod
    def utc(zone: str, *walls: str) -> list[str]:
        times = LocalTimes(zone)
        return [format_rfc3339(times.to_ms(datetime.fromisoformat(wall)))[11:16] for wall in walls]

    def test_hours_that_the_clock_skips_mean_what_the_clock_before_would_have_shown(self) -> None:
        walls = ("2014-03-09T01:59", "2014-03-09T02:30", "2014-03-09T03:00")
        assert self.utc("America/New_York", *walls) == ["06:59", "07:30", "07:00"]

    def test_an_hour_that_occurs_twice_is_the_second_once_the_clock_has_stepped_back(self) -> None:
        clock = ("01:59", "02:00", "02:59", "02:00", "02:59", "03:00")
        assert self.utc("Europe/Berlin", *(f"2017-10-29T{shown}" for shown in clock)) == [
            "23:59",
            "00:00",
            "00:59",
            "01:00",
            "01:59",
            "02:00",
        ]

    def test_an_hour_that_occurs_twice_is_the_first_where_nothing_tells(self) -> None:
        assert self.utc("America/New_York", "2014-11-02T01:10", "2014-11-02T01:50") == ["05:10", "05:50"]

    def test_stepping_back_is_forgotten_by_the_next_year(self) -> None:
        times = LocalTimes("Europe/Berlin")
        for wall in ("2017-10-29T02:59", "2017-10-29T02:00", "2017-10-29T03:00", "2018-10-28T02:00"):
            last = times.to_ms(datetime.fromisoformat(wall))
        assert format_rfc3339(last) == "2018-10-28T00:00:00.000Z"
        assert (times.twice, times.skipped) == (3, 0)
        assert len(times.notes) == 1
