"""`hanan down`: away with what a previous `hanan up` or `hanan run` left."""

import sys
from typing import Annotated

import typer

from deploy import children
from deploy.cli.common import clear_errors
from deploy.native.progress import progress_to
from deploy.native.stack import Stack


def down(
    keep_servers: Annotated[bool, typer.Option("--keep-servers", help="Stop only the roles.")] = False,
) -> None:
    """Stop the roles and the servers of this home, in order. The data stay."""
    with clear_errors() as settings, progress_to(sys.stderr) as progress:
        with progress.step("roles") as step:
            stopped = children.stop_found(settings.home)
            step.result = ", ".join(stopped) or "none were running"
        if not keep_servers and not Stack(settings, progress).stop():
            progress.note("no server was running")
