"""Alerts as points of the bucket `alerts`, one for each change: what the store role makes of the topic `alert`.

Tags are identity, rule and subject. The change's number stands below the millisecond, so that two changes in one do not meet.
Text is never empty: a Flux query loses it and gives each row behind it the text of the next (influxdata/influxdb#26916).
"""

from collections.abc import Sequence

from schemas import alert as alerts
from schemas import codec
from schemas.alert import CLOCK, Alert

NOTHING = "-"
_NS_PER_MS = 1_000_000


def line(alert: Alert) -> str:
    words = {
        "id": alert.id, "state": alert.state, "change": alert.change, "severity": alert.severity, "worst": alert.worst,
        "why": alert.why, "stream": alert.stream, "kind": alert.kind, "zone": alert.zone, "site": alert.site,
        "gateway": alert.gateway, "name": alert.name, "by": alert.notes[-1].by if alert.notes else "",
        "values": ", ".join(f"{name}={value}" for name, value in alert.values.items()),
    }  # fmt: skip
    numbers = {"n": alert.n, "onset_ms": alert.onset_ms, "fired_ms": alert.fired_ms, "resolved_ms": alert.resolved_ms}
    fields = [f'{name}="{_text(str(value))}"' for name, value in words.items()]
    fields += [f"{name}={value}i" for name, value in numbers.items()]
    fields += [f"is_open={str(alert.is_open).lower()}", f"rank={alert.severity.rank}i", f"flapping={str(alert.flapping).lower()}"]
    tags = f"alert,rule={_tag(alert.rule)},subject={_tag(alert.subject)}"
    return f"{tags} {','.join(fields)} {alert.at_ms * _NS_PER_MS + alert.n % _NS_PER_MS}"


def _text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"') or NOTHING


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
