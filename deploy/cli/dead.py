"""`hanan dead`: the dead letters, read by the person who is to do something about them."""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.cli.common import FAILED, USAGE, Json, clear_errors, fail, print_json
from deploy.letters import Filter, Found, export_row, read_letters, row
from deploy.native.progress import progress_to
from deploy.replay import Replay, marks, replay
from schemas.instants import format_rfc3339, parse_rfc3339
from schemas.reason import Reason as ReasonCode
from schemas.streams import BY_NAME

app = typer.Typer(help="What could not be understood: why, and what to do about it.", no_args_is_help=True)

_SHOWN_BYTES = 2_000

Reason = Annotated[str, typer.Option(help="Only this reason code.")]
Stream = Annotated[str, typer.Option(help="Only this stream.")]
Device = Annotated[str, typer.Option(help="Only this device.")]
Since = Annotated[str, typer.Option(help="Only letters received since this RFC 3339 time.")]
Until = Annotated[str, typer.Option(help="Only letters received before this RFC 3339 time.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many, the newest.")]


def _filter(reason: str, stream: str, device: str, since: str, until: str) -> Filter:
    if reason and reason not in set(ReasonCode):
        fail(f"--reason: there is no {reason}; `hanan dead list` shows those there are", USAGE)
    if stream and stream not in BY_NAME:
        fail(f"--stream: there is no {stream}; there are {', '.join(BY_NAME)}", USAGE)
    return Filter(reason, stream, device, _moment("--since", since), _moment("--until", until))


def _moment(option: str, text: str) -> int:
    try:
        return parse_rfc3339(text) if text else 0
    except ValueError as error:
        fail(f"{option}: {error}", USAGE)


@app.command("list", epilog="Example: hanan dead list --stream heat --since 2026-01-15T00:00:00+08:00")
def list_(
    reason: Reason = "",
    stream: Stream = "",
    device: Device = "",
    since: Since = "",
    until: Until = "",
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """Show how many there are of each reason, what it means and what to do, and the newest letters."""
    with clear_errors() as settings:
        found = list(read_letters(settings, _filter(reason, stream, device, since, until)))
        newest = found[-limit:]
        sent_back = marks(settings)
        if as_json:
            letters = [row(one) | {"sent_back": _when(sent_back, one)} for one in newest]
            print_json({"total": sum(one.letter.readings for one in found), "letters": letters})
            return
        console = Console()
        console.print(_summary(found, sent_back))
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
            print_json(row(found) | {"payload": found.letter.payload.decode(errors="backslashreplace")})
            return
        table = Table(show_header=False, box=None)
        for name, value in row(found).items():
            table.add_row(f"[bold]{name}[/bold]", escape(str(value)))
        console = Console()
        console.print(table)
        payload = found.letter.payload
        console.print(f"\n[bold]{len(payload):,} bytes[/bold]", highlight=False)
        console.print(escape(payload[:_SHOWN_BYTES].decode(errors="backslashreplace")), highlight=False)
        if len(payload) > _SHOWN_BYTES:
            console.print(f"[dim]… {len(payload) - _SHOWN_BYTES:,} more bytes; --json prints all[/dim]", highlight=False)


@app.command(epilog="Example: hanan dead export --reason not_json --out letters.jsonl")
def export(
    reason: Reason = "",
    stream: Stream = "",
    device: Device = "",
    since: Since = "",
    until: Until = "",
    out: Annotated[Path | None, typer.Option(help="A file; default: standard output.")] = None,
) -> None:
    """Write letters as JSON lines, with the untouched bytes in base64."""
    with clear_errors() as settings:
        wanted = _filter(reason, stream, device, since, until)
        count = 0
        try:
            with out.open("w") if out else nullcontext(sys.stdout) as target:
                for found in read_letters(settings, wanted):
                    target.write(json.dumps(export_row(found), ensure_ascii=False) + "\n")
                    count += 1
        except OSError as error:
            fail(f"{out or 'standard output'}: {error.strerror}")
        sys.stderr.write(f"{count:,} letters{f' in {out}' if out else ''}\n")


@app.command("replay", epilog="Example: hanan dead replay --reason unknown_device --device HX-007 --dry-run")
def replay_(
    reason: Reason = "",
    stream: Stream = "",
    device: Device = "",
    since: Since = "",
    until: Until = "",
    again: Annotated[bool, typer.Option("--again", help="Also those that were sent back before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent where.")] = False,
    as_json: Json = False,
) -> None:
    """Send the untouched bytes back to where they died, once what killed them is mended. Safe to repeat.

    What dies again is a new letter. Readings are stored as what they are, old ones; none becomes a current value.
    """
    with clear_errors() as settings:
        wanted = _filter(reason, stream, device, since, until)
        with progress_to(sys.stderr) as progress:
            done = replay(settings, wanted, progress, again=again, dry_run=dry_run)
        if as_json:
            counted = {"sent": dict(done.sent), "reasons": dict(done.reasons), "skipped": dict(done.skipped)}
            print_json({"dry_run": dry_run, "letters": done.letters, "messages": done.sent.total(), **counted})
        else:
            _told(done, dry_run)


def _told(done: Replay, dry_run: bool) -> None:
    console = Console(highlight=False)
    verb = "would go back" if dry_run else "went back"
    for topic, count in sorted(done.sent.items()):
        console.print(f"{count:,} messages {verb} to {topic}")
    for why, count in done.skipped.most_common():
        console.print(f"[dim]{count:,} letters {why}[/dim]")
    if not done.letters:
        console.print("no dead letters pass the filter")
    elif not done.sent:
        console.print(f"nothing {verb}")
    elif not dry_run:
        console.print("`hanan dead list` shows what has died again, `hanan reconcile` that the rest is stored")


def _when(sent_back: Mapping[str, int], found: Found) -> str | None:
    at_ms = sent_back.get(found.id)
    return None if at_ms is None else format_rfc3339(at_ms)


def _summary(found: list[Found], sent_back: Mapping[str, int]) -> Table:
    letters: Counter[ReasonCode] = Counter()
    readings: Counter[ReasonCode] = Counter()
    again: Counter[ReasonCode] = Counter()
    for one in found:
        reason = one.letter.reason
        letters[reason] += 1
        readings[reason] += one.letter.readings
        again[reason] += one.id in sent_back
    columns = ("reason", "letters", "sent back", "readings", "what it means", "what to do")
    table = Table(*columns, title=None if found else "no dead letters")
    for reason, count in letters.most_common():
        numbers = (f"{count:,}", f"{again[reason]:,}" if again[reason] else "", f"{readings[reason]:,}")
        table.add_row(reason.value, *numbers, reason.meaning, reason.advice)
    return table


def _letters(found: list[Found]) -> Table:
    table = Table("id", "received", "reason", "from", "detail")
    for one in found:
        letter = one.letter
        at = datetime.fromtimestamp(letter.received_at_ms / 1_000, UTC).astimezone().strftime("%m-%d %H:%M:%S")
        table.add_row(one.id, at, letter.reason.value, escape(letter.mqtt_topic[:60]), escape(letter.detail[:60]))
    return table
