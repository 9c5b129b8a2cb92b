"""The roles' own figures as points in `ops`, for the Pipeline dashboard: what the live table shows, kept."""

from collections.abc import Iterable, Iterator, Mapping

from deploy.watch import RoleRow, StreamRow

BUCKET = "ops"


def health_points(streams: Iterable[StreamRow], roles: Iterable[RoleRow], now_ms: int) -> Iterator[str]:
    at = now_ms * 1_000_000
    for row in streams:
        fields: Mapping[str, float | None] = {
            "received": row.received,
            "stored": row.stored,
            "suspect": row.suspect,
            "dead": row.dead,
            "lag": row.lag,
            "p50_ms": row.p50_ms,
            "p99_ms": row.p99_ms,
        }
        yield f"pipeline_stream,stream={row.stream} {_fields(fields)} {at}"
    for role in roles:
        own = {"processes": role.processes, "cpu_percent": role.cpu_percent, "resident_mb": role.resident_mb}
        yield f"pipeline_role,role={role.role} {_fields(own)} {at}"


def _fields(fields: Mapping[str, float | None]) -> str:
    return ",".join(f"{name}={float(value)!r}" for name, value in fields.items() if value is not None)
