"""`hanan status`: what the running roles say, once."""

from dataclasses import asdict

import typer
from rich.console import Console

from deploy.alarms import alarms, broker_row
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
            broker = broker_row(watch.latest)
            print_json(
                {
                    "streams": [asdict(row) for row in streams],
                    "roles": [asdict(row) for row in roles],
                    "mqtt_broker": asdict(broker) if broker else None,
                    "alarms": list(alarms(watch.latest)),
                }
            )
        else:
            Console().print(board(watch, deployment_clock(settings).now_ms()))
        if not roles:
            raise typer.Exit(NOT_RUNNING)
