"""One-minute logs of a solar heat circuit, sent on as a gateway does: an hour of readings in each message.

    Temperatur Sensor 1, 2       primary_supply_temp_c (collector), primary_return_temp_c (foot of the store)
    Temperatur Sensor 3, 4       secondary_supply_temp_c (head of the store), secondary_return_temp_c
    Temperatur Sensor 6          outdoor_temp_c
    Druck Sensor 7 [Bar]         primary_supply_pressure_mpa, divided by 10
    Durchfluss Sensor 9, V40 [l/h]   primary_flow_m3_h, secondary_flow_m3_h, divided by 1,000
    Wärme [Wh]                   primary_energy_kwh, divided by 1,000
    Drehzahl Relais 1 [%]        circulation_pump: running above 0, else stopped
    Temperatur Sensor 5          the temperature of the room it hangs in, a device of its own

The publisher does not say which sensor is where; the assignment follows from how they move. What the logger writes in place of a
value (888,8 -88,8 -999,9 -9999) goes out as it is, in no unit, since it measures nothing. Sensor 8 says what sensor 6 says; the
other columns (PWM, relays 2 to 4, seconds of running, masks, version) have no counterpart in the contract. Times are local, in
Germany; a step back by the end of daylight saving is seen in the order of the rows.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from deploy.demo.recordings.recording import (
    LocalTimes,
    Message,
    Period,
    RecordingError,
    Row,
    Unsendable,
    array_message,
    by_span,
    number,
    read_table,
)
from schemas.device import Device
from schemas.instants import HOUR_MS, format_rfc3339
from schemas.metric import LOGGER_SENTINELS
from schemas.topics import MqttTopic

FOLDER = "heat-logs"
CIRCUIT = "solar-circuit"
ROOM = "solar-room"
ZONE = "Europe/Berlin"
_INTERVAL_S = 60

_TIME = "Datum & Uhrzeit"
_PUMP = "Drehzahl Relais 1 [ %]"
_ROOM_TEMP = "Temperatur Sensor 5 [ °C]"
# Column, metric, and how many of the column's unit make one of the metric's
_CIRCUIT_COLUMNS = (
    ("Temperatur Sensor 1 [ °C]", "primary_supply_temp_c", 1),
    ("Temperatur Sensor 2 [ °C]", "primary_return_temp_c", 1),
    ("Temperatur Sensor 3 [ °C]", "secondary_supply_temp_c", 1),
    ("Temperatur Sensor 4 [ °C]", "secondary_return_temp_c", 1),
    ("Temperatur Sensor 6 [ °C]", "outdoor_temp_c", 1),
    ("Druck Sensor 7 [ Bar]", "primary_supply_pressure_mpa", 10),
    ("Durchfluss Sensor 9 [ l/h]", "primary_flow_m3_h", 1_000),
    ("Durchfluss V40 [ l/h]", "secondary_flow_m3_h", 1_000),
    ("Wärme [ Wh]", "primary_energy_kwh", 1_000),
)
_NEEDED = (_TIME, _PUMP, _ROOM_TEMP, *(column for column, _, _ in _CIRCUIT_COLUMNS))


class HeatRecording:
    """One folder of daily logs."""

    stream = "heat"

    def __init__(self, folder: Path) -> None:
        self.unsendable: list[Unsendable] = []
        self._rows: list[Row] = []
        times = LocalTimes(ZONE)
        for path in sorted(folder.glob("*.csv")):
            self._read(path, times)
        if not self._rows:
            raise RecordingError(f"{folder}: no log that can be read")
        self._rows.sort(key=lambda row: row.ts_ms)
        self.notes = times.notes
        self.period = Period(self._rows[0].ts_ms, self._rows[-1].ts_ms)

    def _read(self, path: Path, times: LocalTimes) -> None:
        try:
            header, rows = read_table(path, "latin-1", "\t")
        except RecordingError as error:
            self.unsendable.append(Unsendable(path.name, str(error)))
            return
        missing = [column for column in _NEEDED if column not in header]
        if missing:
            self.unsendable.append(Unsendable(path.name, f"no column {missing[0]!r}"))
            return
        for line, row in enumerate(rows, start=2):
            if len(row) < len(header):
                self.unsendable.append(Unsendable(f"{path.name}:{line}", f"{len(row)} columns, expected {len(header)}"))
                continue
            cells = dict(zip(header, row, strict=False))
            try:
                wall = datetime.strptime(cells[_TIME], "%d.%m.%Y %H:%M")  # noqa: DTZ007  # the zone is LocalTimes' business
            except ValueError:
                self.unsendable.append(Unsendable(f"{path.name}:{line}", f"{cells[_TIME][:40]!r} is no time"))
                continue
            self._rows.append(Row(times.to_ms(wall), cells))

    def devices(self) -> list[Device]:
        """The publisher names no place; the middle of Germany stands for it."""
        return [
            Device(
                device_id=device_id,
                stream=self.stream,
                kind=kind,
                zone="solar",
                site="solar-plant",
                lat=51.16,
                lon=10.45,
                interval_s=_INTERVAL_S,
                name=name,
            )
            for device_id, kind, name in ((CIRCUIT, "exchange", "Solar heat circuit"), (ROOM, "indoor", "Room of the store"))
        ]

    def messages(self, shift_ms: int) -> Iterator[Message]:
        for hour in by_span(self._rows, HOUR_MS):
            times = [row.ts_ms + shift_ms for row in hour]
            stamps: list[dict[str, Any]] = [{"ts": format_rfc3339(ts_ms)} for ts_ms in times]
            circuit = [stamp | _circuit(row.cells) for stamp, row in zip(stamps, hour, strict=True)]
            room = [stamp | {"temp_c": _measured(row.cells[_ROOM_TEMP], 1)} for stamp, row in zip(stamps, hour, strict=True)]
            yield array_message(MqttTopic(self.stream, "exchange", CIRCUIT, "reading"), times, circuit)
            yield array_message(MqttTopic(self.stream, "indoor", ROOM, "reading"), times, room)


def _circuit(cells: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {metric: _measured(cells[column], divisor) for column, metric, divisor in _CIRCUIT_COLUMNS}
    return values | {"circulation_pump": _pump(cells[_PUMP])}


def _measured(cell: str, divisor: int) -> float | str | None:
    value = number(cell.replace(",", "."))
    return value / divisor if isinstance(value, float) and value not in LOGGER_SENTINELS else value


def _pump(cell: str) -> str | float | None:
    speed = _measured(cell, 1)
    if not isinstance(speed, float) or speed < 0:
        return speed
    return "running" if speed > 0 else "stopped"
