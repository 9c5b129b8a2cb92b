"""One look at everything that runs: the roles' own figures and the groups' lag in Kafka."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import structlog

from deploy import children
from deploy.native import process
from deploy.native.endpoints import endpoints
from deploy.native.problems import NativeError
from deploy.roles.reads import READS, Reads, topics_of
from deploy.settings import Settings
from deploy.watch import Sample, Used, scrape
from processors.io.kafka_admin import Admin
from schemas import topics
from schemas.ports import Partition, RetryLater
from schemas.streams import BY_NAME

log = structlog.get_logger()


def observe(settings: Settings, at_ms: int, admin: Admin | None = None) -> Sample:
    """`at_ms` is monotonic. Without Kafka there is no lag, and the rest is shown all the same."""
    series = scrape(role.metrics_port for role in children.running(settings.home))
    lag: dict[str, int] = {}
    own = admin is None
    try:
        admin = admin or Admin(endpoints(settings).kafka_bootstrap)
        lag = lag_by_stream(admin)
    except (RetryLater, NativeError) as error:
        log.debug("lag_unknown", why=str(error))
    finally:
        if own and admin:
            admin.close()
    return Sample(at_ms, series, lag, servers_use(settings))


def servers_use(settings: Settings) -> dict[str, Used | None]:
    """What the native servers of this home have used so far; servers of one's own have their own watch."""
    return {name: _use(process.find(settings.home, name)) for name in process.names(settings.home)}


def _use(running: process.Running | None) -> Used | None:
    if running is None:
        return None
    try:
        fields = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{running.pid}/statm").read_text().split()[1])
    except OSError:  # it ended at this moment
        return None
    ticks = int(fields[11]) + int(fields[12])
    return Used(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))


def lag_by_stream(admin: Admin) -> dict[str, int]:
    """Records of what devices sent that were written and not yet read, over the roles one behind the other."""
    lag: Counter[str] = Counter()
    sent = {name(stream) for name in (topics.raw, topics.reading) for stream in BY_NAME}
    for group in dict.fromkeys(reads.group for reads in READS):
        for partition, behind in admin.lag(group, [topic for topic in topics_of(group) if topic in sent]).items():
            lag[topics.stream_of(partition.topic)] += behind
    return dict(lag)


class Drain:
    """Has all that is in Kafka now been read by everyone, with all that came of it? Asked until it says so.

    Ticks come all the time, so the lag may never be 0 everywhere at once. But once a stage has read what was there when the
    stage before had, it has read all that came of it.
    """

    def __init__(self, admin: Admin, stages: Iterable[Reads] = READS) -> None:
        self._admin = admin
        self._stages = iter(stages)
        self._stage: Reads | None = next(self._stages)
        self._ends: dict[Partition, int] = {}

    def __call__(self) -> bool:
        while self._stage:
            self._ends = self._ends or self._admin.ends(self._admin.partitions(self._stage.topics))
            committed = self._admin.committed(self._stage.group, self._ends)
            firsts = self._admin.firsts(partition for partition in self._ends if partition not in committed)
            reached = firsts | {partition: position.reached for partition, position in committed.items()}
            if any(reached[partition] < end for partition, end in self._ends.items()):
                return False
            self._stage, self._ends = next(self._stages, None), {}
        return True
