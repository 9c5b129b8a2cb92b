"""The pipeline's own figures as points in `ops`, for the Pipeline dashboard: what the live table shows, kept."""

from collections.abc import Iterator, Mapping
from contextlib import closing

import structlog

from deploy.clock import monotonic_ms
from deploy.native.endpoints import endpoints
from deploy.settings import Settings
from deploy.watch import RoleRow, ServerRow, StreamRow, Watch
from processors.io.influx import InfluxWriter
from schemas.ports import Clock, RetryLater

BUCKET = "ops"
EVERY_MS = 10_000
_TIMEOUT_MS = 2_000  # the live table waits for it

log = structlog.get_logger()


class HealthKeeper:
    """Writes what a watch has seen, from time to time. An InfluxDB that does not answer leaves a gap, and nothing else."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._due_ms = 0

    def __call__(self, watch: Watch) -> None:
        now_ms = monotonic_ms()
        if now_ms < self._due_ms:
            return
        self._due_ms = now_ms + EVERY_MS
        places = endpoints(self._settings)
        lines = list(health_points(watch, self._clock.now_ms()))
        with closing(InfluxWriter(places.influx_url, places.influx_token, places.influx_org, _TIMEOUT_MS)) as writer:
            try:
                writer.write(BUCKET, lines)
            except RetryLater as later:
                log.debug("health_not_written", why=later.why)


def health_points(watch: Watch, now_ms: int) -> Iterator[str]:
    """Counters count from the start of the roles."""
    at = now_ms * 1_000_000
    for stream in watch.streams():
        yield f"pipeline_stream,stream={stream.stream} {_fields(_of_stream(stream))} {at}"
        for reason, amount in stream.dead_reasons:
            yield f"pipeline_dead,stream={stream.stream},reason={reason} letters={float(amount)!r} {at}"
    for role in watch.roles():
        yield f"pipeline_role,role={role.role} {_fields(_of_role(role))} {at}"
    for server in watch.servers():
        yield f"pipeline_server,server={server.server} {_fields(_of_server(server))} {at}"


def _of_stream(row: StreamRow) -> Mapping[str, float | None]:
    return {
        "received": row.received,
        "received_per_s": row.received_per_s,
        "stored": row.stored,
        "stored_per_s": row.stored_per_s,
        "suspect": row.suspect,
        "dead": row.dead,
        "late": row.late,
        "repeated": row.repeated,
        "lag": row.lag,
        "in_flight": row.in_flight,
        "reconnects": row.reconnects,
        "p50_ms": row.p50_ms,
        "p99_ms": row.p99_ms,
        "age_p50_ms": row.age_p50_ms,
        "age_p99_ms": row.age_p99_ms,
    }


def _of_role(row: RoleRow) -> Mapping[str, float]:
    return {"processes": row.processes, "cpu_percent": row.cpu_percent, "resident_mb": row.resident_mb}


def _of_server(row: ServerRow) -> Mapping[str, float]:
    return {"up": row.is_up, "cpu_percent": row.cpu_percent, "resident_mb": row.resident_mb}


def _fields(fields: Mapping[str, float | None]) -> str:
    return ",".join(f"{name}={float(value)!r}" for name, value in fields.items() if value is not None)
