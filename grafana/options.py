"""What differs between deployments and languages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from grafana.outline import Place, data_url, hulls
from grafana.words import Language, Words
from schemas.device import Device
from schemas.streams import BY_NAME


@dataclass(frozen=True)
class Options:
    """`zones` get colours of their own; without a tile server (`tiles`) maps show the outline alone.

    zone_names    what people call them; a zone without a name is called as it is registered
    first_device  what the dashboard of one device begins with
    rules         rule -> what it says of an alert, with `{name}` and the alert's values to be put in
    """

    language: Language = "en"
    zones: tuple[str, ...] = ()
    outline: str = field(default="", repr=False)
    tiles: str = ""
    first_device: str = ""
    zone_names: Mapping[str, Words] = field(default_factory=dict)
    rules: Mapping[str, Words] = field(default_factory=dict, repr=False)

    @property
    def titles(self) -> dict[str, str]:
        """Zone -> its name in this language, in order."""
        return {zone: self.zone_names.get(zone, Words(zone, zone)).of(self.language) for zone in self.zones}

    def say(self, en: str, zh: str) -> str:
        return Words(en, zh).of(self.language)


def options_of(
    devices: Iterable[Device],
    language: Language,
    tiles: str = "",
    zone_names: Mapping[str, Words] | None = None,
    rules: Mapping[str, Words] | None = None,
) -> Options:
    """The device that has most to say is the one to begin with."""
    known = sorted(devices, key=lambda device: device.device_id)
    found = hulls(Place(device.zone, device.lat, device.lon) for device in known)
    first = max(known, key=lambda device: len(BY_NAME[device.stream].by_name[device.kind].metrics), default=None)
    return Options(
        language, tuple(found), data_url(found), tiles, first.device_id if first else "", zone_names or {}, rules or {}
    )
