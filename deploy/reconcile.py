"""The ledger: what came in, what became of it, and whether the two sides are equal to the last reading.

Nothing is taken from the roles' own counters. The raw topics are decoded again, the dead letters subtracted by the place
they name, and what then must be in InfluxDB is compared, reading by reading, with what is.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from processors.points import time_ns
from schemas import payload, raw, topics
from schemas.codec import decode_reading
from schemas.dead import DeadLetter, from_record
from schemas.instants import MINUTE_MS, format_rfc3339
from schemas.kind import Stream
from schemas.ports import Record
from schemas.reading import Reading

NS_PER_MS = 1_000_000
MAX_EXAMPLES = 5


class Identity(NamedTuple):
    """A point's identity in InfluxDB, which is the reading's."""

    kind: str
    device_id: str
    time_ns: int


class Spot(NamedTuple):
    """Where something does not add up: a device, and a minute of its readings' own time."""

    kind: str
    device_id: str
    minute: int

    def __str__(self) -> str:
        return f"{self.kind} {self.device_id} at {format_rfc3339(self.minute * MINUTE_MS).removesuffix(':00.000Z')}Z"


@dataclass
class Account:
    """One stream's side of the ledger. Readings unless it says messages."""

    stream: str
    sent: int | None = None  # messages, by the feed's own ledger; None when there is none
    acknowledged: int | None = None
    raw: int = 0  # messages in Kafka
    replayed: int = 0  # of these, sent back from the dead letters by a person
    status: int = 0  # of these, status messages, which hold no reading
    dead_at_collector: int = 0  # messages that were never placed
    readings_in: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    unaccounted: Counter[Spot] = field(default_factory=Counter)  # neither valid nor a dead letter, or both
    expected: dict[Identity, bool] = field(default_factory=dict)  # and whether it came late
    repeats: int = 0
    validated: int = 0  # records in the reading topic, those written again after a crash included
    validated_unique: set[Identity] = field(default_factory=set)
    refused: dict[Identity, str] = field(default_factory=dict)  # by InfluxDB, and not stored since
    stored: int = 0
    suspect: int = 0
    missing: list[Identity] = field(default_factory=list)

    @property
    def received(self) -> int:
        """Messages that the collectors took, those that the broker delivered again included."""
        return self.raw - self.replayed + self.dead_at_collector

    @property
    def valid(self) -> int:
        """Distinct readings that passed."""
        return len(self.validated_unique)

    @property
    def late(self) -> int:
        """Of the expected ones: older at their receipt than the stream's windows wait for."""
        return sum(self.expected.values())

    @property
    def problems(self) -> list[str]:
        """Each sum that does not close, in words, with the devices and minutes it is about."""
        found = []
        if self.sent is not None and self.acknowledged != self.sent:
            found.append(f"{self.sent} messages sent, {self.acknowledged} acknowledged")
        if self.acknowledged is not None and self.received < self.acknowledged:
            found.append(f"{self.acknowledged} messages acknowledged, {self.received} in Kafka")
        if self.unaccounted:
            amount = sum(map(abs, self.unaccounted.values()))
            found.append(f"{amount} readings came in and are neither valid nor dead, or both: {_spots(self.unaccounted)}")
        out = self.stored + self.repeats + sum(self.dead.values())
        if self.readings_in != out:
            found.append(f"{self.readings_in} readings in, {out} accounted for")
        if self.missing:
            found.append(f"{len(self.missing)} readings are not in InfluxDB: {_spots(_by_spot(self.missing))}")
        if unknown := self.expected.keys() ^ self.validated_unique:
            found.append(f"{len(unknown)} readings differ between the raw and the reading topic: {_spots(_by_spot(unknown))}")
        return found


def _by_spot(identities: Iterable[Identity]) -> Counter[Spot]:
    return Counter(Spot(one.kind, one.device_id, one.time_ns // NS_PER_MS // MINUTE_MS) for one in identities)


def _spots(spots: Counter[Spot]) -> str:
    named = [f"{spot}" + (f" ({count})" if count != 1 else "") for spot, count in sorted(spots.items())[:MAX_EXAMPLES]]
    more = len(spots) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "")


def raw_side(account: Account, stream: Stream, records: Iterable[Record], dead: Mapping[str, list[DeadLetter]]) -> None:
    """Decodes the raw topic again and takes off what became a dead letter, by the place that the letter names."""
    seen: Counter[Identity] = Counter()
    for record in records:
        if record.key is None:
            continue
        message = _message(record, stream)
        account.raw += 1
        account.replayed += message.replayed
        account.status += message.readings == 0
        account.readings_in += message.readings
        letters = dead.get(f"{record.topic}/{record.partition}@{record.offset}", [])
        for letter in letters:
            account.dead[letter.reason.value] += letter.readings
        lost = {int(place) for letter in letters for place in letter.places.split(",") if place}
        alive = [candidate for candidate in message.candidates if candidate.place not in lost]
        for candidate in alive:
            identity = _identity(stream.name, message.kind, message.device_id, candidate.ts_ms, candidate.event_id)
            seen[identity] += 1
            account.expected.setdefault(identity, candidate.ts_ms < message.received_at_ms - stream.lateness_ms)
        difference = message.readings - len(alive) - sum(letter.readings for letter in letters)
        if difference:
            account.unaccounted[Spot(message.kind, message.device_id, message.received_at_ms // MINUTE_MS)] += difference
    account.repeats = seen.total() - len(seen)


class _Message(NamedTuple):
    """What a raw record says. `readings` is 0 for a status, and 1 for what cannot be read at all."""

    kind: str
    device_id: str
    received_at_ms: int
    replayed: bool
    readings: int
    candidates: Sequence[payload.Candidate] = ()


def _message(record: Record, stream: Stream) -> _Message:
    mqtt_topic, _ = raw.origin_of(record.key or b"")
    parsed = topics.parse(mqtt_topic)
    received_at_ms = record.timestamp_ms
    replayed = topics.REPLAYED in dict(record.headers)
    if not isinstance(parsed, topics.MqttTopic):
        return _Message("?", mqtt_topic, received_at_ms, replayed, 1)
    found = _Message(parsed.kind, parsed.device_id, received_at_ms, replayed, 1)
    kind = stream.by_name.get(parsed.kind)
    if kind is None:
        return found
    if parsed.channel == topics.STATUS:
        return found._replace(readings=0)
    if parsed.channel not in {kind.channel, topics.SENML}:
        return found
    decoded = payload.decode(record.value or b"", kind, parsed.device_id, parsed.channel)
    return found._replace(readings=decoded.readings, candidates=decoded.candidates)


def reading_side(account: Account, readings: Iterable[Record]) -> None:
    for record in readings:
        if record.key is None:
            continue
        try:
            reading = decode_reading(account.stream, record.value or b"")
        except (ValueError, KeyError, TypeError):
            continue  # not written by validate: the store role buries it
        account.validated += 1
        account.validated_unique.add(_identity(reading.stream, reading.kind, reading.device_id, reading.ts_ms, reading.event_id))


def stored_side(account: Account, stored: Mapping[Identity, bool]) -> None:
    """`stored`: what InfluxDB has in the readings' time range, and whether it is suspect.

    A reading that InfluxDB refused is dead until it is stored after all.
    """
    found = account.expected.keys() & stored.keys()
    account.stored = len(found)
    account.suspect = sum(stored[identity] for identity in found)
    absent = account.expected.keys() - found
    for identity in absent & account.refused.keys():
        account.dead[account.refused[identity]] += 1
    account.missing = sorted(absent - account.refused.keys())


def _identity(stream: str, kind: str, device_id: str, ts_ms: int, event_id: str | None) -> Identity:
    reading = Reading(stream, kind, device_id, ts_ms, 0, {}, {}, None, event_id)
    return Identity(kind, device_id, time_ns(reading))


def by_origin(records: Iterable[Record]) -> tuple[dict[str, list[DeadLetter]], Counter[str], list[DeadLetter]]:
    """Validate's letters by the raw record they came from, the collectors' by stream, and the store's.

    A letter that was written again after a crash counts once.
    """
    validate: dict[tuple[str, str], DeadLetter] = {}
    store: dict[tuple[str, str], DeadLetter] = {}
    collector: Counter[str] = Counter()
    for record in records:
        letter = from_record(record)
        if letter.stage == "collect":
            collector[letter.stream] += 1
        else:
            place = validate if letter.stage == "validate" else store
            kept = letter._replace(payload=b"") if letter.stage == "validate" else letter  # the raw topic has its bytes
            place[letter.origin, letter.reason] = kept
    grouped: dict[str, list[DeadLetter]] = {}
    for (origin, _), letter in validate.items():
        grouped.setdefault(origin, []).append(letter)
    return grouped, collector, list(store.values())


def refused_side(account: Account, letters: Iterable[DeadLetter]) -> None:
    """Notes the readings that InfluxDB refused."""
    for letter in letters:
        if letter.stream != account.stream:
            continue
        try:
            reading = decode_reading(account.stream, letter.payload)
        except (ValueError, KeyError, TypeError):
            continue  # never was a reading; validate did not write it
        identity = _identity(reading.stream, reading.kind, reading.device_id, reading.ts_ms, reading.event_id)
        account.refused[identity] = letter.reason.value
