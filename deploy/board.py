"""The live table of `hanan up` and `hanan status`: one row a stream, for people who look at it for a second."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.alarms import BrokerRow, alarms, broker_row
from deploy.watch import RoleRow, StreamRow, Watch
from schemas.alert import Alert, Severity, State

_OLD_MS = 120_000
_REASONS = 3
_ALERTS_SHOWN = 5
SEVERITY_STYLES: Mapping[Severity, str] = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFORMATIONAL: "dim",
}


def streams_table(rows: Sequence[StreamRow], now_ms: int) -> RenderableType:
    """Fits 80 columns; the reasons of dead letters stand below it."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=0, pad_edge=False)
    table.add_column("stream", no_wrap=True)
    for title in ("in/s", "out/s", "stored", "suspect", "dead", "lag", "last", "p50", "p99"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.stream,
            f"{row.received_per_s:,.1f}",
            f"{row.stored_per_s:,.1f}",
            f"{row.stored:,}",
            f"{row.suspect:,}",
            Text(f"{row.dead:,}", style="red" if row.dead else "dim"),
            "-" if row.lag is None else f"{row.lag:,}",
            _ago(row.last_ms, now_ms),
            duration(row.p50_ms),
            duration(row.p99_ms),
        )
    reasons = [
        f"{row.stream}: " + ", ".join(f"{reason} {n:,}" for reason, n in row.dead_reasons[:_REASONS]) for row in rows if row.dead
    ]
    if not reasons:
        return table
    return Group(table, Text("dead letters  " + "   ".join(reasons), style="red"), Text(""))


def roles_line(rows: Sequence[RoleRow]) -> Text:
    parts = [f"{row.role} x{row.processes} {row.cpu_percent:.0f} % {row.resident_mb:.0f} MB" for row in rows]
    return Text("   ".join(parts) or "no role is running", style="dim")


def alerts_lines(alerts: Sequence[Alert], now_ms: int) -> RenderableType:
    """What asks for somebody, the gravest first; how many more there are, and how many ask for nobody now."""
    calling = [one for one in alerts if one.state is State.FIRING and one.severity.rank]
    others = Counter(one.state.value for one in alerts if one.state is not State.FIRING)
    counts = Counter(one.severity.value for one in calling)
    parts = [f"{counts[one.value]} {one.value}" for one in reversed(Severity) if counts[one.value]]
    parts += [f"{number} {state}" for state, number in sorted(others.items())]
    lines = [Text("alerts  " + (", ".join(parts) or "none"), style="red" if calling else "dim")]
    for one in calling[:_ALERTS_SHOWN]:
        where = " ".join(word for word in (one.zone, one.subject) if word)
        text = f"  {one.severity.value:<8} {one.rule} {where} for {duration(max(0, now_ms - one.onset_ms))}"
        lines.append(Text(text, style=SEVERITY_STYLES[one.severity]))
    if len(calling) > _ALERTS_SHOWN:
        lines.append(Text(f"  and {len(calling) - _ALERTS_SHOWN} more: hanan alerts list", style="dim"))
    return Group(*lines)


def broker_line(row: BrokerRow) -> Text:
    return Text(f"MQTT broker {row.queued:,} waiting ({row.queued_mb:,.1f} MB)   {row.resident_mb:,.0f} MB", style="dim")


def board(watch: Watch, alerts: Sequence[Alert], now_ms: int, lines: Sequence[str] = ()) -> RenderableType:
    """All of it: what flows, what calls for somebody, who works, what waits in the broker, and in red what is lost."""
    broker = broker_row(watch.latest)
    return Group(
        streams_table(watch.streams(), now_ms),
        alerts_lines(alerts, now_ms),
        roles_line(watch.roles()),
        *([broker_line(broker)] if broker else []),
        *(Text(line, style="bold red") for line in alarms(watch.latest)),
        *(Text(line, style="dim") for line in lines),
    )


def duration(ms: float | None) -> str:
    """`85 ms`, `1.4 s`, `12 min`: two digits are enough to act on."""
    if ms is None:
        return "-"
    if ms < 1_000:  # noqa: PLR2004
        return f"{ms:.0f} ms"
    if ms < 120_000:  # noqa: PLR2004
        return f"{ms / 1_000:.1f} s"
    return f"{ms / 60_000:.0f} min"


def _ago(last_ms: float | None, now_ms: int) -> Text:
    if last_ms is None:
        return Text("none", style="yellow")
    age = max(0.0, now_ms - last_ms)
    return Text(duration(age), style="yellow" if age > _OLD_MS else "")
