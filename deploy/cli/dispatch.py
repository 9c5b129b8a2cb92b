"""`hanan dispatch`: who goes where next. What people say travels through Kafka, and the city role obeys within a second."""

import getpass
from contextlib import closing
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.board import SEVERITY_STYLES
from deploy.cli.alert_words import By
from deploy.cli.common import Json, clear_errors, fail, print_json
from deploy.clock import deployment_clock
from deploy.order_topic import OrdersNow, send
from deploy.settings import Settings
from deploy.standing import obeyed
from processors.notify.texts import local_time
from schemas import codec, workorder
from schemas.instants import MINUTE_MS
from schemas.workorder import Command, Order, Reason, State, Verb, Why, next_first

app = typer.Typer(help="Work orders: which stations and containers to serve next, why, and by when.", no_args_is_help=True)

Targets = Annotated[list[str], typer.Argument(metavar="ORDER...", help="Ids, or places: a station or a container.")]
Note = Annotated[str, typer.Option("--note", "-m", help="What else is to be known; it stays with the order.")]


@app.command("list", epilog="Example: hanan dispatch list --zone old-town")
def list_(
    zone: Annotated[str, typer.Option(help="Only this zone.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Those that are done or over as well.")] = False,
    as_json: Json = False,
) -> None:
    """Show where to go, the next first."""
    with clear_errors() as settings:
        with closing(OrdersNow(settings)) as now:
            found = [one for one in now.look().all if zone in ("", one.zone)]
        chosen = next_first([one for one in found if one.is_active or everything])
        now_ms = deployment_clock(settings).now_ms()
        if as_json:
            late = [{"is_late": one.is_active and one.due_ms < now_ms} for one in chosen]
            print_json([codec.loads(workorder.encode(one)) | more for one, more in zip(chosen, late, strict=True)])
            return
        table = Table("id", "until", "why", "what", "where", "state")
        for one in chosen:
            style = SEVERITY_STYLES[one.severity]
            why = "; ".join(_said(reason) for reason in one.reasons)
            row = (f"[{style}]{escape(why)}[/{style}]", escape(one.name), escape(f"{one.zone} {one.place}"), escape(_state(one)))
            table.add_row(one.id, _until(one, now_ms, settings), *row)
        Console().print(table if chosen else "nothing is to be served")


def _said(reason: Reason) -> str:
    value = f"{reason.value:g} h" if reason.why is Why.ODOUR else f"{reason.value:.0%}"
    return f"{reason.device_id} {reason.why.value} {value}"


def _until(one: Order, now_ms: int, settings: Settings) -> str:
    late = (now_ms - one.due_ms) // MINUTE_MS
    text = local_time(one.due_ms, settings.time_zone)
    return f"[bold]{text}, late by {late // 60}:{late % 60:02}[/bold]" if one.is_active and late > 0 else text


def _state(one: Order) -> str:
    by = f" by {one.by}" if one.by else ""
    return f"{one.state.value}{by}{': ' + one.note if one.note else ''}"


@app.command(epilog="Example: hanan dispatch take TS-03 WN-0041 --by 'crew 2'")
def take(targets: Targets, note: Note = "", by: By = "") -> None:
    """Somebody is on the way. Whoever takes it last has it."""
    _say(Verb.TAKE, targets, note, by)


@app.command(epilog="Example: hanan dispatch done WN-0041 -m 'lid is broken'")
def done(targets: Targets, note: Note = "", by: By = "") -> None:
    """It has been served.

    It comes back only for a new reason: what was served is over and begins anew, becomes worse, or is as bad two hours later.
    """
    _say(Verb.DONE, targets, note, by)


def _say(verb: Verb, targets: list[str], text: str, by: str) -> None:
    """Sends it, and waits until it stands on the orders. All are looked up before the first is told."""
    with clear_errors() as settings, closing(OrdersNow(settings)) as now:
        now.look()
        orders = [_active(now, target, verb) for target in targets]
        for one in orders:
            command = Command(verb, one.place, one.id, by or getpass.getuser(), deployment_clock(settings).now_ms(), text)
            send(settings, command)
            if not obeyed(partial(_is_obeyed, now, command)):
                fail(f"{verb.value} {one.place} is sent, and not obeyed yet; does the city role run? `hanan status` tells")
            Console().print(f"{verb.value} {one.place} {one.name}", highlight=False)


def _active(now: OrdersNow, target: str, verb: Verb) -> Order:
    one = now.find(target)
    if one is None:
        fail(f"there is no order {target}; `hanan dispatch list --all` shows those there are")
    if not one.is_active:
        fail(f"{one.place} is {_state(one)}: there is nothing to {'do' if verb is Verb.DONE else 'take'}")
    return one


def _is_obeyed(now: OrdersNow, command: Command) -> bool | None:
    one = now.look().find(command.place)
    if one is None or one.id != command.id or not one.is_active:
        return one is not None and one.state is State.DONE and command.verb is Verb.DONE
    return True if command.verb is Verb.TAKE and one.state is State.TAKEN and one.by == command.by else None
