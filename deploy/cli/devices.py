"""`hanan devices`: the registry in Kafka's compacted `device` topic."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.cli.common import USAGE, Json, clear_errors, fail, print_json
from deploy.demo.recordings import RecordingError, recorded_devices
from deploy.prepare import put_devices, remove_devices
from deploy.registry_file import RegistryError, load_devices
from deploy.registry_points import show_registry
from deploy.registry_topic import read_registry
from deploy.roles.wiring import open_sink

app = typer.Typer(help="The registry: which devices may report, and what their ranges depend on.", no_args_is_help=True)


@app.command(epilog="Example: hanan devices load district.yaml --dry-run")
def load(
    path: Annotated[
        Path, typer.Argument(help="A registry file (deploy/demo/devices.yaml is a pattern), or a folder of recordings.")
    ],
    dry_run: Annotated[bool, typer.Option(help="Only say what would change.")] = False,
    replace: Annotated[bool, typer.Option(help="Also remove the devices that are not named there.")] = False,
    as_json: Json = False,
) -> None:
    """Take devices into the registry: new ones, changed ones, and with --replace no others; and show them to Grafana."""
    with clear_errors() as settings:
        try:
            found = recorded_devices(path) if path.is_dir() else load_devices(path)
        except (RegistryError, RecordingError) as error:
            fail(str(error), USAGE)
        wanted = {device.device_id: device for device in found}
        known = {device.device_id: device for device in read_registry(settings)}
        new = [device for device_id, device in wanted.items() if device_id not in known]
        changed = [device for device_id, device in wanted.items() if device_id in known and known[device_id] != device]
        gone = sorted(known.keys() - wanted.keys()) if replace else []
        if not dry_run:
            sink = open_sink(settings, "hanan-devices")
            put_devices(sink, new + changed)
            remove_devices(sink, gone)
            sink.close()
            show_registry(settings, wanted.values(), gone)
        counts = {"new": len(new), "changed": len(changed), "removed": len(gone), "same": len(wanted) - len(new) - len(changed)}
        if as_json:
            print_json(counts | {"dry_run": dry_run})
        else:
            said = ", ".join(f"{count} {what}" for what, count in counts.items())
            Console().print(f"{said}{' (nothing written)' if dry_run else ''}", highlight=False)


@app.command("list", epilog="Example: hanan devices list --stream heat --json")
def list_(
    stream: Annotated[str, typer.Option(help="Only this stream.")] = "",
    kind: Annotated[str, typer.Option(help="Only this kind.")] = "",
    zone: Annotated[str, typer.Option(help="Only this zone.")] = "",
    as_json: Json = False,
) -> None:
    """Show the devices that the registry knows."""
    with clear_errors() as settings:
        found = [
            device
            for device in read_registry(settings)
            if stream in {"", device.stream} and kind in {"", device.kind} and zone in {"", device.zone}
        ]
        found.sort(key=lambda device: (device.stream, device.kind, device.device_id))
        if as_json:
            print_json([device.model_dump(mode="json") for device in found])
            return
        table = Table("device", "kind", "zone", "site", "every", "name", "params", title=None if found else "no devices")
        for device in found:
            params = ", ".join(f"{name} {value}" for name, value in device.params.items())
            row = (
                device.device_id,
                f"{device.stream}/{device.kind}",
                device.zone,
                device.site,
                f"{device.interval_s} s",
                device.name,
            )
            table.add_row(*map(escape, row), escape(params[:50]))
        Console().print(table)
