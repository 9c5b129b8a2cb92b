"""The variables zone, site and device, from the registry; each offers what the ones before it leave."""

from typing import Literal

from grafana_foundation_sdk.builders.dashboard import DashboardLink, QueryVariable
from grafana_foundation_sdk.models.dashboard import DashboardLinkType, VariableOption, VariableRefresh

from grafana.flux import ALL, BY_DEVICE, pattern, registry
from grafana.options import Options
from grafana.target import SOURCE
from grafana.words import Language, Words

Name = Literal["zone", "site", "device"]

TITLES: dict[Name, Words] = {
    "zone": Words("Zone", "片区"),
    "site": Words("Site", "场站"),
    "device": Words("Device", "设备"),
}
_NARROWED_BY: dict[Name, tuple[Name, ...]] = {"zone": (), "site": ("zone",), "device": ("zone", "site")}
_MOST = 5_000


def query(name: Name, measurement: str) -> str:
    """One column of text, sorted."""
    column = "device_id" if name == "device" else name
    narrowed = "".join(f"\n  |> filter(fn: (r) => r.{by} =~ {pattern(by)})" for by in _NARROWED_BY[name])
    return f"""{registry(measurement, "zone", "site")}
  |> {BY_DEVICE}{narrowed}
  |> group()
  |> distinct(column: "{column}")
  |> sort(columns: ["_value"])
  |> keep(columns: ["_value"])
  |> limit(n: {_MOST})"""


def variables(measurement: str, language: Language) -> list[QueryVariable]:
    return [_variable(name, measurement, language) for name in TITLES]


def single(measurement: str, language: Language, first: str) -> list[QueryVariable]:
    """For the dashboard of one device: it has no `all`, and starts with `first`."""
    *others, device = variables(measurement, language)
    device.multi(False).include_all(False).all_value("")
    device.current(VariableOption(selected=True, text=first, value=first))
    return [*others, device]


def device_link(options: Options) -> dict[str, object]:
    """From a cell that names a device to its page, in the same time."""
    url = f"/d/hanan-device-{options.language}?var-device=${{__value.text}}&${{__url_time_range}}"
    title = options.say("This device", "查看该设备")
    return DashboardLink(title).type(DashboardLinkType.LINK).url(url).build().to_json() | {"targetBlank": False}


def _variable(name: Name, measurement: str, language: Language) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(TITLES[name].of(language))
        .datasource(SOURCE)
        .query(query(name, measurement))
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED if name == "zone" else VariableRefresh.ON_DASHBOARD_LOAD)
        .multi(True)
        .include_all(True)
        .all_value(ALL)
        .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    )
