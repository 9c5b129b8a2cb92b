"""A work order: one place that somebody is to serve, why, and by when. Topics, records, and what people say to orders.

What is measured and what people say go through one topic of one partition, `workorder-event`, so that they have one order and
every run makes the same of them. What is so now is in the compacted topic `workorder`, keyed by place.
"""

from collections.abc import Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

from schemas import codec
from schemas.alert import Severity

WORKORDER = "workorder"
EVENT = "workorder-event"
SAMPLE, COMMAND = "sample", "command"  # what an event may be: the one field of its JSON object


class Why(StrEnum):
    """What is wrong there; the first four of a container's fill, each worse than the one before."""

    FILLING = "filling"  # will be full soon
    DUE = "due"  # full enough to be emptied
    FULL = "full"
    NOT_EMPTIED = "not-emptied"  # said to be done, and nothing has changed
    ODOUR = "odour"

    @property
    def stage(self) -> int:
        """Of a fill; 0 for what is none."""
        return _STAGES.get(self, 0)


_STAGES = {Why.FILLING: 1, Why.DUE: 2, Why.FULL: 3, Why.NOT_EMPTIED: 4}


class Reason(NamedTuple):
    """`value` in the unit of what was looked at: a fill (1 is full), or hours above a limit."""

    why: Why
    device_id: str
    since_ms: int
    due_ms: int
    severity: Severity
    value: float


class State(StrEnum):
    OPEN = "open"
    TAKEN = "taken"  # by somebody
    DONE = "done"  # said by somebody
    OVER = "over"  # by itself: no reason is left


ACTIVE = frozenset({State.OPEN, State.TAKEN})


class Change(StrEnum):
    """What happened last."""

    OPENED = "opened"
    UPDATED = "updated"  # other reasons, another deadline
    TAKEN = "taken"
    DONE = "done"
    OVER = "over"


class Order(NamedTuple):
    """The newest order of a place. Times are epoch ms; 0: not so (yet).

    place     a site of the registry: a transfer station, or a single container
    n         counts the changes of this order, so that (id, n) names one of them
    at_ms     of the last of them
    by        who said the last thing to it, `note` what they added
    served    device and reason of what had been served when somebody last said `done`, at `served_ms`, and is not over yet: no
              reason for a new order
    offset    the event that led to this; what was read up to there has been taken into account
    """

    place: str
    state: State = State.OVER
    change: Change = Change.OVER
    n: int = 0
    at_ms: int = 0
    opened_ms: int = 0
    taken_ms: int = 0
    served_ms: int = 0
    by: str = ""
    note: str = ""
    stream: str = ""
    kind: str = ""
    zone: str = ""
    name: str = ""
    reasons: tuple[Reason, ...] = ()
    served: tuple[tuple[str, Why], ...] = ()
    offset: int = -1

    @property
    def id(self) -> str:
        return blake2b(f"{self.place}|{self.opened_ms}".encode(), digest_size=6).hexdigest()

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def due_ms(self) -> int:
        """The earliest of its reasons' deadlines; 0 without any."""
        return min((reason.due_ms for reason in self.reasons), default=0)

    @property
    def severity(self) -> Severity:
        return max((reason.severity for reason in self.reasons), key=lambda one: one.rank, default=Severity.LOW)


def next_first(orders: list[Order]) -> list[Order]:
    """The list to work from: by deadline, of those of one moment the gravest first."""
    return sorted(orders, key=lambda one: (not one.is_active, one.due_ms, -one.severity.rank, one.place))


def encode(order: Order) -> bytes:
    body = order._asdict() | {"id": order.id, "due_ms": order.due_ms, "severity": order.severity}
    body["reasons"] = [reason._asdict() for reason in order.reasons]
    return codec.dumps(body)


def decode(data: bytes) -> Order:
    """What `encode` wrote; KeyError, TypeError or ValueError for anything else. Fields of newer versions are passed over."""
    body = codec.loads(data)
    known: dict[str, Any] = {name: body[name] for name in Order._fields if name in body}
    known["state"], known["change"] = State(known["state"]), Change(known["change"])
    known["reasons"] = tuple(_reason(one) for one in known["reasons"])
    known["served"] = tuple((device_id, Why(why)) for device_id, why in known["served"])
    return Order(**known)


def _reason(body: dict[str, Any]) -> Reason:
    return Reason(**body | {"why": Why(body["why"]), "severity": Severity(body["severity"])})


class Sample(NamedTuple):
    """What a device's window of a quarter of an hour had to say: fields are details of its stream."""

    device_id: str
    start: int
    end: int
    fields: Mapping[str, float]


class Verb(StrEnum):
    TAKE = "take"
    DONE = "done"


class Command(NamedTuple):
    """What a person says to one order, named by place and id: an order that has come since is another."""

    verb: Verb
    place: str
    id: str
    by: str
    at_ms: int
    text: str = ""


def encode_event(event: Sample | Command) -> bytes:
    return codec.dumps({SAMPLE if isinstance(event, Sample) else COMMAND: event._asdict()})


def decode_event(data: bytes) -> Sample | Command:
    """KeyError, TypeError or ValueError for what `encode_event` did not write."""
    body = codec.loads(data)
    if SAMPLE in body:
        return Sample(**body[SAMPLE])
    said = body[COMMAND]
    return Command(**said | {"verb": Verb(said["verb"])})
