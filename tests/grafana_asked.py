"""What Grafana makes of a dashboard before it asks: each query with its variables, time range and interval put in."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from schemas.instants import format_rfc3339

ALL = ".*"
_REGEX_CHARACTERS = re.compile(r"[\\^$*+?.()|\[\]{}/]")


class Asked(NamedTuple):
    board: str
    panel: str
    ref: str
    flux: str

    @property
    def name(self) -> str:
        return f"{self.board} / {self.panel} / {self.ref}"


def queries(board: Mapping[str, Any], chosen: Mapping[str, str], start_ms: int | None, end_ms: int | None) -> Iterator[Asked]:
    """Every panel's, those in closed rows too, then the variables' own. Without times these are left for Grafana to fill in."""
    for panel in panels(board):
        points = panel.get("maxDataPoints") or 1_000
        for target in panel.get("targets", ()):
            text = fill(target["query"], chosen, start_ms, end_ms, points)
            yield Asked(board["uid"], panel["title"], target["refId"], text)
    for mark in board.get("annotations", {}).get("list", ()):
        text = fill(mark["target"]["query"], chosen, start_ms, end_ms, 1_000)
        yield Asked(board["uid"], mark["name"], mark["target"]["refId"], text)
    for variable in board["templating"]["list"]:
        text = fill(variable["query"], chosen, start_ms, end_ms, 1_000)
        yield Asked(board["uid"], f"${variable['name']}", "-", text)


def panels(board: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in board["panels"]:
        if panel["type"] != "row":
            yield panel
        yield from panel.get("panels", ())


def fill(flux: str, chosen: Mapping[str, str], start_ms: int | None, end_ms: int | None, points: int) -> str:
    for name, value in chosen.items():
        shown = value if value == ALL else _REGEX_CHARACTERS.sub(lambda found: "\\" + found.group(), value)
        flux = flux.replace(f"${{{name}:regex}}", shown).replace(f"${{{name}}}", value)
    if start_ms is None or end_ms is None:
        return flux
    period_ms = max(1_000, (end_ms - start_ms) // points)
    flux = flux.replace("v.timeRangeStart", format_rfc3339(start_ms)).replace("v.timeRangeStop", format_rfc3339(end_ms))
    return flux.replace("v.windowPeriod", f"{period_ms}ms")
