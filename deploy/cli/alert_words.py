"""What people say to alerts: they travel through Kafka, and the alert role obeys within a second or two."""

import getpass
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from deploy import standing
from deploy.alert_topic import AlertsNow
from deploy.cli.common import FAILED, USAGE, clear_errors, fail
from deploy.clock import deployment_clock
from deploy.settings import Settings
from deploy.standing import obeyed
from processors.rules.spans import span_ms
from schemas import alert as alerts
from schemas.alert import COMMAND, Alert, Command, Severity, Verb
from schemas.instants import format_rfc3339
from schemas.ports import OutRecord

Target = Annotated[str, typer.Argument(metavar="ALERT", help="An alert's id, or its slot: <rule>/<device>.")]
Note = Annotated[str, typer.Option("--note", "-m", help="Why; it stays with the alert.")]
By = Annotated[str, typer.Option(help="Who says so; default: you.")]
For = Annotated[str, typer.Option("--for", help="How long: 30m, 8h, 2d.")]

_OPEN_ONLY = frozenset({Verb.ACK, Verb.COMMENT, Verb.UNSHELVE})


def find(settings: Settings, target: str) -> Alert:
    with closing(AlertsNow(settings)) as now:
        found = now.look().find(target)
    if found is None:
        fail(f"there is no alert {target}; `hanan alerts list --all` shows those there are")
    return found


def ack(
    targets: Annotated[list[str], typer.Argument(metavar="ALERT...", help="Ids, or slots: <rule>/<device>.")],
    note: Note = "",
    by: By = "",
) -> None:
    """Acknowledge: somebody sees to it. It is not repeated and not escalated any more."""
    for target in targets:
        _say(Verb.ACK, target, note, by)


def shelve(target: Target, for_: For, note: Note = "", by: By = "") -> None:
    """Put one slot away until a time: it goes on being judged, and comes back by itself."""
    _say(Verb.SHELVE, target, note, by, _span(for_))


def unshelve(target: Target, by: By = "") -> None:
    """Take it from the shelf again."""
    _say(Verb.UNSHELVE, target, "", by)


def comment(target: Target, text: Annotated[str, typer.Argument()], by: By = "") -> None:
    """Write something down on an alert."""
    _say(Verb.COMMENT, target, text, by)


def silence(
    for_: For,
    rule: Annotated[str, typer.Option()] = "",
    stream: Annotated[str, typer.Option()] = "",
    kind: Annotated[str, typer.Option()] = "",
    zone: Annotated[str, typer.Option()] = "",
    site: Annotated[str, typer.Option()] = "",
    gateway: Annotated[str, typer.Option()] = "",
    device: Annotated[str, typer.Option()] = "",
    severity: Annotated[str, typer.Option(help="Only up to this severity.")] = "",
    note: Note = "",
    by: By = "",
) -> None:
    """Announce maintenance: whatever matches all that is given calls nobody for so long. It ends by itself."""
    match = {"rule": rule, "stream": stream, "kind": kind, "zone": zone, "site": site, "gateway": gateway, "subject": device}
    match = {name: value for name, value in (match | {"severity": severity}).items() if value}
    if not match:
        fail("say what is to be silent: --rule, --stream, --kind, --zone, --site, --gateway or --device", USAGE)
    if severity and severity not in set(Severity):
        fail(f"--severity is one of {', '.join(Severity)}", USAGE)
    lasts_ms = _span(for_)
    with clear_errors() as settings:
        now_ms = deployment_clock(settings).now_ms()
        target = ",".join(f"{name}={value}" for name, value in sorted(match.items()))
        _send(settings, Command(Verb.SILENCE, target, by or getpass.getuser(), now_ms, now_ms + lasts_ms, note, match))
        Console().print(f"silent until {format_rfc3339(now_ms + lasts_ms)}: {target}", highlight=False)


def unsilence(target: Annotated[str, typer.Argument(help="As `silence` and `silences` print it.")], by: By = "") -> None:
    """End a silence before its time."""
    with clear_errors() as settings:
        _send(settings, Command(Verb.UNSILENCE, target, by or getpass.getuser(), deployment_clock(settings).now_ms()))


COMMANDS: Sequence[tuple[Callable[..., None], str]] = (
    (ack, "hanan alerts ack 3f0c9a1be2d4 -m 'crew is on its way'"),
    (shelve, "hanan alerts shelve 3f0c9a1be2d4 --for 8h -m 'spare part tomorrow'"),
    (unshelve, "hanan alerts unshelve 3f0c9a1be2d4"),
    (comment, "hanan alerts comment 3f0c9a1be2d4 'the valve was shut by hand'"),
    (silence, "hanan alerts silence --site HX-003 --for 4h -m maintenance"),
    (unsilence, "hanan alerts unsilence site=HX-003"),
)


def _say(verb: Verb, target: str, text: str, by: str, lasts_ms: int = 0) -> None:
    """Sends it, and waits until it stands on the alert."""
    with clear_errors() as settings, closing(AlertsNow(settings)) as now:
        one = now.look().find(target)
        if one is None:
            fail(f"there is no alert {target}; `hanan alerts list --all` shows those there are")
        if verb in _OPEN_ONLY and not one.is_open:
            fail(f"{one.key} is {one.state.value}: there is nothing to {verb.value}")
        if verb is Verb.ACK and one.acked:
            fail(f"{one.key} is acknowledged already, by {_acknowledged_by(one)}")
        at_ms = deployment_clock(settings).now_ms()
        command = Command(verb, one.key, by or getpass.getuser(), at_ms, at_ms + lasts_ms if lasts_ms else 0, text)
        _send(settings, command)
        until = f" until {format_rfc3339(command.until_ms)}" if command.until_ms else ""
        if not one.is_open:
            Console().print(f"{verb.value} {one.key}{until}, when it fires again", highlight=False)
        elif obeyed(partial(_is_taken, now, command)):
            Console().print(f"{verb.value} {one.key}{until}", highlight=False)
        else:
            fail(
                f"{verb.value} {one.key}{until} is sent, and not obeyed yet; does the alert role run? `hanan status` tells",
                FAILED,
            )


def _acknowledged_by(one: Alert) -> str:
    return next((note.by for note in reversed(one.notes) if note.verb == Verb.ACK), "somebody")


def _is_taken(now: AlertsNow, command: Command) -> bool | None:
    one = now.look().find(command.target)
    return True if one and any(note.verb == command.verb and note.at_ms == command.at_ms for note in one.notes) else None


def _send(settings: Settings, command: Command) -> None:
    record = OutRecord(COMMAND, command.key.encode(), alerts.encode_command(command), (), command.at_ms, 0)
    standing.send(settings, "hanan-alerts", record)


def _span(text: str) -> int:
    try:
        return span_ms(text)
    except ValueError as error:
        fail(str(error), USAGE)
