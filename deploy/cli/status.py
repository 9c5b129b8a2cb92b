"""`hanan status`: what the running roles say, once; with `--city` the state of the city."""

import re
from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from deploy import indicators
from deploy.alarms import alarms, broker_row
from deploy.alert_topic import AlertsNow
from deploy.board import board
from deploy.cli.common import NOT_RUNNING, USAGE, Json, clear_errors, fail, print_json
from deploy.clock import deployment_clock, monotonic_ms
from deploy.native.endpoints import endpoints
from deploy.observe import observe
from deploy.settings import Settings
from deploy.watch import Watch
from processors.io.influx import InfluxReader
from schemas.alert import Alert
from schemas.indicator import DISTRICT
from schemas.instants import DAY_MS
from schemas.streams import STREAMS

City = Annotated[bool, typer.Option("--city", help="Instead: the newest indicators of the four systems, with their targets.")]
Zone = Annotated[str, typer.Option(help="With --city: a zone of the registry instead of the whole district.")]


def status(city: City = False, zone: Zone = DISTRICT, as_json: Json = False) -> None:
    """Show the streams and the roles of this home; exit code 3 when no role runs, or with --city no indicator is there.

    hanan status --city --zone old-town
    """
    with clear_errors() as settings:
        if city:
            _city(settings, zone, as_json)
            return
        watch = Watch()
        sample = observe(settings, monotonic_ms())
        watch.add(sample)
        streams, roles = watch.streams(), watch.roles()
        alerts = _open(settings) if sample.lag else []  # without Kafka nobody knows
        if as_json:
            broker = broker_row(watch.latest)
            print_json(
                {
                    "streams": [asdict(row) for row in streams],
                    "roles": [asdict(row) for row in roles],
                    "mqtt_broker": asdict(broker) if broker else None,
                    "alarms": list(alarms(watch.latest)),
                    "open_alerts": len(alerts),
                }
            )
        else:
            Console().print(board(watch, alerts, deployment_clock(settings).now_ms()))
        if not roles:
            raise typer.Exit(NOT_RUNNING)


def _open(settings: Settings) -> list[Alert]:
    with closing(AlertsNow(settings)) as now:
        return now.look().open()


def _city(settings: Settings, zone: str, as_json: bool) -> None:
    if not re.fullmatch(r"[a-z0-9-]{1,40}", zone):
        fail(f"{zone!r} is no zone: lower case letters, digits and hyphens", USAGE)
    places, now_ms = endpoints(settings), deployment_clock(settings).now_ms()
    with closing(InfluxReader(places.influx_url, places.influx_token, places.influx_org)) as reader:
        records = [record.values for record in reader.rows(indicators.query(STREAMS, zone, now_ms))]
    rows = indicators.rows(STREAMS, zone, records)
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        Console().print(indicators.table(STREAMS, zone, rows, now_ms - 2 * DAY_MS))
    if not rows:
        raise typer.Exit(NOT_RUNNING)
