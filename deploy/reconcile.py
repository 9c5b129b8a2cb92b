"""The ledger: what came in, what became of it, and whether the two sides are equal to the last reading.

Nothing is taken from the roles' own counters. The raw topics are decoded again, the dead letters subtracted by the place
they name, and what then must be in InfluxDB is compared, reading by reading, with what is.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from processors.points import time_ns
from schemas import payload, topics
from schemas.codec import decode_reading
from schemas.dead import DeadLetter, from_record
from schemas.instants import format_rfc3339
from schemas.kind import Stream
from schemas.ports import Record
from schemas.reading import Reading

NS_PER_MS = 1_000_000
MAX_EXAMPLES = 20


class Identity(NamedTuple):
    """A point's identity in InfluxDB, which is the reading's."""

    kind: str
    device_id: str
    time_ns: int

    def __str__(self) -> str:
        minute = format_rfc3339(self.time_ns // NS_PER_MS)
        return f"{self.kind} {self.device_id} {minute}"


@dataclass
class Account:
    """One stream's side of the ledger. Readings unless it says messages."""

    stream: str
    sent: int | None = None  # messages, by the feed's own ledger; None when there is none
    acknowledged: int | None = None
    raw: int = 0  # messages in Kafka
    status: int = 0  # of these, status messages, which hold no reading
    dead_at_collector: int = 0  # messages that were never placed
    readings_in: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    expected: set[Identity] = field(default_factory=set)
    repeats: int = 0
    validated: int = 0  # records in the reading topic, those written again after a crash included
    validated_unique: set[Identity] = field(default_factory=set)
    stored: int = 0
    suspect: int = 0
    missing: list[Identity] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """Each sum that does not close, in words."""
        found = []
        if self.sent is not None and self.acknowledged != self.sent:
            found.append(f"{self.sent} messages sent, {self.acknowledged} acknowledged")
        if self.acknowledged is not None and self.raw + self.dead_at_collector < self.acknowledged:
            found.append(f"{self.acknowledged} messages acknowledged, {self.raw + self.dead_at_collector} in Kafka")
        out = self.stored + self.repeats + sum(self.dead.values())
        if self.readings_in != out:
            found.append(f"{self.readings_in} readings in, {out} accounted for")
        if self.missing:
            examples = "; ".join(str(identity) for identity in self.missing[:3])
            found.append(f"{len(self.missing)} readings are not in InfluxDB: {examples}")
        unknown = len(self.expected ^ self.validated_unique)
        if unknown:
            found.append(f"{unknown} readings differ between the raw and the reading topic")
        return found


def raw_side(account: Account, stream: Stream, raw: Iterable[Record], dead: Mapping[str, list[DeadLetter]]) -> None:
    """Decodes the raw topic again and takes off what became a dead letter, by the place that the letter names."""
    seen: Counter[Identity] = Counter()
    for record in raw:
        if record.key is None:
            continue
        account.raw += 1
        headers = dict(record.headers)
        parsed = topics.parse(headers.get(topics.MQTT_TOPIC, b"").decode())
        kind = stream.by_name.get(parsed.kind) if isinstance(parsed, topics.MqttTopic) else None
        letters = dead.get(f"{record.topic}/{record.partition}@{record.offset}", [])
        for letter in letters:
            account.dead[letter.reason.value] += letter.readings
        if kind is None or not isinstance(parsed, topics.MqttTopic):
            account.readings_in += 1
            continue
        if parsed.channel == topics.STATUS:
            account.status += 1
            continue
        if parsed.channel not in {kind.channel, topics.SENML}:
            account.readings_in += 1
            continue
        decoded = payload.decode(record.value or b"", kind, parsed.device_id, parsed.channel)
        account.readings_in += decoded.readings
        lost = {int(place) for letter in letters for place in letter.places.split(",") if place}
        for candidate in decoded.candidates:
            if candidate.place not in lost:
                seen[_identity(stream.name, kind.name, parsed.device_id, candidate.ts_ms, candidate.event_id)] += 1
    account.expected = set(seen)
    account.repeats = sum(seen.values()) - len(seen)


def reading_side(account: Account, readings: Iterable[Record]) -> None:
    for record in readings:
        if record.key is not None:
            account.validated += 1
            reading = decode_reading(account.stream, record.value or b"")
            account.validated_unique.add(
                _identity(reading.stream, reading.kind, reading.device_id, reading.ts_ms, reading.event_id)
            )


def stored_side(account: Account, stored: Mapping[Identity, bool]) -> None:
    """`stored`: what InfluxDB has in the readings' time range, and whether it is suspect."""
    found = account.expected & stored.keys()
    account.stored = len(found)
    account.suspect = sum(stored[identity] for identity in found)
    account.missing = sorted(account.expected - found)[:MAX_EXAMPLES]


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
            place[letter.origin, letter.reason] = letter
    grouped: dict[str, list[DeadLetter]] = {}
    for (origin, _), letter in validate.items():
        grouped.setdefault(origin, []).append(letter)
    return grouped, collector, list(store.values())


def refused_side(account: Account, letters: Iterable[DeadLetter]) -> None:
    """Readings that InfluxDB refused are dead, and no longer expected there."""
    for letter in letters:
        if letter.stream != account.stream:
            continue
        try:
            reading = decode_reading(account.stream, letter.payload)
        except (ValueError, KeyError, TypeError):
            continue  # never was a reading; validate did not write it
        identity = _identity(reading.stream, reading.kind, reading.device_id, reading.ts_ms, reading.event_id)
        if identity in account.expected:
            account.expected.discard(identity)
            account.validated_unique.discard(identity)
            account.dead[letter.reason.value] += 1
