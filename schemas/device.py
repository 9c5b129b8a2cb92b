"""The device registry: which devices exist, where they stand, how often they report, and what their ranges depend on."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from schemas.indicator import DISTRICT
from schemas.streams import find_kind
from schemas.topics import is_device_id


class Device(BaseModel):
    """One device. `params` are numbers or lists of them: docks, depth_m, volume_m3, heating_curve and so on."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    device_id: str
    stream: str
    kind: str
    zone: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
    site: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,48}$")]
    lat: Annotated[float, Field(ge=-90, le=90)]
    lon: Annotated[float, Field(ge=-180, le=180)]
    interval_s: Annotated[int, Field(gt=0, le=31 * 86_400)]
    name: str = ""
    gateway: str = ""
    params: Mapping[str, float | tuple[float, ...] | tuple[tuple[float, float], ...]] = {}

    @model_validator(mode="before")
    @classmethod
    def _default_interval(cls, data: Any) -> Any:
        if isinstance(data, dict) and "interval_s" not in data:
            kind = find_kind(str(data.get("stream")), str(data.get("kind")))
            if kind:
                return {**data, "interval_s": kind.interval_s}
        return data

    @model_validator(mode="after")
    def _known(self) -> "Device":
        if not is_device_id(self.device_id):
            raise ValueError(f"device_id {self.device_id!r} is not 3 to 48 letters, digits and hyphens")
        if self.zone == DISTRICT:
            raise ValueError(f"zone {DISTRICT!r} stands for all zones together")
        if find_kind(self.stream, self.kind) is None:
            raise ValueError(f"no kind {self.stream}/{self.kind} is declared")
        return self


_DEVICE = TypeAdapter(Device)


class Registry:
    """The devices known now, kept current from the compacted `device` topic. `version` grows with every change."""

    def __init__(self, devices: Mapping[str, Device] | None = None) -> None:
        self._devices: dict[str, Device] = dict(devices or {})
        self.version = 0

    def apply(self, device_id: str, value: bytes | None) -> str | None:
        """Takes one record of the topic; a null value removes the device. Returns what is wrong with it, if anything."""
        self.version += 1
        if value is None:
            self._devices.pop(device_id, None)
            return None
        try:
            self._devices[device_id] = _DEVICE.validate_json(value)
        except ValidationError as error:
            return f"device {device_id}: {first_problem(error)}"
        return None

    def get(self, device_id: str) -> Device | None:
        return self._devices.get(device_id)

    def __iter__(self) -> Iterator[Device]:
        return iter(self._devices.values())

    def __len__(self) -> int:
        return len(self._devices)


def first_problem(error: ValidationError) -> str:
    """A validation error in one line: where, and what."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


def encode(device: Device) -> bytes:
    return device.model_dump_json().encode()
