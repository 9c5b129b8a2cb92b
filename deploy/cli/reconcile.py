"""`hanan reconcile`: has every reading that came in its place."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.audit import audit, under_way
from deploy.cli.common import FAILED, USAGE, Json, clear_errors, fail, print_json
from deploy.reconcile import Account
from deploy.settings import Settings
from schemas.instants import format_rfc3339, parse_rfc3339


def reconcile(
    since: Annotated[
        str, typer.Option("--from", help="Received since this RFC 3339 time; default: all that Kafka retains.")
    ] = "",
    until: Annotated[
        str, typer.Option("--to", help="Received before this RFC 3339 time; default: up to where all is processed.")
    ] = "",
    feed: Annotated[
        Path | None, typer.Option(help="Ledger of a feed: what it sent and what was acknowledged. Its times are the period.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add up what came in and what became of it, from Kafka and InfluxDB themselves.

    Exit code 1 when a sum does not close; then the devices and minutes are named.
    """
    with clear_errors() as settings:
        try:
            ledger = json.loads(feed.read_text()) if feed else {}
            from_ms = parse_rfc3339(since) if since else None
            to_ms = parse_rfc3339(until) if until else None
        except (OSError, ValueError) as error:
            fail(str(error), USAGE)
        note = ""
        if to_ms is None and not ledger:
            to_ms, note = _settled(settings)
        accounts = audit(settings, from_ms, to_ms, ledger)
        if as_json:
            print_json([_row(account) for account in accounts])
        else:
            _show(accounts)
            if note:
                Console().print(note, style="dim", highlight=False)
        if any(account.problems for account in accounts):
            raise typer.Exit(FAILED)


def _settled(settings: Settings) -> tuple[int | None, str]:
    """Where the ledger of a system at work ends, and what to say of the rest. One at rest is looked at whole."""
    lag, settled_ms = under_way(settings)
    if not lag:
        return None, ""
    if not settled_ms:
        return None, f"{lag:,} records are still on their way, and nothing was stored yet: is the store role running?"
    moment = format_rfc3339(settled_ms)
    return settled_ms, f"what was received before {moment}; behind it {lag:,} records are still on their way"


def _row(account: Account) -> dict[str, object]:
    return {
        "stream": account.stream,
        "messages_sent": account.sent,
        "messages_acknowledged": account.acknowledged,
        "received": account.received,
        "raw_records": account.raw,
        "replayed": account.replayed,
        "dead_at_collector": account.dead_at_collector,
        "status_messages": account.status,
        "readings_in": account.readings_in,
        "valid": account.valid,
        "late": account.late,
        "stored": account.stored,
        "suspect_among_stored": account.suspect,
        "repeats": account.repeats,
        "dead": dict(account.dead),
        "written_again": account.validated - len(account.validated_unique) - account.repeats,
        "problems": account.problems,
    }


def _show(accounts: list[Account]) -> None:
    table = Table()
    table.add_column("")
    for account in accounts:
        table.add_column(account.stream, justify="right")
    table.add_column("all", justify="right")

    def row(title: str, value: Callable[[Account], int | None], end_section: bool = False) -> None:
        values = [value(account) for account in accounts]
        known = [one for one in values if one is not None]
        cells = ["-" if one is None else f"{one:,}" for one in (*values, sum(known) if known else None)]
        table.add_row(title, *cells, end_section=end_section)

    row("messages sent", lambda a: a.sent)
    row("messages acknowledged", lambda a: a.acknowledged)
    row("received, redeliveries included", lambda a: a.received)
    row("sent back from the dead letters", lambda a: a.replayed)
    row("raw records", lambda a: a.raw, end_section=True)
    row("readings in", lambda a: a.readings_in)
    row("valid", lambda a: a.valid)
    row("  of these late", lambda a: a.late, end_section=True)
    row("stored in InfluxDB", lambda a: a.stored)
    row("  of these suspect", lambda a: a.suspect)
    row("repeats of an identity", lambda a: a.repeats)
    reasons = sum((account.dead for account in accounts), Counter[str]())
    for reason, _ in reasons.most_common():
        row(f"dead: {reason}", lambda a, reason=reason: a.dead[reason])  # type: ignore[misc]  # mypy knows no such default
    table.add_section()
    row("accounted for", lambda a: a.stored + a.repeats + a.dead.total())
    console = Console()
    console.print(table)
    problems = [f"{a.stream}: {problem}" for a in accounts for problem in a.problems]
    if problems:
        for problem in problems:
            console.print(f"[red]{problem}[/red]", highlight=False)
    else:
        console.print("[green]every sum closes: each reading that came in has its place[/green]")
