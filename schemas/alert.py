"""An alert: one rule, one device (or site, gateway, zone), one onset. Its record in the topic `alert`, and commands to it.

The topic is compacted, its key is the slot, `<rule>/<subject>`: of a slot at most one alert is open, so its record is replaced as
a whole, the topic stays as small as rules times devices, and one look tells what is so now. An alert's id is in the value.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import Any, NamedTuple

from schemas import codec

COMMAND = "alert-command"  # what people say: compacted, keyed by what they said it of
DELIVERY = "alert-delivery"  # what was handed over to whom: compacted, keyed by route, alert and change
GROUP = "alert-group"  # readings again, keyed by the site, zone or district within which a rule compares them
CLOCK = "clock"
CLOCK_KEY = CLOCK.encode()  # in the topic of alerts: no alert, but what time it is


class Severity(StrEnum):
    """FIWARE's words. `informational` is no alarm: nobody needs to do anything about it now."""

    INFORMATIONAL = "informational"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class State(StrEnum):
    """As ISA-18.2 has them; the last two are not asking for anybody."""

    NORMAL = "normal"  # nothing is or was
    PENDING = "pending"  # true, but not for long enough
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    SHELVED = "shelved"  # by a person, with an end
    SUPPRESSED = "suppressed"  # by the design: inhibited, silenced


OPEN = frozenset({State.FIRING, State.ACKNOWLEDGED, State.SHELVED, State.SUPPRESSED})


class Change(StrEnum):
    """What happened last, and so what is to be told."""

    PENDING = "pending"
    DROPPED = "dropped"  # pending came to nothing
    FIRED = "fired"
    SEVERITY = "severity"
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    RETURNED = "returned"  # from the shelf, or out of suppression: it asks again
    SUPPRESSED = "suppressed"
    COMMENTED = "commented"
    RESOLVED = "resolved"


class Place(NamedTuple):
    """Which record of which partition led to a state: what was read up to there has been taken into account."""

    topic: str
    partition: int
    offset: int


def alert_id(rule: str, subject: str, onset_ms: int) -> str:
    """The same alert has the same id in every run."""
    return blake2b(f"{rule}|{subject}|{onset_ms}".encode(), digest_size=6).hexdigest()


def slot_key(rule: str, subject: str) -> str:
    return f"{rule}/{subject}"


class Note(NamedTuple):
    """What a person did: `ack`, `shelve`, `unshelve`, `comment`."""

    verb: str
    by: str
    at_ms: int
    text: str = ""
    until_ms: int = 0


class Alert(NamedTuple):
    """One slot as it is now. Times are epoch ms of data, or of the partition's clock where silence is judged; 0: not so (yet).

    subject   the device, or `gateway:GW-1`, `zone:old-town`, ... where a rule is about more than one
    n         counts the changes of this alert, so that (id, n) names one of them
    values    what the condition looked at, when it last changed
    fires     when it fired before, as far back as flapping is judged
    place     see Place
    """

    rule: str
    subject: str
    state: State = State.NORMAL
    change: Change = Change.DROPPED
    n: int = 0
    at_ms: int = 0
    onset_ms: int = 0
    fired_ms: int = 0
    resolved_ms: int = 0
    severity: Severity = Severity.LOW
    worst: Severity = Severity.LOW
    why: str = ""  # it is suppressed or was resolved in another way than by its condition
    stream: str = ""
    kind: str = ""
    zone: str = ""
    site: str = ""
    gateway: str = ""
    name: str = ""
    values: Mapping[str, Any] = {}
    flapping: bool = False
    clear_ms: int = 0
    easing_ms: int = 0
    until_ms: int = 0  # the shelf's end
    acked: bool = False
    notes: Sequence[Note] = ()
    fires: Sequence[int] = ()
    place: Place = Place("", 0, -1)

    @property
    def id(self) -> str:
        return alert_id(self.rule, self.subject, self.onset_ms)

    @property
    def key(self) -> str:
        return slot_key(self.rule, self.subject)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


def encode(alert: Alert) -> bytes:
    body = alert._asdict() | {"id": alert.id, "notes": [note._asdict() for note in alert.notes]}
    body["place"] = list(alert.place)
    return codec.dumps(body)


def decode(data: bytes) -> Alert:
    """What `encode` wrote; KeyError, TypeError or ValueError for anything else. Fields of newer versions are passed over."""
    body = codec.loads(data)
    known: dict[str, Any] = {name: body[name] for name in Alert._fields if name in body}
    known["state"], known["change"] = State(known["state"]), Change(known["change"])
    known["severity"], known["worst"] = Severity(known["severity"]), Severity(known["worst"])
    known["notes"] = tuple(Note(**note) for note in known["notes"])
    known["fires"] = tuple(known["fires"])
    known["place"] = Place(*known["place"])
    return Alert(**known)


class Verb(StrEnum):
    ACK = "ack"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    COMMENT = "comment"
    SILENCE = "silence"
    UNSILENCE = "unsilence"


class Command(NamedTuple):
    """What a person wants. `target` is a slot; of a silence its id, and `match` says what it covers."""

    verb: Verb
    target: str
    by: str
    at_ms: int
    until_ms: int = 0
    text: str = ""
    match: Mapping[str, str] = {}  # of rule, stream, kind, zone, site, gateway, subject, severity: all must agree

    @property
    def key(self) -> str:
        """A later command of the same sort replaces an earlier one; comments add up."""
        subject = f"{self.target}@{self.at_ms}" if self.verb is Verb.COMMENT else self.target
        return f"{_SORT.get(self.verb, self.verb)}/{subject}"


_SORT = {Verb.UNSHELVE: Verb.SHELVE, Verb.UNSILENCE: Verb.SILENCE}


def encode_command(command: Command) -> bytes:
    return codec.dumps(command._asdict())


def decode_command(data: bytes) -> Command:
    body = codec.loads(data)
    return Command(Verb(body.pop("verb")), **body)
