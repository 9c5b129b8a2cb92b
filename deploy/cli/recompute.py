"""`hanan recompute`: windows of a time made anew from the readings."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from deploy import durations
from deploy.cli.common import USAGE, Json, clear_errors, fail, print_json
from deploy.clock import deployment_clock
from deploy.native.progress import progress_to
from deploy.recompute import Wanted
from deploy.recompute import recompute as carry_out
from deploy.settings import Settings
from processors.windows.calendar import Span
from schemas.instants import parse_rfc3339
from schemas.streams import BY_NAME

EPILOG = "Example: hanan recompute --from 2026-01-15T00:00:00+08:00 --to 2026-01-16T00:00:00+08:00 --stream heat --dry-run"


def recompute(
    since: Annotated[str, typer.Option("--from", help="RFC 3339 time of the readings, or how long ago: 90m, 2h.")],
    until: Annotated[str, typer.Option("--to", help="Likewise; default: now.")] = "",
    stream: Annotated[str, typer.Option(help="Only this stream.")] = "",
    device: Annotated[str, typer.Option(help="Only this device's windows, and its zone's.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much that is.")] = False,
    as_json: Json = False,
) -> None:
    """Make all windows that have any part of a time anew, from the readings in InfluxDB; repeating it changes nothing.

    Windows that still take readings are left out: run it again when they are closed.
    """
    with clear_errors() as settings:
        if stream and stream not in BY_NAME:
            fail(f"there is no stream {stream}; there are {', '.join(BY_NAME)}", USAGE)
        span = Span(_moment(settings, since, "--from"), _moment(settings, until, "--to"))
        if span.start >= span.end:
            fail("--from is not before --to", USAGE)
        with progress_to(sys.stderr) as progress:
            done = carry_out(
                settings, [Wanted(span, stream, devices=frozenset([device] if device else []))], progress, dry_run=dry_run
            )
        if as_json:
            print_json(asdict(done) | {"dry_run": dry_run})
        elif not done.devices:
            sys.stdout.write("no such device is registered\n")


def _moment(settings: Settings, text: str, name: str) -> int:
    try:
        if "T" in text.upper():
            return parse_rfc3339(text)
        return deployment_clock(settings).now_ms() - (int(durations.seconds(text) * 1_000) if text else 0)
    except ValueError as error:
        fail(f"{name}: {error}", USAGE)
