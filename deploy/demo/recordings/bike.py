"""Hourly GBFS 2 snapshots of station_status, sent on as a gateway does that has read them: one message a station.

    GBFS 2                               here (GBFS 3)
    num_bikes_available, _disabled       num_vehicles_available, _disabled
    num_docks_available, _disabled       the same
    is_installed, is_renting, is_returning   0 and 1 become false and true
    last_reported (epoch seconds)        ts (epoch milliseconds)

The vendor's own eightd_has_available_keys and is_charging are not part of the contract. A message is sent when the snapshot was
fetched, which the file's name says in UTC; its reading is as old as the station says. A file that is no snapshot cannot be split
into stations: it goes out as it is, under the gateway's own name.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.demo.recordings.recording import Message, Period, RecordingError, Unsendable, object_message
from schemas import codec
from schemas.device import Device
from schemas.instants import SECOND_MS, to_ms
from schemas.topics import MqttTopic, is_device_id

FOLDER = "bike-gbfs"
GATEWAY = "ecobici-gateway"
_INTERVAL_S = 3_600

_FILE = re.compile(r"station_status_(\d{14})\.json\Z")
_AREA = re.compile(r"\d{3}(-\d{3})?\Z")
_COUNTS = {
    "num_bikes_available": "num_vehicles_available",
    "num_bikes_disabled": "num_vehicles_disabled",
    "num_docks_available": "num_docks_available",
    "num_docks_disabled": "num_docks_disabled",
}
_FLAGS = ("is_installed", "is_renting", "is_returning")


class BikeRecording:
    """One folder of snapshots."""

    stream = "bike"
    notes: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        self.unsendable: list[Unsendable] = []
        self._folder = folder
        self._snapshots: list[tuple[int, Path]] = []
        whole: list[int] = []
        for path in sorted(folder.glob("station_status_*.json")):
            at_ms = _fetched_at(path)
            if at_ms is None:
                self.unsendable.append(Unsendable(path.name, "its name does not say when it was fetched"))
                continue
            self._snapshots.append((at_ms, path))
            stations = _stations(path.read_bytes())
            if stations is not None:
                whole.append(at_ms)
                self.unsendable += [Unsendable(path.name, f"no device id: {s!r:.80}") for s in stations if _device_id(s) is None]
        if not whole:
            raise RecordingError(f"{folder}: no station_status_<YYYYMMDDhhmmss>.json that can be read")
        self._snapshots.sort()
        self.period = Period(min(whole), max(whole))

    def devices(self) -> list[Device]:
        """What station_information lists; a station it does not list stays unknown to the registry."""
        path = self._folder / "station_information.json"
        stations = _stations(path.read_bytes()) if path.is_file() else None
        if stations is None:
            raise RecordingError(f"{path}: absent, or no GBFS station_information")
        return [device for station in stations if (device := _device(station))]

    def messages(self, shift_ms: int) -> Iterator[Message]:
        for at_ms, path in self._snapshots:
            data = path.read_bytes()
            stations = _stations(data)
            if stations is None:
                yield Message(at_ms + shift_ms, MqttTopic(self.stream, "station", GATEWAY, "reading"), data, 1, ())
                continue
            for station in stations:
                device_id = _device_id(station)
                if device_id is not None:
                    topic = MqttTopic(self.stream, "station", device_id, "reading")
                    yield _message(topic, at_ms + shift_ms, shift_ms, station)


def _fetched_at(path: Path) -> int | None:
    name = _FILE.match(path.name)
    try:
        return to_ms(datetime.strptime(name[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)) if name else None
    except ValueError:
        return None


def _stations(data: bytes) -> list[Any] | None:
    """None for a file that is not in GBFS's envelope."""
    try:
        stations = codec.loads(data)["data"]["stations"]
    except (ValueError, KeyError, TypeError):
        return None
    return stations if isinstance(stations, list) else None


def _device_id(station: Any) -> str | None:
    device_id = f"ecobici-{station.get('station_id', '/')}" if isinstance(station, dict) else ""
    return device_id if is_device_id(device_id) else None


def _message(topic: MqttTopic, at_ms: int, shift_ms: int, station: Mapping[str, Any]) -> Message:
    reported = station.get("last_reported")
    ts = reported * SECOND_MS + shift_ms if type(reported) is int else reported
    body: dict[str, Any] = {"ts": ts}
    body |= {ours: station[theirs] for theirs, ours in _COUNTS.items() if theirs in station}
    body |= {name: _truth(station[name]) for name in _FLAGS if name in station}
    message = object_message(topic, at_ms, 0, body)
    return message._replace(times=(ts,) if type(ts) is int else ())


def _truth(value: Any) -> Any:
    return bool(value) if type(value) is int and value in (0, 1) else value


def _device(station: Any) -> Device | None:
    """None for an entry that makes no device. Two stations stand at 0, 0 and have no docks: so says the operator's file."""
    device_id = _device_id(station)
    if device_id is None:
        return None
    number = str(station.get("short_name", ""))
    try:
        return Device(
            device_id=device_id,
            stream="bike",
            kind="station",
            zone=f"ecobici-{number[0]}" if _AREA.match(number) else "ecobici-other",
            site=number or device_id,
            lat=station["lat"],
            lon=station["lon"],
            interval_s=_INTERVAL_S,
            name=station.get("name", ""),
            gateway=GATEWAY,
            params={"docks": station["capacity"]} if "capacity" in station else {},
        )
    except (KeyError, ValueError):
        return None
