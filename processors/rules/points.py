"""Alerts as points of the bucket `alerts`, one for each change: what the store role makes of the topic `alert`.

Tags are identity, rule and subject.
"""

from collections.abc import Sequence

from processors.points import change_line
from schemas import alert as alerts
from schemas import codec
from schemas.alert import CLOCK, Alert


def line(alert: Alert) -> str:
    fields: dict[str, str | int] = {
        "id": alert.id, "state": alert.state, "change": alert.change, "severity": alert.severity, "worst": alert.worst,
        "why": alert.why, "stream": alert.stream, "kind": alert.kind, "zone": alert.zone, "site": alert.site,
        "gateway": alert.gateway, "name": alert.name, "by": alert.notes[-1].by if alert.notes else "",
        "values": ", ".join(f"{name}={value}" for name, value in alert.values.items()),
        "n": alert.n, "onset_ms": alert.onset_ms, "fired_ms": alert.fired_ms, "resolved_ms": alert.resolved_ms,
        "is_open": alert.is_open, "rank": alert.severity.rank, "flapping": alert.flapping,
    }  # fmt: skip
    return change_line(f"alert,rule={_tag(alert.rule)},subject={_tag(alert.subject)}", fields, alert.at_ms, alert.n)


def _tag(text: str) -> str:
    return text.replace("\\", "\\\\").replace(" ", "\\ ").replace(",", "\\,").replace("=", "\\=")


def alert_lines(value: bytes) -> Sequence[str]:
    """What a record of the topic `alert` becomes. ValueError, KeyError or TypeError for one that is no alert.

    Nothing for what was never more than pending, which is nobody's history, and for the time that is told there.
    """
    if not value or CLOCK in codec.loads(value):
        return ()
    alert = alerts.decode(value)
    return (line(alert),) if alert.n else ()
