"""`hanan run`: one process of a role."""

import os
from typing import Annotated

import typer

from deploy import children, logs
from deploy.cli.common import USAGE, clear_errors, fail
from deploy.metrics import PrometheusMeter
from deploy.roles import ROLES, load, run_role
from deploy.stop import Stop


def run(
    role: Annotated[str, typer.Argument(help=" | ".join(ROLES))],
    name: Annotated[str, typer.Option(help="What it is called in metrics and logs; default: the role and its pid.")] = "",
    metrics_port: Annotated[int, typer.Option(help="Loopback port of its Prometheus metrics; 0 takes a free one.")] = 0,
) -> None:
    """Run one process of a role until SIGTERM. Start as many as you like: Kafka divides the work among them."""
    if role not in ROLES:
        fail(f"there is no role {role}; there are {', '.join(ROLES)}", USAGE)
    children.end_with_parent()
    name = name or f"{role}-{os.getpid()}"
    with clear_errors() as settings:
        logs.configure(name)
        stop = Stop()
        loaded = load(role)  # before it is announced: whoever waits for it waits for that as well
        meter = PrometheusMeter(role)
        with children.announced(settings.home, name, role, meter.serve(metrics_port)):
            run_role(loaded, name, settings, meter, stop)


if __name__ == "__main__":
    typer.run(run)
