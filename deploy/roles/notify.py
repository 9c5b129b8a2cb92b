"""Who is told of an alert."""

from concurrent.futures import ThreadPoolExecutor

from deploy.clock import deployment_clock, monotonic_ms
from deploy.metrics import PrometheusMeter
from deploy.native import vault
from deploy.native.endpoints import endpoints
from deploy.roles import groups
from deploy.roles.shelf import rules
from deploy.roles.wiring import open_sink, open_source
from deploy.settings import Settings
from deploy.stop import Stop
from processors.io.kafka_read import TableReader
from processors.io.notify import People
from processors.notify.desk import Desk
from processors.notify.role import NotifyRole
from processors.notify.routes import load_routes
from processors.rules.seasons import CityClock
from schemas import topics
from schemas.alert import DELIVERY


def run(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    bootstrap = endpoints(settings).kafka_bootstrap
    routes, books = load_routes(settings.alert_routes), rules(settings)
    with ThreadPoolExecutor(max_workers=max(1, len(routes.addresses)), thread_name_prefix="address") as executor:
        NotifyRole(
            open_source(settings, groups.NOTIFY, name),
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


def people(settings: Settings) -> People:
    """Those whom the routes name; `secret:NAME` is what stands in `<home>/secrets/notify/NAME`."""
    return People(lambda name: vault.read(settings.home, f"notify/{name}"))
