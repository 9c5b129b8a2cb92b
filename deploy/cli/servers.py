"""`hanan servers`: the native Kafka, MQTT broker and InfluxDB."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from deploy.native.problems import NativeError
from deploy.native.progress import Progress, QuietProgress, progress_to
from deploy.native.stack import Stack
from deploy.settings import Settings, SettingsError, load_settings

FAILED, USAGE, NOT_RUNNING = 1, 2, 3
_INTERRUPTED = 130

app = typer.Typer(help="The native Kafka, MQTT broker and InfluxDB of this home.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Machine-readable, on standard output.")]


@app.command(epilog="Example: HANAN_HOME=/srv/hanan hanan servers install")
def install() -> None:
    """Install the servers that are missing, without starting them."""
    with _stack() as (stack, progress):
        for name, found in stack.install().items():
            progress.note(f"{name}: {found}")


@app.command(epilog="Example: hanan servers start && hanan servers status")
def start(as_json: Json = False) -> None:
    """Install what is missing, start what is not running, and leave it running."""
    with _stack() as (stack, progress):
        started = stack.start()
        if not started:
            progress.note("everything was running already")
        if as_json:
            sys.stdout.write(json.dumps({"started": started, **_where(stack)}, indent=2) + "\n")


@app.command(epilog="Example: hanan servers stop")
def stop() -> None:
    """Stop the servers of this home in order; their data stay."""
    with _stack() as (stack, progress):
        if not stack.stop():
            progress.note("nothing was running")


@app.command(epilog="Example: hanan servers status --json")
def status(as_json: Json = False) -> None:
    """Show each server; exit code 3 when one does not run."""
    with _stack(show=False) as (stack, _):
        found = stack.status()
        elsewhere = _elsewhere(stack.settings)
    if as_json:
        rows: list[dict[str, object]] = [asdict(one) for one in found]
        rows += [{"name": name, "state": "yours", "address": address} for name, address in elsewhere.items()]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        table = Table("server", "state", "version", "pid", "up", "ports")
        for one in found:
            up = "" if one.up_seconds is None else f"{one.up_seconds} s"
            ports = ", ".join(map(str, one.ports))
            table.add_row(one.name, one.state, one.version, str(one.pid or ""), up, ports)
        for name, address in elsewhere.items():
            table.add_row(name, "yours", "", "", "", address)
        Console().print(table)
        sys.stdout.write(f"data, secrets and logs: {stack.settings.home}\n")
    if any(one.state != "running" for one in found):
        raise typer.Exit(NOT_RUNNING)


def _where(stack: Stack) -> dict[str, object]:
    """Addresses without secrets, and the place where those are."""
    places = stack.endpoints()
    return {
        "kafka_bootstrap": places.kafka_bootstrap,
        "mqtt_url": f"mqtt://{places.mqtt_host}:{places.mqtt_port}",
        "influx_url": places.influx_url,
        "influx_org": places.influx_org,
        "secrets": str(stack.settings.home / "secrets"),
    }


def _elsewhere(settings: Settings) -> dict[str, str]:
    named = {"kafka": settings.kafka_bootstrap, settings.mqtt_broker: settings.mqtt_url, "influxdb": settings.influx_url}
    return {name: address for name, address in named.items() if address}


@contextmanager
def _stack(*, show: bool = True) -> Iterator[tuple[Stack, Progress]]:
    """The stack of the settings in force; every failure becomes its line and its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        settings = load_settings()
    except SettingsError as error:
        _fail(str(error), USAGE)
    progress = progress_to(sys.stderr) if show else QuietProgress()
    try:
        with progress:
            yield Stack(settings, progress), progress
    except NativeError as error:
        _fail(str(error), FAILED)
    except OSError as error:
        where = error.filename or "a file"
        _fail(f"{where}: {error.strerror}; see to it, or set HANAN_HOME or HANAN_CACHE to where there is room and right", FAILED)
    except KeyboardInterrupt:
        _fail("interrupted; what was finished is kept, run it again to go on", _INTERRUPTED)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _fail(line: str, code: int) -> NoReturn:
    sys.stderr.write(line + "\n")
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
