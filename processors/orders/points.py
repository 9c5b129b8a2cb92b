"""Orders as points of the bucket `alerts`, one for each change: what the store role makes of the topic `workorder`.

The tag is the place. The change's number stands below the millisecond, so that two changes in one do not meet. Text is never
empty: a Flux query loses it and gives each row behind it the text of the next (influxdata/influxdb#26916).
"""

from collections.abc import Sequence

from schemas import workorder
from schemas.workorder import Order

_NOTHING = "-"
_NS_PER_MS = 1_000_000


def line(order: Order) -> str:
    words = {
        "id": order.id, "state": order.state, "change": order.change, "severity": order.severity, "stream": order.stream,
        "kind": order.kind, "zone": order.zone, "name": order.name, "by": order.by, "note": order.note,
        "reasons": ", ".join(dict.fromkeys(reason.why.value for reason in order.reasons)),
        "devices": ", ".join(dict.fromkeys(reason.device_id for reason in order.reasons)),
    }  # fmt: skip
    numbers = {
        "n": order.n, "opened_ms": order.opened_ms, "due_ms": order.due_ms, "taken_ms": order.taken_ms,
        "served_ms": order.served_ms, "rank": order.severity.rank,
    }  # fmt: skip
    fields = [f'{name}="{_text(str(value))}"' for name, value in words.items()]
    fields += [f"{name}={value}i" for name, value in numbers.items()]
    fields += [f"is_active={str(order.is_active).lower()}"]
    return f"workorder,place={order.place} {','.join(fields)} {order.at_ms * _NS_PER_MS + order.n % _NS_PER_MS}"


def _text(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"') or _NOTHING


def order_lines(value: bytes) -> Sequence[str]:
    """What a record of the topic `workorder` becomes. ValueError, KeyError or TypeError for one that is no order."""
    return (line(workorder.decode(value)),) if value else ()
