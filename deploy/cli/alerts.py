"""`hanan alerts`: what is wrong now, what became of it, who was told; what people say to it is in alert_words.py."""

from contextlib import closing
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.alert_topic import AlertsNow, deliveries, gravest_first
from deploy.alert_topic import silences as silences_in_force
from deploy.board import SEVERITY_STYLES
from deploy.cli import alert_words
from deploy.cli.common import USAGE, Json, clear_errors, fail, print_json
from deploy.clock import deployment_clock
from deploy.native.endpoints import endpoints
from deploy.registry_topic import read_registry
from deploy.roles.notify import people
from deploy.settings import Settings
from processors.io.kafka_read import read_all
from processors.notify.routes import Route, load_routes
from processors.notify.texts import local_time, message, summary, todo
from processors.rules.engine import described
from processors.rules.load import load_book, pack_files
from processors.rules.seasons import CityClock
from processors.rules.spans import text_of
from schemas import alert as alerts
from schemas import codec, topics
from schemas.alert import CLOCK_KEY, Alert, Change, Note, Severity, State, Verb
from schemas.instants import format_rfc3339

app = typer.Typer(help="Alerts: what is wrong now, and what people say to it.", no_args_is_help=True)
for word, example in alert_words.COMMANDS:
    app.command(epilog=f"Example: {example}")(word)


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
        with closing(AlertsNow(settings)) as now:
            found = now.look().all if everything else now.look().open()
        chosen = gravest_first(
            one
            for one in found
            if (not stream or one.stream == stream) and (not zone or one.zone == zone) and one.severity.rank >= least.rank
        )
        if as_json:
            print_json([codec.loads(alerts.encode(one)) for one in chosen])
            return
        rules = load_book(pack_files(settings.alert_rules)).rules
        table = Table("id", "severity", "state", "since", "what", "where")
        for one in chosen:
            style = SEVERITY_STYLES[one.severity]
            row = (_state(one), _when(one.onset_ms, settings), summary(one, rules.get(one.rule), language))
            where = f"{one.zone} {one.subject}".strip()
            table.add_row(one.id, f"[{style}]{one.severity.value}[/{style}]", *map(escape, row), escape(where))
        Console().print(table if chosen else "nothing is wrong that an alert knows of")


def _state(one: Alert) -> str:
    """With whose doing it is."""
    verb = {State.ACKNOWLEDGED: Verb.ACK, State.SHELVED: Verb.SHELVE}.get(one.state)
    by = next((note.by for note in reversed(one.notes) if note.verb == verb), "")
    more = f"by {by}" if by else one.why
    return f"{one.state.value} ({more})" if more else one.state.value


def _when(ms: int, settings: Settings) -> str:
    return local_time(ms, settings.time_zone) if ms else ""


@app.command(epilog="Example: hanan alerts show 3f0c9a1be2d4")
def show(target: alert_words.Target, as_json: Json = False) -> None:
    """Show one alert whole: values, what to do, who said what, who was told."""
    with clear_errors() as settings:
        one = alert_words.find(settings, target)
        told = [body for body in deliveries(settings) if body["id"] == one.id]
        if as_json:
            print_json(codec.loads(alerts.encode(one)) | {"deliveries": told})
            return
        rule = load_book(pack_files(settings.alert_rules)).rules.get(one.rule)
        rows: list[tuple[str, Any]] = [
            ("what", f"{summary(one, rule, 'en')}  {summary(one, rule, 'zh')}"),
            ("do", f"{todo(one, rule, 'en')}  {todo(one, rule, 'zh')}"),
            ("rule", one.rule), ("subject", f"{one.subject} {one.name}"), ("place", f"{one.zone} {one.site} {one.gateway}"),
            ("state", _state(one)), ("severity", f"{one.severity.value}, worst {one.worst.value}"),
            ("since", _when(one.onset_ms, settings)), ("fired", _when(one.fired_ms, settings)),
            ("resolved", _when(one.resolved_ms, settings)),
            ("values", ", ".join(f"{name} {value}" for name, value in one.values.items())),
            ("flapping", "yes" if one.flapping else ""),
        ]  # fmt: skip
        rows += [(f"{note.by}, {_when(note.at_ms, settings)}", _said(note, settings)) for note in one.notes]
        rows += [
            (f"told {body['route']}", f"{_when(body['at_ms'], settings)}, change {body['n']}, try {body['tries']}")
            for body in told
        ]
        table = Table(show_header=False, box=None)
        for name, value in rows:
            if str(value).strip():
                table.add_row(f"[bold]{escape(name)}[/bold]", escape(str(value)))
        Console().print(table)


def _said(note: Note, settings: Settings) -> str:
    until = f" until {_when(note.until_ms, settings)}" if note.until_ms else ""
    return f"{note.verb}{until} {note.text}"


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
            if one.n and subject in ("", one.subject) and rule in ("", one.rule):
                seen.setdefault((one.id, one.n), one)  # what was written twice is the same change
        newest = sorted(seen.values(), key=lambda one: (one.at_ms, one.n))[-limit:]
        if as_json:
            print_json([codec.loads(alerts.encode(one)) | {"by": _by(one)} for one in newest])
            return
        table = Table("when", "id", "change", "by", "severity", "rule", "subject", "why")
        for one in newest:
            text = one.notes[-1].text if _by(one) else one.why
            row = (one.id, one.change.value, _by(one), one.severity.value, one.rule, one.subject, text)
            table.add_row(_when(one.at_ms, settings), *map(escape, row))
        Console().print(table if newest else "nothing has happened")


def _by(one: Alert) -> str:
    """Who made this change, where a person did."""
    if not one.notes:
        return ""
    last = one.notes[-1]
    made = {
        Change.ACKNOWLEDGED: Verb.ACK, Change.SHELVED: Verb.SHELVE, Change.COMMENTED: Verb.COMMENT,
        Change.RETURNED: Verb.UNSHELVE,
    }  # fmt: skip
    return last.by if made.get(one.change) == last.verb else ""


@app.command(epilog="Example: hanan alerts silences")
def silences(as_json: Json = False) -> None:
    """Show what is silenced, by whom and until when."""
    with clear_errors() as settings:
        found = silences_in_force(settings, deployment_clock(settings).now_ms())
        if as_json:
            print_json([one._asdict() for one in found])
            return
        table = Table("what", "until", "by", "why")
        for one in found:
            table.add_row(*map(escape, (one.target, format_rfc3339(one.until_ms), one.by, one.text)))
        Console().print(table if found else "nothing is silenced")


@app.command(epilog="Example: hanan alerts route --rule heat-room-cold --device HI-0001")
def route(
    target: Annotated[str, typer.Argument(metavar="[ALERT]", help="An alert's id or slot.")] = "",
    rule: Annotated[str, typer.Option(help="Without an alert: what if this rule fired ...")] = "",
    device: Annotated[str, typer.Option(help="... at this device?")] = "",
    as_json: Json = False,
) -> None:
    """Show where an alert would go now and what would be said; nothing is sent. Exit code 1 when an address cannot be used."""
    with clear_errors() as settings:
        routes = load_routes(settings.alert_routes).routes
        one = alert_words.find(settings, target) if target else _supposed(settings, rule, device)
        known = load_book(pack_files(settings.alert_rules)).rules.get(one.rule)
        clock, now_ms = CityClock(settings.time_zone), deployment_clock(settings).now_ms()
        rows = [_routed(settings, each, one) for each in routes if each.takes(one, known, clock, now_ms)]
        if as_json:
            print_json(rows)
        for row in () if as_json else rows:
            addresses = "; ".join(f"{to}{' ' + wrong if wrong else ''}" for to, wrong in row["to"].items())
            text = f"{row['route']} -> {addresses}\n{row['when']}\n{row['title']}\n{row['body']}"
            Console().print(escape(text.replace("\n", "\n  ")), highlight=False)
        if not rows and not as_json:
            Console().print(f"nobody would be told: {len(routes)} routes in {settings.alert_routes}, and none takes it")
        if any(wrong for row in rows for wrong in row["to"].values()):
            raise typer.Exit(1)


def _supposed(settings: Settings, rule: str, device: str) -> Alert:
    known = load_book(pack_files(settings.alert_rules)).rules.get(rule)
    found = next((one for one in read_registry(settings) if one.device_id == device), None)
    if known is None or found is None:
        fail("name an alert, or a rule (--rule, see `hanan rules list`) and a registered device (--device)", USAGE)
    now_ms = deployment_clock(settings).now_ms()
    one = Alert(
        rule, device, State.FIRING, Change.FIRED, 1, now_ms, now_ms, now_ms, severity=known.severity, worst=known.severity
    )
    return described(one, found)


def _routed(settings: Settings, each: Route, one: Alert) -> dict[str, Any]:
    ways = people(settings)
    text = message([(one, load_book(pack_files(settings.alert_rules)).rules.get(one.rule))], each.language, settings.time_zone)
    when = [f"after {text_of(each.after)} without an acknowledgement" if each.after else "at once"]
    if each.group_wait:
        when.append(f"with what else comes within {text_of(each.group_wait)}")
    if each.repeat:
        when.append(f"again every {text_of(each.repeat)} until acknowledged")
    to = {_masked(address, number): ways.understands(address) for number, address in enumerate(each.to, 1)}
    return {"route": each.name, "to": to, "when": ", ".join(when), "title": text.title, "body": text.body}


def _masked(address: str, number: int) -> str:
    """An address may hold a password."""
    return address if address.startswith(("secret:", "log:")) else f"{number}: {address.partition('://')[0]}://..."
