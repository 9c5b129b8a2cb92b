"""`hanan dead`: the dead letters, read by the person who is to do something about them."""

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.cli.common import FAILED, USAGE, Json, clear_errors, fail, print_json
from deploy.letters import Filter, Found, read_letters
from schemas.instants import format_rfc3339, parse_rfc3339

app = typer.Typer(help="What could not be understood: why, and what to do about it.", no_args_is_help=True)

_SHOWN_BYTES = 2_000

Reason = Annotated[str, typer.Option(help="Only this reason code.")]
Stream = Annotated[str, typer.Option(help="Only this stream.")]
Device = Annotated[str, typer.Option(help="Only this device.")]
Since = Annotated[str, typer.Option(help="Only letters received since this RFC 3339 time.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many, the newest.")]


def _filter(reason: str, stream: str, device: str, since: str) -> Filter:
    try:
        return Filter(reason, stream, device, parse_rfc3339(since) if since else 0)
    except ValueError as error:
        fail(f"--since: {error}", USAGE)


@app.command("list", epilog="Example: hanan dead list --stream heat --since 2026-01-15T00:00:00+08:00")
def list_(
    reason: Reason = "", stream: Stream = "", device: Device = "", since: Since = "", limit: Limit = 20, as_json: Json = False
) -> None:
    """Show how many there are of each reason, what it means and what to do, and the newest letters."""
    with clear_errors() as settings:
        found = list(read_letters(settings, _filter(reason, stream, device, since)))
        newest = found[-limit:]
        if as_json:
            print_json({"total": sum(one.letter.readings for one in found), "letters": [_row(one) for one in newest]})
            return
        console = Console()
        console.print(_summary(found))
        if newest:
            console.print(_letters(newest))
            console.print(
                f"[dim]{len(found):,} letters; `hanan dead show {newest[-1].id}` shows one whole[/dim]", highlight=False
            )


@app.command(epilog="Example: hanan dead show 2@117")
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `hanan dead list` prints it.")], as_json: Json = False
) -> None:
    """Show one letter whole, with its bytes."""
    with clear_errors() as settings:
        found = next((one for one in read_letters(settings, Filter()) if one.id == letter_id), None)
        if found is None:
            fail(f"there is no dead letter {letter_id}; `hanan dead list` shows those there are", FAILED)
        if as_json:
            print_json(_row(found) | {"payload": found.letter.payload.decode(errors="backslashreplace")})
            return
        table = Table(show_header=False, box=None)
        for name, value in _row(found).items():
            table.add_row(f"[bold]{name}[/bold]", escape(str(value)))
        console = Console()
        console.print(table)
        payload = found.letter.payload
        console.print(f"\n[bold]{len(payload):,} bytes[/bold]", highlight=False)
        console.print(escape(payload[:_SHOWN_BYTES].decode(errors="backslashreplace")), highlight=False)
        if len(payload) > _SHOWN_BYTES:
            console.print(f"[dim]… {len(payload) - _SHOWN_BYTES:,} more bytes; --json prints all[/dim]", highlight=False)


def _row(found: Found) -> dict[str, object]:
    letter = found.letter
    return {
        "id": found.id,
        "received_at": format_rfc3339(letter.received_at_ms),
        "reason": letter.reason.value,
        "meaning": letter.reason.meaning,
        "advice": letter.reason.advice,
        "detail": letter.detail,
        "stage": letter.stage,
        "stream": letter.stream,
        "device_id": letter.device_id,
        "readings": letter.readings,
        "places": letter.places,
        "mqtt_topic": letter.mqtt_topic,
        "origin": letter.origin,
        "collector": letter.collector,
        "bytes": len(letter.payload),
    }


def _summary(found: list[Found]) -> Table:
    letters: Counter[tuple[str, str, str]] = Counter()
    readings: Counter[tuple[str, str, str]] = Counter()
    for one in found:
        key = one.letter.reason.value, one.letter.reason.meaning, one.letter.reason.advice
        letters[key] += 1
        readings[key] += one.letter.readings
    table = Table("reason", "letters", "readings", "what it means", "what to do", title=None if found else "no dead letters")
    for key, count in letters.most_common():
        table.add_row(key[0], f"{count:,}", f"{readings[key]:,}", key[1], key[2])
    return table


def _letters(found: list[Found]) -> Table:
    table = Table("id", "received", "reason", "from", "detail")
    for one in found:
        letter = one.letter
        at = datetime.fromtimestamp(letter.received_at_ms / 1_000, UTC).astimezone().strftime("%m-%d %H:%M:%S")
        table.add_row(one.id, at, letter.reason.value, escape(letter.mqtt_topic[:60]), escape(letter.detail[:60]))
    return table
