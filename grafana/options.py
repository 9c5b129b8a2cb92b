"""What differs between deployments and languages."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from grafana.outline import Place, data_url, hulls
from grafana.words import Language, Words
from schemas.device import Device
from schemas.streams import BY_NAME


@dataclass(frozen=True)
class Options:
    """`zones` get colours of their own; without a tile server (`tiles`) maps show the outline alone.

    first_device  what the dashboard of one device begins with
    """

    language: Language = "en"
    zones: tuple[str, ...] = ()
    outline: str = field(default="", repr=False)
    tiles: str = ""
    first_device: str = ""

    def say(self, en: str, zh: str) -> str:
        return Words(en, zh).of(self.language)


def options_of(devices: Iterable[Device], language: Language, tiles: str = "") -> Options:
    """The device that has most to say is the one to begin with."""
    known = sorted(devices, key=lambda device: device.device_id)
    found = hulls(Place(device.zone, device.lat, device.lon) for device in known)
    first = max(known, key=lambda device: len(BY_NAME[device.stream].by_name[device.kind].metrics), default=None)
    return Options(language, tuple(found), data_url(found), tiles, first.device_id if first else "")
