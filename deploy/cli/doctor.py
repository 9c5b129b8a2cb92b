"""`hanan doctor`: what is in force, what answers, and what to do about the rest."""

import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy import children
from deploy.cli.common import FAILED, Json, clear_errors, print_json
from deploy.native.endpoints import Endpoints, endpoints
from deploy.native.problems import NativeError
from deploy.native.stack import Stack
from deploy.settings import Settings
from deploy.watch import scrape
from processors.io.influx import InfluxReader
from processors.io.kafka_admin import Admin
from schemas.ports import RetryLater

_FREE_BYTES = 5 * 1024**3


class Finding(NamedTuple):
    what: str
    good: bool
    said: str


def doctor(as_json: Json = False) -> None:
    """Look at settings, servers, roles and disk; exit code 1 when something is wrong."""
    with clear_errors() as settings:
        findings = list(_look(settings))
        shown = {name: str(value) for name, value in settings.model_dump().items()}
        if as_json:
            print_json({"settings": shown, "findings": [finding._asdict() for finding in findings]})
        else:
            console = Console()
            table = Table("setting", "in force", "what it is")
            for name, value in shown.items():
                table.add_row(f"HANAN_{name.upper()}", escape(value), escape(type(settings).model_fields[name].description or ""))
            console.print(table)
            for finding in findings:
                mark = "[green]good[/green] " if finding.good else "[red]wrong[/red]"
                console.print(f"{mark} [bold]{finding.what}[/bold]: {escape(finding.said)}", highlight=False)
        if not all(finding.good for finding in findings):
            raise typer.Exit(FAILED)


def _look(settings: Settings) -> Iterator[Finding]:
    for server in Stack(settings).status():
        yield Finding(server.name, server.state == "running", f"{server.state}, {server.version}".rstrip(", "))
    try:
        places = endpoints(settings)
    except NativeError as error:
        yield Finding("servers", good=False, said=str(error))
        return
    for what, question in (("Kafka", _kafka), ("MQTT", _mqtt), ("InfluxDB", _influx)):
        yield _ask(what, lambda question=question: question(places))  # type: ignore[misc]
    roles = children.running(settings.home)
    answering = len({dict(labels)["port"] for _, labels in scrape(role.metrics_port for role in roles)})
    said = ", ".join(role.name for role in roles) or "none runs; `hanan up` starts them"
    yield Finding("roles", good=bool(roles) and answering == len(roles), said=said)
    settings.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.home).free
    yield Finding("disk", good=free > _FREE_BYTES, said=f"{free / 1024**3:.1f} GiB free under {settings.home}")


def _ask(what: str, question: Callable[[], str]) -> Finding:
    try:
        return Finding(what, good=True, said=question())
    except (RetryLater, OSError) as error:
        return Finding(what, good=False, said=f"{error}; `hanan servers start` starts the native ones")


def _kafka(places: Endpoints) -> str:
    with closing(Admin(places.kafka_bootstrap)) as admin:
        return f"{places.kafka_bootstrap} answers, {len(admin.topics())} topics"


def _mqtt(places: Endpoints) -> str:
    with socket.create_connection((places.mqtt_host, places.mqtt_port), timeout=5):
        return f"{places.mqtt_host}:{places.mqtt_port} accepts connections"


def _influx(places: Endpoints) -> str:
    with closing(InfluxReader(places.influx_url, places.influx_token, places.influx_org)) as influx:
        buckets = sorted(row["name"] for row in influx.rows('buckets() |> keep(columns: ["name"])') if row["name"][0] != "_")
        return f"{places.influx_url} answers, buckets {', '.join(buckets)}"
