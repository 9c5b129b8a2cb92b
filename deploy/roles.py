"""The wiring: which core, which shells, which settings make a role."""

import gc
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import NamedTuple

import structlog

from deploy.broker_watch import watching_broker
from deploy.clock import deployment_clock, monotonic_ms
from deploy.late import LateKeeper
from deploy.metrics import PrometheusMeter
from deploy.native import QuietProgress, endpoints, vault
from deploy.recompute import Wanted, closed_ms, recompute
from deploy.settings import Settings
from ingest.collector import Collector
from ingest.io.paho_session import Broker, PahoSessions
from ingest.slots import GROUP as COLLECT_GROUP
from ingest.slots import slots_of
from processors.aggregate import GROUP as AGGREGATE_GROUP
from processors.aggregate import AggregateTasks
from processors.alert import AlertTasks
from processors.city.role import CityTasks, topics_read
from processors.io import clients
from processors.io.influx import InfluxWriter
from processors.io.kafka_admin import Admin
from processors.io.kafka_read import LogReader, TableReader
from processors.io.notify import People
from processors.notify.desk import Desk
from processors.notify.role import NotifyRole
from processors.notify.routes import load_routes
from processors.rules.load import Book, Problem
from processors.rules.seasons import CityClock
from processors.rules.shelf import Shelf
from processors.runner import Runner
from processors.store import StoreTasks
from processors.task import Tasks
from processors.validate import ValidateTasks
from processors.windows.calendar import Calendar
from schemas import topics
from schemas.aggregate import HOUR, QUARTER
from schemas.alert import COMMAND, DELIVERY, GROUP
from schemas.ports import RecordSink
from schemas.streams import BY_NAME, STREAMS

log = structlog.get_logger()

Stop = Callable[[], bool]

VALIDATE_GROUP = "hanan-validate"
CITY_GROUP = "hanan-city"
ALERT_GROUP = "hanan-alert"

STORE_GROUP = "hanan-store"
RECOMPUTE_GROUP = "hanan-recompute"
NOTIFY_GROUP = "hanan-notify"  # commits nothing: it is only who is on duty


_JUDGED_LEVELS = (QUARTER, HOUR)  # of windows: what rules may be about


class Reads(NamedTuple):
    """One stage: a group, and topics that it reads."""

    group: str
    topics: tuple[str, ...]


def _of_each(name: Callable[[str], str]) -> tuple[str, ...]:
    return tuple(map(name, BY_NAME))


# In the order in which data flow: what is at rest once a stage is will stay so when those before it are.
READS: Sequence[Reads] = (
    Reads(VALIDATE_GROUP, _of_each(topics.raw)),
    Reads(AGGREGATE_GROUP, _of_each(topics.reading)),
    Reads(AGGREGATE_GROUP, _of_each(partial(topics.aggregate, QUARTER))),
    Reads(AGGREGATE_GROUP, _of_each(partial(topics.aggregate, HOUR))),
    Reads(AGGREGATE_GROUP, _of_each(topics.zone_part)),
    Reads(CITY_GROUP, topics_read(BY_NAME)),
    Reads(CITY_GROUP, _of_each(topics.city_part)),
    Reads(ALERT_GROUP, _of_each(topics.reading)),
    *(Reads(ALERT_GROUP, _of_each(partial(topics.aggregate, level))) for level in _JUDGED_LEVELS),
    Reads(ALERT_GROUP, (GROUP,)),
    Reads(ALERT_GROUP, (topics.ALERT,)),
    Reads(STORE_GROUP, tuple(StoreTasks().topics)),
)


def topics_of(group: str) -> tuple[str, ...]:
    return tuple(topic for reads in READS if reads.group == group for topic in reads.topics)


def run_role(role: str, name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    """Runs one process of a role until `stop()`."""
    # The loops make millions of short-lived tuples and no cycles; the collector's default looks at all of them far too often
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    _ROLES[role](name, settings, meter, stop)


def _collect(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    places = endpoints(settings)
    login = places.mqtt_login("collector")
    collector = Collector(
        clients.open_source(settings.kafka_client, places.kafka_bootstrap, COLLECT_GROUP, name),
        open_sink(settings, name),
        PahoSessions(Broker(places.mqtt_host, places.mqtt_port, login.user, login.password), monotonic_ms=monotonic_ms),
        slots_of(STREAMS),
        name=f"{socket.gethostname()}-{name}",
        partitions=settings.kafka_partitions,
        clock=deployment_clock(settings),
        monotonic_ms=monotonic_ms,
    )
    export = CollectorCounts(meter)

    def asked() -> bool:
        export(collector)
        return stop()

    with watching_broker(settings, meter):
        collector.run(asked)


def open_sink(settings: Settings, name: str) -> RecordSink:
    return clients.open_sink(settings.kafka_client, endpoints(settings).kafka_bootstrap, name)


def _validate(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    table = TableReader(endpoints(settings).kafka_bootstrap, topics.DEVICE)
    _runner(name, settings, meter, VALIDATE_GROUP, ValidateTasks(table, settings.readings_retention_days)).run(stop)


def _aggregate(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    bootstrap = endpoints(settings).kafka_bootstrap
    table, history = TableReader(bootstrap, topics.DEVICE), LogReader(bootstrap)
    tasks = AggregateTasks(table, history, settings.time_zone, settings.kafka_partitions)
    _runner(name, settings, meter, AGGREGATE_GROUP, tasks).run(stop)


def _city(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    places = endpoints(settings)
    table = TableReader(places.kafka_bootstrap, topics.DEVICE)
    tasks = CityTasks(table, partial(TableReader, places.kafka_bootstrap), settings.time_zone, settings.kafka_partitions)
    writer = InfluxWriter(places.influx_url, places.influx_token, places.influx_org)
    _runner(name, settings, meter, CITY_GROUP, tasks, writer).run(stop)


def _recompute(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    places = endpoints(settings)

    def closed(stream: str) -> int:
        with closing(Admin(places.kafka_bootstrap)) as admin:
            return closed_ms(admin, BY_NAME[stream])

    def compute(wanted: Wanted) -> None:
        done = recompute(settings, [wanted], QuietProgress())
        for level, amount in done.windows.items():
            meter.add("windows_again", amount, stream=wanted.stream, level=level)

    LateKeeper(
        clients.open_source(settings.kafka_client, places.kafka_bootstrap, RECOMPUTE_GROUP, name),
        Calendar(settings.time_zone),
        deployment_clock(settings).now_ms,
        monotonic_ms,
        closed,
        compute,
    ).run(stop)


def _store(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    places = endpoints(settings)
    writer = InfluxWriter(places.influx_url, places.influx_token, places.influx_org)
    _runner(name, settings, meter, STORE_GROUP, StoreTasks(), writer).run(stop)


def _alert(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    bootstrap = endpoints(settings).kafka_bootstrap
    devices, alerts, commands = (TableReader(bootstrap, topic) for topic in (topics.DEVICE, topics.ALERT, COMMAND))
    tasks = AlertTasks(
        rules(settings), devices, alerts, commands, settings.time_zone, settings.kafka_partitions, levels=_JUDGED_LEVELS
    )
    _runner(name, settings, meter, ALERT_GROUP, tasks).run(stop)


def _notify(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    bootstrap = endpoints(settings).kafka_bootstrap
    routes, books = load_routes(settings.alert_routes), rules(settings)
    with ThreadPoolExecutor(max_workers=max(1, len(routes.addresses)), thread_name_prefix="address") as executor:
        NotifyRole(
            clients.open_source(settings.kafka_client, bootstrap, NOTIFY_GROUP, name),
            open_sink(settings, name),
            (TableReader(bootstrap, topics.ALERT), TableReader(bootstrap, DELIVERY)),
            Desk(routes, books.current().rules, CityClock(settings.time_zone)),
            people(settings),
            executor=executor,
            books=books,
            clock=deployment_clock(settings),
            meter=meter,
            monotonic_ms=monotonic_ms,
            time_zone=settings.time_zone,
        ).run(stop)


def rules(settings: Settings) -> Shelf:
    """The rule packs of the deployment, taken up again when a file changes."""
    return Shelf(monotonic_ms, settings.alert_rules, _say_rules)


def _say_rules(book: Book | None, problems: Sequence[Problem]) -> None:
    if book is not None:
        log.info("rules_taken_up", rules=len(book.rules))
    for problem in problems:
        log.error("rules_not_taken_up", why=str(problem))


def people(settings: Settings) -> People:
    """Those whom the routes name; `secret:NAME` is what stands in `<home>/secrets/notify/NAME`."""
    return People(lambda name: vault.read(settings.home, f"notify/{name}"))


def _runner(
    name: str,
    settings: Settings,
    meter: PrometheusMeter,
    group: str,
    tasks: Tasks,
    writer: InfluxWriter | None = None,
) -> Runner:
    return Runner(
        clients.open_source(settings.kafka_client, endpoints(settings).kafka_bootstrap, group, name),
        clients.open_batch_sink(settings.kafka_client, endpoints(settings).kafka_bootstrap, name),
        tasks,
        clock=deployment_clock(settings),
        meter=meter,
        monotonic_ms=monotonic_ms,
        writer=writer,
    )


_ROLES: Mapping[str, Callable[[str, Settings, PrometheusMeter, Stop], None]] = {
    "collect": _collect,
    "validate": _validate,
    "aggregate": _aggregate,
    "city": _city,
    "alert": _alert,
    "store": _store,
    "notify": _notify,
    "recompute": _recompute,
}
ROLES = tuple(_ROLES)


class CollectorCounts:
    """Carries a collector's own counts over to the meter, from time to time."""

    EVERY_MS = 250

    def __init__(self, meter: PrometheusMeter) -> None:
        self._meter = meter
        self._due_ms = 0
        self._carried: dict[tuple[str, ...], int] = {}

    def __call__(self, collector: Collector) -> None:
        now_ms = monotonic_ms()
        if now_ms < self._due_ms:
            return
        self._due_ms = now_ms + self.EVERY_MS
        for slot, counts in collector.counts.items():
            self._carry("received", counts.received, stream=slot)
            self._carry("forwarded", counts.forwarded, stream=slot)
            self._carry("acknowledged", counts.acked, stream=slot)
            self._carry("mqtt_reconnects", counts.reconnects, stream=slot)
            self._carry("kafka_failed", counts.failed, stream=slot)
            self._carry("kafka_waits", counts.waits, stream=slot)
            self._carry("mqtt_stalls", counts.stalls, stream=slot)
            for reason, amount in counts.dead.items():
                self._carry("dead", amount, stream=slot, reason=reason.value)
            self._meter.set("in_flight", counts.in_flight, stream=slot)
            self._meter.set("mqtt_ready", counts.ready, stream=slot)

    def _carry(self, name: str, total: int, **labels: str) -> None:
        key = (name, *labels.values())
        new = total - self._carried.get(key, 0)
        if new:
            self._carried[key] = total
            self._meter.add(name, new, **labels)
