"""Hourly inflow of a sewage works with the weather about it, sent on as three kinds of gateway do.

    flow (m3/h)                   drainage/level horsens-inflow: flow_m3_h, an object an hour; a missing value is null
    acc_precip (mm in the hour)   drainage/rain horsens-rain: intensity_mm_h, and rain_mm as a gauge counts that starts at 0 with
                                  the recording; a SenML pack a day
    temp_soil_10, temp_soil_30    drainage/soil horsens-soil-10 and -30 (cm deep): temp_c, an array a day; missing values are null

Times are UTC, although the file does not say so: no hour is missing or twice at either change of daylight saving, and the sun's
radiation is centred on 12:00 in June as in December (10 degrees east: 11:20 UTC, and half an hour for values stamped at the
end of their hour). Pressure, radiation, humidity, air and grass temperature have no counterpart in the contract.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from deploy.demo.recordings.recording import (
    Message,
    Period,
    RecordingError,
    Row,
    Unsendable,
    array_message,
    by_span,
    number,
    object_message,
    read_table,
)
from schemas import codec
from schemas.device import Device
from schemas.instants import DAY_MS, SECOND_MS, format_rfc3339, to_ms
from schemas.topics import SENML, MqttTopic

FOLDER = "drainage-inflow"
FILE = "data.csv"
_TIME, _FLOW, _RAIN = "time", "flow", "acc_precip"
_SOIL = {"horsens-soil-10": "temp_soil_10", "horsens-soil-30": "temp_soil_30"}
_NEEDED = (_TIME, _FLOW, _RAIN, *_SOIL.values())
_INTERVAL_S = 3_600


class DrainageRecording:
    """One table of hours."""

    stream = "drainage"
    notes: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        header, rows = read_table(path)
        missing = [column for column in _NEEDED if column not in header]
        if missing:
            raise RecordingError(f"{path}: no column {missing[0]!r}")
        self.unsendable: list[Unsendable] = []
        self._rows: list[Row] = []
        for line, cells in enumerate(rows, start=2):
            row = _row(header, cells)
            if isinstance(row, Row):
                self._rows.append(row)
            elif cells:
                self.unsendable.append(Unsendable(f"{FILE}:{line}", row))
        if not self._rows:
            raise RecordingError(f"{path}: no row that can be read")
        self._rows.sort(key=lambda row: row.ts_ms)
        self._rain: dict[int, tuple[float, float]] = {}
        self._count_rain()
        self.period = Period(self._rows[0].ts_ms, self._rows[-1].ts_ms)

    def _count_rain(self) -> None:
        """Exact in decimals: a gauge's counter does not drift."""
        total = Decimal(0)
        for row in self._rows:
            try:
                fallen = Decimal(row.cells[_RAIN])
                total += fallen
            except InvalidOperation:
                where = f"{FILE} {row.cells[_TIME]}"
                self.unsendable.append(Unsendable(where, f"acc_precip {row.cells[_RAIN]!r} is no amount SenML can carry"))
            else:
                self._rain[row.ts_ms] = float(fallen), float(total)

    def devices(self) -> list[Device]:
        sensors = [("horsens-inflow", "level", "Inflow of the sewage works"), ("horsens-rain", "rain", "Rain gauge")]
        sensors += [(device_id, "soil", f"Ground at {device_id[-2:]} cm") for device_id in _SOIL]
        return [
            Device(
                device_id=device_id,
                stream=self.stream,
                kind=kind,
                zone="horsens",
                site="horsens-works",
                lat=55.86,
                lon=9.87,
                interval_s=_INTERVAL_S,
                name=name,
            )
            for device_id, kind, name in sensors
        ]

    def messages(self, shift_ms: int) -> Iterator[Message]:
        for day in by_span(self._rows, DAY_MS):
            for row in day:
                ts_ms = row.ts_ms + shift_ms
                body = {"ts": format_rfc3339(ts_ms), "flow_m3_h": number(row.cells[_FLOW])}
                yield object_message(MqttTopic(self.stream, "level", "horsens-inflow", "reading"), ts_ms, ts_ms, body)
            times = [row.ts_ms + shift_ms for row in day]
            rainy = [row.ts_ms for row in day if row.ts_ms in self._rain]
            if rainy:
                yield self._pack(rainy, times[-1], shift_ms)
            for device_id, column in _SOIL.items():
                items = [{"ts": ts, "temp_c": number(row.cells[column])} for ts, row in zip(times, day, strict=True)]
                yield array_message(MqttTopic(self.stream, "soil", device_id, "reading"), times, items)

    def _pack(self, times: Sequence[int], at_ms: int, shift_ms: int) -> Message:
        base: dict[str, Any] = {"bn": "horsens-rain:", "bt": (times[0] + shift_ms) / SECOND_MS}
        records: list[dict[str, Any]] = []
        for ts_ms in times:
            fallen, total = self._rain[ts_ms]
            offset = (ts_ms - times[0]) / SECOND_MS
            records.append({"n": "rain_mm", "u": "mm", "t": offset, "v": total})
            records.append({"n": "intensity_mm_h", "u": "mm/h", "t": offset, "v": fallen})
        records[0] = base | records[0]
        topic = MqttTopic(self.stream, "rain", "horsens-rain", SENML)
        return Message(at_ms, topic, codec.dumps(records), len(times), tuple(ts + shift_ms for ts in times))


def _row(header: Sequence[str], cells: Sequence[str]) -> Row | str:
    if len(cells) != len(header):
        return f"{len(cells)} columns, expected {len(header)}"
    named = dict(zip(header, cells, strict=True))
    try:
        return Row(to_ms(datetime.fromisoformat(named[_TIME]).replace(tzinfo=UTC)), named)
    except ValueError:
        return f"{named[_TIME][:40]!r} is no time"
