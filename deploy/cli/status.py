"""`hanan status`: what the running roles say, once."""

from dataclasses import asdict

import typer
from rich.console import Console

from deploy.board import board
from deploy.cli.common import NOT_RUNNING, Json, clear_errors, print_json
from deploy.clock import deployment_clock, monotonic_ms
from deploy.observe import observe
from deploy.watch import Watch


def status(as_json: Json = False) -> None:
    """Show the streams and the roles of this home; exit code 3 when no role runs."""
    with clear_errors() as settings:
        watch = Watch()
        watch.add(observe(settings, monotonic_ms()))
        streams, roles = watch.streams(), watch.roles()
        if as_json:
            print_json({"streams": [asdict(row) for row in streams], "roles": [asdict(row) for row in roles]})
        else:
            Console().print(board(streams, roles, deployment_clock(settings).now_ms(), []))
        if not roles:
            raise typer.Exit(NOT_RUNNING)
