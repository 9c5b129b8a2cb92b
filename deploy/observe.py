"""One look at everything that runs: the roles' own figures and the groups' lag in Kafka."""

from collections import Counter

import structlog

from deploy import children
from deploy.native import NativeError, endpoints
from deploy.roles import READS
from deploy.settings import Settings
from deploy.watch import Sample, scrape
from processors.io.kafka_admin import Admin
from schemas import topics
from schemas.ports import RetryLater
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
    return Sample(at_ms, series, lag)


def lag_by_stream(admin: Admin) -> dict[str, int]:
    """Records that were written and not yet read, over the roles one behind the other."""
    lag: Counter[str] = Counter()
    for group, topic_of in READS.items():
        for partition, behind in admin.lag(group, [topic_of(name) for name in BY_NAME]).items():
            lag[topics.stream_of(partition.topic)] += behind
    return dict(lag)
