"""The state of the city for the terminal: the newest points of the indicators, as rows and as a table. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.fields import AGGREGATES
from schemas.indicator import WINDOWS, Indicator, Target, measurement
from schemas.instants import DAY_MS, format_rfc3339, to_ms
from schemas.kind import Stream

LOOK_BACK_MS = 3 * DAY_MS
_COLOURS = {"good": "green", "fair": "yellow", "poor": "red"}


@dataclass(frozen=True)
class Row:
    """The newest value of an indicator in windows of one length; `start` in ms."""

    stream: str
    name: str
    zone: str
    window: str
    start: int
    value: float
    unit: str
    verdict: str  # good, fair, poor, or "" without a target


def query(streams: Iterable[Stream], zone: str, now_ms: int) -> str:
    """Flux for the newest value of every field."""
    names = " or ".join(f'r._measurement == "{measurement(stream.name)}"' for stream in streams)
    return (
        f'from(bucket: "{AGGREGATES}") |> range(start: {format_rfc3339(now_ms - LOOK_BACK_MS)}, stop: {format_rfc3339(now_ms)})'
        f' |> filter(fn: (r) => ({names}) and r.zone == "{zone}") |> last()'
    )


def rows(streams: Sequence[Stream], zone: str, records: Iterable[Mapping[str, object]]) -> list[Row]:
    """In the order of the declarations. A field that is declared no longer is left out."""
    found: dict[tuple[str, str, str], tuple[int, float]] = {}
    for record in records:
        time, value = record["_time"], record["_value"]
        assert isinstance(time, datetime)
        assert isinstance(value, float)
        found[str(record["_measurement"]), str(record["_field"]), str(record["window"])] = to_ms(time), value
    made = []
    for stream in streams:
        for row in stream.indicators:
            for window in row.windows:
                if (point := found.get((measurement(stream.name), row.name, window))) is not None:
                    verdict = row.target.judge(point[1]) if row.target else ""
                    made.append(Row(stream.name, row.name, zone, window, *point, row.unit, verdict))
    return made


def table(streams: Sequence[Stream], zone: str, made: Sequence[Row], lately_ms: int) -> RenderableType:
    """A table a stream. A window that began before `lately_ms` is dim: it is old."""
    by_place = {(row.stream, row.name, row.window): row for row in made}
    return Group(*(_of(stream, zone, by_place, lately_ms) for stream in streams))


def _of(stream: Stream, zone: str, by_place: Mapping[tuple[str, str, str], Row], lately_ms: int) -> RenderableType:
    shown = Table(title=f"{stream.en} {stream.zh} · {zone}", title_justify="left", title_style="bold", expand=False)
    shown.add_column("indicator")
    shown.add_column("指标")
    for window in WINDOWS:
        shown.add_column(window, justify="right")
    shown.add_column("unit")
    shown.add_column("target", no_wrap=True)
    some = False
    for row in stream.indicators:
        values = [by_place.get((stream.name, row.name, window)) for window in WINDOWS]
        if any(values):
            some = True
            shown.add_row(row.en, row.zh, *(_cell(value, lately_ms) for value in values), _unit(row), target_text(row.target))
    return shown if some else Text(f"{stream.en} {stream.zh} · {zone}: no indicator in the last three days", style="dim")


def _cell(row: Row | None, lately_ms: int) -> Text:
    if row is None:
        return Text("")
    style = _COLOURS.get(row.verdict, "")
    return Text(number(row.value), style=style if row.start >= lately_ms else f"dim {style}".strip())


def _unit(row: Indicator) -> str:
    return "" if row.unit == "1" else row.unit


def number(value: float) -> str:
    """Three digits and more: 0.953, 12.4, 1,234."""
    for least, digits in ((100, 0), (10, 1), (1, 2)):
        if abs(value) >= least:
            return f"{value:,.{digits}f}"
    return f"{value:.3f}" if value else "0"


def target_text(target: Target | None) -> str:
    if target is None:
        return ""
    return f"{'>=' if target.good >= target.poor else '<='} {target.good:g}"
