"""`hanan alerts`: what is wrong now, and what people say to it.

Commands travel through Kafka; the alert role obeys within a second.
"""

import getpass
from collections.abc import Iterator
from contextlib import closing
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from deploy.cli.common import FAILED, USAGE, Json, clear_errors, fail, print_json
from deploy.clock import deployment_clock
from deploy.native import endpoints
from deploy.roles import open_sink
from deploy.settings import Settings
from processors.io.kafka_read import TableReader, read_all
from processors.io.notify import understands
from processors.notify.routes import load_routes
from processors.notify.texts import local_time, message, summary, todo
from processors.rules.load import Book, RulesError, load_book
from processors.rules.seasons import CityClock
from processors.rules.spans import span_ms, text_of
from schemas import alert as alerts
from schemas import codec, topics
from schemas.alert import CLOCK_KEY, COMMAND, DELIVERY, Alert, Command, Severity, State, Verb
from schemas.instants import format_rfc3339
from schemas.ports import OutRecord

app = typer.Typer(help="Alerts: what is wrong now, and what people say to it.", no_args_is_help=True)

Target = Annotated[str, typer.Argument(metavar="ALERT", help="An alert's id, or its slot: <rule>/<device>.")]
Note = Annotated[str, typer.Option("--note", "-m", help="Why; it stays with the alert.")]
By = Annotated[str, typer.Option(help="Who says so; default: you.")]
_OPEN = {State.FIRING, State.ACKNOWLEDGED, State.SHELVED, State.SUPPRESSED}
_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "informational": "dim"}


def _book() -> Book:
    try:
        return load_book()
    except RulesError as error:
        fail(str(error), FAILED)


def _current(settings: Settings) -> list[Alert]:
    with closing(TableReader(endpoints(settings).kafka_bootstrap, topics.ALERT)) as table:
        return [alerts.decode(value) for key, value in table.changes() if value is not None and key != CLOCK_KEY]


def _find(settings: Settings, target: str) -> Alert:
    found = next((one for one in _current(settings) if target in (one.id, one.key)), None)
    if found is None:
        fail(f"there is no alert {target}; `hanan alerts list --all` shows those there are")
    return found


@app.command("list", epilog="Example: hanan alerts list --stream heat --least high")
def list_(
    stream: Annotated[str, typer.Option(help="Only this stream.")] = "",
    zone: Annotated[str, typer.Option(help="Only this zone.")] = "",
    least: Annotated[Severity, typer.Option(help="Only this grave and graver.")] = Severity.LOW,
    everything: Annotated[bool, typer.Option("--all", help="Pending and resolved ones as well.")] = False,
    language: Annotated[str, typer.Option(help="zh or en.")] = "en",
    as_json: Json = False,
) -> None:
    """Show what is open, the gravest first."""
    with clear_errors() as settings:
        rules = _book().rules
        chosen = [
            one
            for one in _current(settings)
            if (everything or one.state in _OPEN)
            and (not stream or one.stream == stream)
            and (not zone or one.zone == zone)
            and one.severity.rank >= least.rank
        ]
        chosen.sort(key=lambda one: (one.state not in _OPEN, -one.severity.rank, one.onset_ms))
        if as_json:
            print_json([codec.loads(alerts.encode(one)) for one in chosen])
            return
        table = Table("id", "severity", "state", "since", "what", "where")
        for one in chosen:
            words = summary(one, rules.get(one.rule), language)
            state = one.state.value + (f" ({one.why})" if one.why else "")
            since = local_time(one.onset_ms, settings.time_zone)
            style = _STYLES[one.severity.value]
            table.add_row(one.id, f"[{style}]{one.severity.value}[/{style}]", state, since, words, f"{one.zone} {one.subject}")
        Console().print(table if chosen else "nothing is wrong that an alert knows of")


@app.command(epilog="Example: hanan alerts show 3f0c9a1be2d4")
def show(target: Target, as_json: Json = False) -> None:
    """Show one alert whole: values, what to do, who said what, who was told."""
    with clear_errors() as settings:
        one = _find(settings, target)
        deliveries = [body for body in _deliveries(settings) if body["id"] == one.id]
        if as_json:
            print_json(codec.loads(alerts.encode(one)) | {"deliveries": deliveries})
            return
        rule = _book().rules.get(one.rule)
        table = Table(show_header=False, box=None)
        rows: list[tuple[str, Any]] = [
            ("what", f"{summary(one, rule, 'en')}  {summary(one, rule, 'zh')}"),
            ("do", f"{todo(one, rule, 'en')}  {todo(one, rule, 'zh')}"),
            ("rule", one.rule), ("subject", f"{one.subject} {one.name}"), ("place", f"{one.zone} {one.site} {one.gateway}"),
            ("state", f"{one.state.value} {one.why}"), ("severity", f"{one.severity.value}, worst {one.worst.value}"),
            ("since", local_time(one.onset_ms, settings.time_zone)), ("values", one.values), ("flapping", one.flapping),
        ]  # fmt: skip
        rows += [(f"{note.by} {local_time(note.at_ms, settings.time_zone)}", f"{note.verb} {note.text}") for note in one.notes]
        rows += [
            (f"told {body['route']}", f"{local_time(body['at_ms'], settings.time_zone)}, try {body['tries']}")
            for body in deliveries
        ]
        for name, value in rows:
            table.add_row(f"[bold]{name}[/bold]", str(value))
        Console().print(table)


def _deliveries(settings: Settings) -> Iterator[dict[str, Any]]:
    with closing(TableReader(endpoints(settings).kafka_bootstrap, DELIVERY)) as table:
        for _, value in table.changes():
            if value is not None:
                yield codec.loads(value)


@app.command(epilog="Example: hanan alerts history --subject HX-003")
def history(
    subject: Annotated[str, typer.Option(help="Only of this device or group.")] = "",
    rule: Annotated[str, typer.Option(help="Only of this rule.")] = "",
    limit: Annotated[int, typer.Option(min=1)] = 50,
    as_json: Json = False,
) -> None:
    """Show what became of alerts, change by change, as far as the topic keeps them (a week); InfluxDB has the rest."""
    with clear_errors() as settings:
        seen: dict[tuple[str, int], Alert] = {}
        for record in read_all(endpoints(settings).kafka_bootstrap, [topics.ALERT]):
            if record.value is None or record.key == CLOCK_KEY:
                continue
            one = alerts.decode(record.value)
            if one.n and (not subject or one.subject == subject) and (not rule or one.rule == rule):
                seen.setdefault((one.id, one.n), one)
        newest = sorted(seen.values(), key=lambda one: one.at_ms)[-limit:]
        if as_json:
            print_json([codec.loads(alerts.encode(one)) for one in newest])
            return
        table = Table("when", "id", "change", "severity", "rule", "subject", "why")
        for one in newest:
            table.add_row(
                local_time(one.at_ms, settings.time_zone),
                one.id,
                one.change.value,
                one.severity.value,
                one.rule,
                one.subject,
                one.why,
            )
        Console().print(table)


def _send(settings: Settings, command: Command) -> None:
    sink = open_sink(settings, "hanan-alerts")
    try:
        sink.send(OutRecord(COMMAND, command.key.encode(), alerts.encode_command(command), (), command.at_ms, 0))
        sink.flush(10_000)
    finally:
        sink.close()


def _say(verb: Verb, target: str, text: str, by: str, until: str = "") -> None:
    with clear_errors() as settings:
        one = _find(settings, target)
        now_ms = deployment_clock(settings).now_ms()
        until_ms = now_ms + _span(until) if until else 0
        _send(settings, Command(verb, one.key, by or getpass.getuser(), now_ms, until_ms, text))
        Console().print(f"{verb.value} {one.key}" + (f" until {format_rfc3339(until_ms)}" if until_ms else ""), highlight=False)


def _span(text: str) -> int:
    try:
        return span_ms(text)
    except ValueError as error:
        fail(str(error), USAGE)


@app.command(epilog="Example: hanan alerts ack 3f0c9a1be2d4 -m 'crew is on its way'")
def ack(target: Target, note: Note = "", by: By = "") -> None:
    """Acknowledge: somebody sees to it. It is not repeated and not escalated any more."""
    _say(Verb.ACK, target, note, by)


@app.command(epilog="Example: hanan alerts shelve 3f0c9a1be2d4 --for 8h -m 'spare part tomorrow'")
def shelve(
    target: Target, for_: Annotated[str, typer.Option("--for", help="How long: 30m, 8h, 2d.")], note: Note = "", by: By = ""
) -> None:
    """Put one slot away until a time: it goes on being judged, and comes back by itself."""
    _say(Verb.SHELVE, target, note, by, for_)


@app.command(epilog="Example: hanan alerts unshelve 3f0c9a1be2d4")
def unshelve(target: Target, by: By = "") -> None:
    """Take it from the shelf again."""
    _say(Verb.UNSHELVE, target, "", by)


@app.command(epilog="Example: hanan alerts comment 3f0c9a1be2d4 'the valve was shut by hand'")
def comment(target: Target, text: Annotated[str, typer.Argument()], by: By = "") -> None:
    """Write something down on an alert."""
    _say(Verb.COMMENT, target, text, by)


@app.command(epilog="Example: hanan alerts silence --site HX-003 --for 4h -m maintenance")
def silence(
    for_: Annotated[str, typer.Option("--for", help="How long: 30m, 8h, 2d.")],
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
    with clear_errors() as settings:
        now_ms = deployment_clock(settings).now_ms()
        target = ",".join(f"{name}={value}" for name, value in sorted(match.items()))
        until_ms = now_ms + _span(for_)
        _send(settings, Command(Verb.SILENCE, target, by or getpass.getuser(), now_ms, until_ms, note, match))
        Console().print(f"silent until {format_rfc3339(until_ms)}: {target}", highlight=False)


@app.command(epilog="Example: hanan alerts unsilence site=HX-003")
def unsilence(target: Annotated[str, typer.Argument(help="As `silence` printed it.")], by: By = "") -> None:
    """End a silence before its time."""
    with clear_errors() as settings:
        now_ms = deployment_clock(settings).now_ms()
        _send(settings, Command(Verb.UNSILENCE, target, by or getpass.getuser(), now_ms))


@app.command(epilog="Example: hanan alerts route 3f0c9a1be2d4")
def route(target: Target, as_json: Json = False) -> None:
    """Show where an alert would go and what would be said; nothing is sent."""
    with clear_errors() as settings:
        one = _find(settings, target)
        rule = _book().rules.get(one.rule)
        try:
            routes = load_routes().routes
        except RulesError as error:
            fail(str(error))
        now_ms = deployment_clock(settings).now_ms()
        clock = CityClock(settings.time_zone)
        rows = []
        for each in routes:
            if each.takes(one, rule, clock, now_ms):
                text = message([(one, rule)], each.language, settings.time_zone)
                wrong = [n for n, address in enumerate(each.to, 1) if not understands(address)]
                after = f" after {text_of(each.after)} without an acknowledgement" if each.after else ""
                rows.append(
                    {"route": each.name + after, "title": text.title, "body": text.body, "addresses_not_understood": wrong}
                )
        if as_json:
            print_json(rows)
            return
        for row in rows:
            Console().print(f"{row['route']}: {row['title']}\n{row['body']}\n", highlight=False)
        if not rows:
            Console().print("no route takes it")
