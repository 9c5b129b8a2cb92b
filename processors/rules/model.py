"""A rule as its author writes it, checked field by field. What needs the metrics' names is checked in compiled.py."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from processors.rules.spans import Span
from schemas.alert import Severity

_MONTH_DAY = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\Z")
_CLOCK = re.compile(r"([01]\d|2[0-4]):([0-5]\d)\Z")

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{2,60}$")]
Group = Literal["device", "gateway", "site", "zone", "stream", "district"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _month_day(value: object) -> object:
    match = _MONTH_DAY.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a day of the year such as 10-20")
    return int(match[1]) * 100 + int(match[2])


def _minutes(value: object) -> object:
    match = _CLOCK.match(value) if isinstance(value, str) else None
    if match is None or match[0] > "24:00":
        raise ValueError(f'{value!r} is not a time of day such as "06:30", in quotation marks')
    return int(match[1]) * 60 + int(match[2])


class Season(_Part):
    """Of every year, from the beginning of one day to that of another; over New Year where `to` is the earlier."""

    since: Annotated[int, BeforeValidator(_month_day)] = Field(alias="from")
    to: Annotated[int, BeforeValidator(_month_day)]


class Hours(_Part):
    """Of every day, on the city's clocks; over midnight where `to` is the earlier."""

    since: Annotated[int, BeforeValidator(_minutes)] = Field(alias="from")
    to: Annotated[int, BeforeValidator(_minutes)]


class Setting(_Part):
    """A figure that a district may want to change, with its evidence: S read in a source, V measured, P prior knowledge."""

    value: float | str | bool
    unit: str = ""
    evidence: Annotated[str, Field(pattern=r"^[SVP](:|$)")]


class Silent(_Part):
    """Nothing heard for so many of the device's own intervals: `quiet` makes it pending, `intervals` makes it fire."""

    intervals: Annotated[float, Field(gt=1, le=50)]
    quiet: Annotated[float, Field(gt=1, le=50)] = 2.0
    at_least: Span = 0
    unless: str = ""  # a condition on its last reading that excuses it

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.quiet >= self.intervals:
            raise ValueError("quiet must be less than intervals")
        return self


class Count(_Part):
    """So many devices of one gateway, site, zone or stream are pending or open under another rule."""

    of: Id
    by: Group
    at_least: Annotated[int, Field(ge=1)] = 1
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    clear_share: Annotated[float, Field(ge=0, le=1)] = 0.3


class Inhibit(_Part):
    """While this one is open, those rules do not call for devices of the same gateway, site, ..."""

    rules: Annotated[tuple[Id, ...], Field(min_length=1)]
    by: Group = "device"


class Flapping(_Part):
    """A slot that has fired `times` within `within` stays open until it has been clear for `hold`."""

    times: Annotated[int, Field(ge=2)] = 3
    within: Span = 6 * 3_600_000
    hold: Span = 3_600_000


class Text(_Part):
    """What happened, and what to do. `{name}`, `{site}`, `{zone}`, `{subject}`, `{since}` and the rule's `show` are put in."""

    summary: Annotated[str, Field(min_length=1)]
    todo: Annotated[str, Field(min_length=1)]


class Rule(_Part):
    id: Id
    kinds: Annotated[tuple[str, ...], Field(min_length=1)] = ()
    compare: Literal["", "site", "zone", "district"] = ""
    over: Literal["", "15m", "1h"] = ""  # judged of each such window of a device, when it ends, instead of each reading
    when: str = ""
    given: str = ""
    clear: str = ""
    silent: Silent | None = None
    count: Count | None = None
    every: Span = 0  # looks only at the first reading of each such span; what takes hours need not be asked each minute
    for_ms: Span = Field(0, alias="for")
    keep_firing_for: Span = 0
    severity: Severity
    levels: Mapping[Severity, str] = {}
    season: str = ""
    hours: Hours | None = None
    with_suspect: bool = False  # flagged values count as well
    show: tuple[str, ...] = ()
    inhibits: Inhibit | None = None
    flapping: Flapping = Flapping()
    audience: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    evidence: str = ""
    zh: Text
    en: Text

    @model_validator(mode="after")
    def _one_sort(self) -> Self:
        sorts = [bool(self.when), self.silent is not None, self.count is not None]
        if sum(sorts) != 1:
            raise ValueError("a rule has one of when, silent and count")
        if not self.when and (self.given or self.clear or self.levels or self.compare):
            raise ValueError("given, clear, levels and compare belong to when")
        if self.count and self.kinds:
            raise ValueError("a count takes its kinds from the rule that it counts")
        if self.over and (not self.when or self.compare or self.every or self.with_suspect):
            raise ValueError("over belongs to when, and goes without compare, every and with_suspect")
        if not self.count and not self.kinds:
            raise ValueError("kinds says which devices the rule is for")
        low = [level for level in self.levels if level.rank == self.severity.rank]
        if low:
            raise ValueError(f"{low[0]} is the rule's own severity, not another level")
        return self


class Pack(_Part):
    """One file. `stream` is whose kinds are meant where a rule names a kind alone."""

    pack: Id
    stream: str = ""
    settings: Mapping[str, Setting] = {}
    seasons: Mapping[str, Season] = {}
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]

    @property
    def values(self) -> Mapping[str, Any]:
        return {name: setting.value for name, setting in self.settings.items()}
