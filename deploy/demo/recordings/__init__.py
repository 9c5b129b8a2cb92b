"""The recorded feeds, each by an adapter that does what the feed's gateway would do."""

from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.demo.recordings import bike, drainage, heat, waste
from deploy.demo.recordings.recording import (
    Message as Message,
)
from deploy.demo.recordings.recording import (
    Period as Period,
)
from deploy.demo.recordings.recording import (
    Recording as Recording,
)
from deploy.demo.recordings.recording import (
    RecordingError as RecordingError,
)
from deploy.demo.recordings.recording import (
    Unsendable as Unsendable,
)
from schemas.device import Device

_ADAPTERS: Mapping[str, tuple[str, Callable[[Path], Recording]]] = {
    "bike": (bike.FOLDER, bike.BikeRecording),
    "waste": (waste.FOLDER, waste.WasteRecording),
    "heat": (heat.FOLDER, heat.HeatRecording),
    "drainage": (drainage.FOLDER, drainage.DrainageRecording),
}
NAMES = tuple(_ADAPTERS)


def present(data_dir: Path) -> list[str]:
    """The recordings whose folders are there."""
    return [name for name, (folder, _) in _ADAPTERS.items() if (data_dir / folder).is_dir()]


def open_recording(data_dir: Path, name: str) -> Recording:
    folder, adapter = _ADAPTERS[name]
    if not (data_dir / folder).is_dir():
        raise RecordingError(f"{data_dir / folder}: there is no such folder")
    return adapter(data_dir / folder)


def recorded_devices(data_dir: Path, names: tuple[str, ...] = NAMES) -> list[Device]:
    """The registry's entries for all devices of the recordings that are there."""
    return [device for name in present(data_dir) if name in names for device in open_recording(data_dir, name).devices()]
