"""What differs between deployments and languages."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from grafana.outline import Place, data_url, hulls
from grafana.words import Language, Words


@dataclass(frozen=True)
class Options:
    """`zones` get colours of their own; without a tile server (`tiles`) maps show the outline alone."""

    language: Language = "en"
    zones: tuple[str, ...] = ()
    outline: str = field(default="", repr=False)
    tiles: str = ""
    devices: tuple[str, ...] = ()

    def say(self, en: str, zh: str) -> str:
        return Words(en, zh).of(self.language)


def options_of(places: Iterable[Place], devices: Iterable[str], language: Language, tiles: str = "") -> Options:
    found = hulls(places)
    return Options(language, tuple(found), data_url(found), tiles, tuple(sorted(devices)))
