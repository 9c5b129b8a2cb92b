"""`hanan reconcile`: has every reading that came in its place."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.audit import audit
from deploy.cli.common import FAILED, USAGE, Json, clear_errors, fail, print_json
from deploy.reconcile import Account
from schemas.instants import parse_rfc3339


def reconcile(
    since: Annotated[
        str, typer.Option("--from", help="Received since this RFC 3339 time; default: all that Kafka retains.")
    ] = "",
    until: Annotated[str, typer.Option("--to", help="Received before this RFC 3339 time; default: now.")] = "",
    feed: Annotated[
        Path | None, typer.Option(help="Ledger of a feed: what it sent and what was acknowledged. Its times are the period.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add up what came in and what became of it, from Kafka and InfluxDB themselves.

    Exit code 1 when a sum does not close; then the first missing readings are named.
    """
    with clear_errors() as settings:
        try:
            ledger = json.loads(feed.read_text()) if feed else {}
            from_ms = parse_rfc3339(since) if since else None
            to_ms = parse_rfc3339(until) if until else None
        except (OSError, ValueError) as error:
            fail(str(error), USAGE)
        accounts = audit(settings, from_ms, to_ms, ledger)
        if as_json:
            print_json([_row(account) for account in accounts])
        else:
            _show(accounts)
        if any(account.problems for account in accounts):
            raise typer.Exit(FAILED)


def _row(account: Account) -> dict[str, object]:
    return {
        "stream": account.stream,
        "messages_sent": account.sent,
        "messages_acknowledged": account.acknowledged,
        "raw_records": account.raw,
        "dead_at_collector": account.dead_at_collector,
        "status_messages": account.status,
        "readings_in": account.readings_in,
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
    total = Account("all")
    for account in [*accounts, total]:
        table.add_column(account.stream, justify="right")
        if account is not total:
            total.raw += account.raw
            total.readings_in += account.readings_in
            total.stored += account.stored
            total.suspect += account.suspect
            total.repeats += account.repeats
            total.dead += account.dead
            for name in ("sent", "acknowledged"):
                if (value := getattr(account, name)) is not None:
                    setattr(total, name, (getattr(total, name) or 0) + value)
    columns = [*accounts, total]

    def row(title: str, values: list[int | None], end_section: bool = False) -> None:
        table.add_row(title, *("-" if value is None else f"{value:,}" for value in values), end_section=end_section)

    row("messages sent", [a.sent for a in columns])
    row("messages acknowledged", [a.acknowledged for a in columns])
    row("raw records", [a.raw for a in columns], end_section=True)
    row("readings in", [a.readings_in for a in columns], end_section=True)
    row("stored in InfluxDB", [a.stored for a in columns])
    row("  of these suspect", [a.suspect for a in columns])
    row("repeats of an identity", [a.repeats for a in columns])
    reasons: Counter[str] = total.dead
    for reason, _ in reasons.most_common():
        row(f"dead: {reason}", [a.dead[reason] for a in columns])
    out = [a.stored + a.repeats + sum(a.dead.values()) for a in columns]
    table.add_section()
    row("accounted for", list(out))
    console = Console()
    console.print(table)
    problems = [f"{a.stream}: {problem}" for a in accounts for problem in a.problems]
    if problems:
        for problem in problems:
            console.print(f"[red]{problem}[/red]", highlight=False)
    else:
        console.print("[green]every sum closes: each reading that came in has its place[/green]")
