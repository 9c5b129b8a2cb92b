"""BigBelly's list of containers and their fill, sent on as a gateway does: one message a row, oldest first.

    SN                       device bigbelly-<SN>
    Timestamp                ts: Philadelphia's local time, to the minute, sent with its offset
    Level GREEN, YELLOW, RED fill_light green, yellow, red
    Lat, Long                the registry's position, not part of a reading

StreamType is `Trash` throughout. The list is sorted from the newest to the oldest; rows of the same minute keep their order.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from deploy.demo.recordings.recording import (
    LocalTimes,
    Message,
    Period,
    RecordingError,
    Unsendable,
    object_message,
    read_table,
)
from schemas.device import Device
from schemas.instants import from_ms
from schemas.topics import MqttTopic, is_device_id

FOLDER = "waste-bins"
FILE = "BigBelly_Collections.csv"
GATEWAY = "bigbelly-gateway"
ZONE = "America/New_York"
_HEADER = ["SN", "StreamType", "Lat", "Long", "Timestamp", "Level"]
_INTERVAL_S = 86_400  # at most; a busy container reports several times a day
# Zones are the quarters of the city about its town hall
_HALL_LAT, _HALL_LON = 39.9526, -75.1652


class _Report(NamedTuple):
    ts_ms: int
    device_id: str
    lat: str
    lon: str
    level: str


class WasteRecording:
    """One list of containers."""

    stream = "waste"

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        header, rows = read_table(path)
        if header != _HEADER:
            raise RecordingError(f"{path}: the first line is not {','.join(_HEADER)}")
        self.unsendable: list[Unsendable] = []
        self._reports: list[_Report] = []
        times = LocalTimes(ZONE)
        for line, row in reversed(list(enumerate(rows, start=2))):
            report = _report(row, times)
            if isinstance(report, _Report):
                self._reports.append(report)
            elif row:
                self.unsendable.append(Unsendable(f"{FILE}:{line}", report))
        if not self._reports:
            raise RecordingError(f"{path}: no row that can be read")
        self.unsendable.reverse()
        self._reports.sort(key=lambda report: report.ts_ms)
        self.notes = times.notes
        self.period = Period(self._reports[0].ts_ms, self._reports[-1].ts_ms)

    def devices(self) -> list[Device]:
        """A container whose position is no position stays unknown to the registry, and so do its readings."""
        latest = {report.device_id: report for report in self._reports}
        return [device for report in latest.values() if (device := _device(report))]

    def messages(self, shift_ms: int) -> Iterator[Message]:
        zone = ZoneInfo(ZONE)
        for report in self._reports:
            ts_ms = report.ts_ms + shift_ms
            body = {"ts": from_ms(ts_ms).astimezone(zone).isoformat(), "fill_light": report.level.lower() or None}
            yield object_message(MqttTopic(self.stream, "bin", report.device_id, "reading"), ts_ms, ts_ms, body)


def _report(row: list[str], times: LocalTimes) -> _Report | str:
    """What a row says, or why it says nothing."""
    if len(row) != len(_HEADER):
        return f"{len(row)} columns, expected {len(_HEADER)}"
    serial, _, lat, lon, timestamp, level = row
    device_id = f"bigbelly-{serial}"
    if not is_device_id(device_id):
        return f"SN {serial[:40]!r} makes no device id"
    try:
        wall = datetime.strptime(timestamp, "%m/%d/%Y %H:%M")  # noqa: DTZ007  # the zone is LocalTimes' business
    except ValueError:
        return f"Timestamp {timestamp[:40]!r} is no time"
    return _Report(times.to_ms(wall), device_id, lat, lon, level)


def _device(report: _Report) -> Device | None:
    """Some containers stand at 0, 0 in the list, and so in the registry."""
    try:
        lat, lon = float(report.lat), float(report.lon)
        quarter = ("n" if lat >= _HALL_LAT else "s") + ("e" if lon >= _HALL_LON else "w")
        return Device(
            device_id=report.device_id,
            stream="waste",
            kind="bin",
            zone=f"philadelphia-{quarter}" if lat and lon else "philadelphia-other",
            site=report.device_id,
            lat=lat,
            lon=lon,
            interval_s=_INTERVAL_S,
            gateway=GATEWAY,
        )
    except ValueError:
        return None
