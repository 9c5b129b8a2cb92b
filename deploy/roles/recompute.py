"""Windows that miss late readings."""

from contextlib import closing

from deploy.clock import deployment_clock, monotonic_ms
from deploy.late import LateKeeper
from deploy.metrics import PrometheusMeter
from deploy.native.endpoints import endpoints
from deploy.native.progress import QuietProgress
from deploy.recompute import Wanted, closed_ms, recompute
from deploy.roles import groups
from deploy.roles.wiring import open_source
from deploy.settings import Settings
from deploy.stop import Stop
from processors.io.kafka_admin import Admin
from processors.windows.calendar import Calendar
from schemas.instants import MINUTE_MS
from schemas.streams import BY_NAME

_LONGEST_MS = 15 * MINUTE_MS  # a day of many zones is one piece of work, without a poll in between


def run(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    places = endpoints(settings)

    def closed(stream: str) -> int:
        with closing(Admin(places.kafka_bootstrap)) as admin:
            return closed_ms(admin, BY_NAME[stream])

    def compute(wanted: Wanted) -> None:
        done = recompute(settings, [wanted], QuietProgress())
        for level, amount in done.windows.items():
            meter.add("windows_again", amount, stream=wanted.stream, level=level)

    LateKeeper(
        open_source(settings, groups.RECOMPUTE, name, _LONGEST_MS),
        Calendar(settings.time_zone),
        deployment_clock(settings).now_ms,
        monotonic_ms,
        closed,
        compute,
    ).run(stop)
