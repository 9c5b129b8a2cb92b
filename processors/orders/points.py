"""Orders as points of the bucket `alerts`, one for each change: what the store role makes of the topic `workorder`."""

from collections.abc import Sequence

from processors.points import change_line
from schemas import workorder
from schemas.workorder import Order


def line(order: Order) -> str:
    fields: dict[str, str | int] = {
        "id": order.id, "state": order.state, "change": order.change, "severity": order.severity, "stream": order.stream,
        "kind": order.kind, "zone": order.zone, "name": order.name, "by": order.by, "note": order.note,
        "reasons": ", ".join(dict.fromkeys(reason.why.value for reason in order.reasons)),
        "devices": ", ".join(dict.fromkeys(reason.device_id for reason in order.reasons)),
        "n": order.n, "opened_ms": order.opened_ms, "due_ms": order.due_ms, "taken_ms": order.taken_ms,
        "served_ms": order.served_ms, "rank": order.severity.rank, "is_active": order.is_active,
    }  # fmt: skip
    return change_line(f"workorder,place={order.place}", fields, order.at_ms, order.n)


def order_lines(value: bytes) -> Sequence[str]:
    """What a record of the topic `workorder` becomes. ValueError, KeyError or TypeError for one that is no order."""
    return (line(workorder.decode(value)),) if value else ()
