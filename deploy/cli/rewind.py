"""`hanan rewind`: a role does its work of some hours once more."""

from typing import Annotated

import typer
from rich.console import Console

from deploy import durations
from deploy.cli.common import FAILED, USAGE, Json, clear_errors, fail, print_json
from deploy.clock import deployment_clock
from deploy.rewind import InUse, plan, roles
from deploy.rewind import rewind as carry_out
from deploy.settings import Settings
from schemas.instants import format_rfc3339, parse_rfc3339
from schemas.ports import CommitRefused

EPILOG = "Example: hanan rewind store --from 2026-01-15T00:00:00+08:00 --dry-run; hanan rewind store --from 2h"


def rewind(
    role: Annotated[str, typer.Argument(help=" | ".join(roles()))],
    since: Annotated[str, typer.Option("--from", help="RFC 3339 time of receipt, or how long ago: 90s, 2h.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much that is.")] = False,
    as_json: Json = False,
) -> None:
    """Take a stopped role back to a time: it works through everything since then once more, and overwrites what it wrote.

    `hanan rewind store` repairs an InfluxDB that lost data, or was restored from an older backup, from what Kafka keeps.
    """
    with clear_errors() as settings:
        if role not in roles():
            fail(f"{role} cannot be taken back; {' and '.join(roles())} can", USAGE)
        from_ms = _moment(settings, since)
        planned = plan(settings, role, from_ms)
        if not dry_run:
            try:
                carry_out(settings, planned)
            except (InUse, CommitRefused) as why:
                fail(str(why), FAILED)
        if as_json:
            rows = {f"{topic}/{number}": position.offset for (topic, number), position in planned.back.items()}
            print_json(
                {"role": role, "from": format_rfc3339(from_ms), "dry_run": dry_run, "records": planned.records, "to": rows}
            )
            return
        console = Console(highlight=False)
        verb = "would go" if dry_run else "goes"
        streams = ", ".join(f"{stream} {count:,}" for stream, count in planned.records.items() if count)
        if not planned.back:
            console.print(f"nothing to do: {role} has read nothing received since {format_rfc3339(from_ms)}")
            return
        console.print(f"{role} {verb} back over {planned.total:,} records ({streams}), received since {format_rfc3339(from_ms)}")
        if planned.not_retained:
            console.print(
                f"[yellow]of {len(planned.not_retained)} partitions Kafka keeps nothing that is so old; they begin later[/yellow]"
            )
        if not dry_run:
            console.print(f"start it again: hanan run {role}, or hanan up")


def _moment(settings: Settings, text: str) -> int:
    try:
        if "T" in text.upper():
            return parse_rfc3339(text)
        return deployment_clock(settings).now_ms() - int(durations.seconds(text) * 1_000)
    except ValueError as error:
        fail(f"--from: {error}", USAGE)
