"""The verdict: what was acknowledged to the publisher against what InfluxDB and the dead-letter topic hold, field by field.

Two witnesses who know nothing of each other. The fleet knows every message it sent and what must become of it. And the raw topic,
judged once more from its beginning by a single task that nothing interrupts, says what the verdicts must be that depend on the
readings before, and with that what the windows of devices and zones must be.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from deploy.native.endpoints import Endpoints
from deploy.registry_topic import read_registry
from deploy.settings import Settings
from deploy.soak.fleet import ExpectedPoint, Fleet, Numbered
from deploy.soak.points import PointReader, Stored
from deploy.soak.windows import compare_windows
from processors.io.kafka_read import read_all
from processors.points import NO_REASONS, time_ns
from processors.validate import ValidateTask
from schemas import raw, topics
from schemas.codec import decode_reading
from schemas.dead import from_record
from schemas.device import Registry
from schemas.instants import DAY_MS
from schemas.kind import Stream
from schemas.metric import Value
from schemas.ports import Position, Record
from schemas.reading import Reading
from schemas.streams import BY_NAME, STREAMS

_MAX_EXAMPLES = 10
_AHEAD_DAYS = 400
_BEFORE_MS = 60_000
_VERDICT = {"quality", "reasons"}


@dataclass(slots=True)
class Kept:
    """Dead letters of one message: readings by reason. `used`: the fleet knows it."""

    reasons: Counter[str] = field(default_factory=Counter)
    used: bool = False


Letters = dict[tuple[str, bytes], Kept]
"""By topic and bytes."""


@dataclass(frozen=True)
class Lost:
    """A message that was acknowledged, and of which something is nowhere."""

    number: int
    acked_ms: int
    what: str


@dataclass
class Verdict:
    """`excused` are lost messages that the broker had acknowledged shortly before it was killed, see `Allowance`."""

    messages: int = 0
    readings: int = 0
    letters: int = 0
    lost: list[Lost] = field(default_factory=list)
    excused: list[Lost] = field(default_factory=list)
    oldest_excused_ms: int = 0  # before the broker's SIGKILL
    wrong: list[str] = field(default_factory=list)
    repeated_by_collect: int = 0  # raw records beyond the first of a message
    repeated_by_validate: int = 0  # records in the reading topics beyond what the raw topics make
    judged: int = 0  # points whose verdict was held against the linear run
    windows: int = 0  # of devices and zones, held against those that the readings make
    windows_skipped: int = 0  # kinds of device whose windows were not, because of late readings

    @property
    def good(self) -> bool:
        return not self.lost and not self.wrong

    @property
    def duplicates(self) -> int:
        return self.repeated_by_collect + self.repeated_by_validate


@dataclass(frozen=True)
class Allowance:
    """What a broker with a memory that is saved now and then may lose: acknowledged so shortly before its SIGKILL."""

    kills_ms: Sequence[int] = ()
    before_ms: int = 0

    def age_ms(self, lost: Lost) -> int | None:
        """How long before a kill it was acknowledged; None when that is no excuse."""
        ages = [at_ms - lost.acked_ms for at_ms in self.kills_ms if 0 <= at_ms - lost.acked_ms <= self.before_ms]
        return min(ages, default=None)


def judge(settings: Settings, places: Endpoints, fleet: Fleet, acks: Mapping[int, int], allowance: Allowance) -> Verdict:
    """`places` is the database itself. Nothing may be on its way any more."""
    verdict = Verdict(messages=len(acks))
    count = max(acks, default=-1) + 1
    letters = _letters(places)
    registry = Registry({device.device_id: device for device in read_registry(settings)})
    linear = _linear(settings, places, registry, verdict)
    lost: list[Lost] = []
    with closing(PointReader(places)) as points:
        for place, device in enumerate(fleet.devices):
            measurement = BY_NAME[device.stream].measurement(device.kind)
            base_ms = fleet.pattern.base_ms
            stored = points.read(measurement, device.device_id, base_ms - _BEFORE_MS, base_ms + _AHEAD_DAYS * DAY_MS)
            sent = [fleet.message(number) for number in fleet.turns(place, count)]
            lost += _compare_messages(verdict, sent, acks, stored, letters)
            _compare_verdicts(verdict, f"{measurement} {device.device_id}", stored, linear[measurement, device.device_id])
    windows = compare_windows(places, registry, settings.time_zone, linear, fleet.pattern.base_ms)
    verdict.windows, verdict.windows_skipped = windows.compared, windows.skipped
    verdict.wrong += windows.wrong
    strays = [(topic, kept) for (topic, _), kept in letters.items() if not kept.used]
    verdict.wrong += [f"a dead letter of what nobody sent: {topic} {dict(kept.reasons)}" for topic, kept in strays]
    for one in sorted(lost, key=lambda one: one.number):
        age_ms = allowance.age_ms(one)
        if age_ms is None:
            verdict.lost.append(one)
        else:
            verdict.excused.append(one)
            verdict.oldest_excused_ms = max(verdict.oldest_excused_ms, age_ms)
    return verdict


def _compare_messages(
    verdict: Verdict, sent: Iterable[Numbered], acks: Mapping[int, int], stored: Stored, letters: Letters
) -> Iterator[Lost]:
    """One device's messages against its points and letters. What was not acknowledged may be there, or not."""
    known: set[int] = set()
    for made in sent:
        known.update(point.time_ns for point in made.points)
        kept = letters.get((str(made.topic), made.payload)) or Kept()
        kept.used = True
        verdict.wrong += [f"message {made.number} on {made.topic} is dead: {reason}" for reason in kept.reasons - made.letters]
        missing = [f"{made.letters[reason]} x dead letter {reason}" for reason in made.letters - kept.reasons]
        missing += [f"the point at {point.time_ns}" for point in made.points if point.time_ns not in stored]
        for point in made.points:
            if (fields := stored.get(point.time_ns)) is not None and (why := _differs(point, fields)):
                verdict.wrong.append(f"message {made.number} on {made.topic}: {why}")
        acked_ms = acks.get(made.number)
        if acked_ms is None:
            continue
        verdict.readings += len(made.points)
        verdict.letters += made.letters.total()
        if missing:
            yield Lost(made.number, acked_ms, f"{made.topic}: {', '.join(missing)}")
    verdict.wrong += [f"a point that nobody sent: {at_ns} {stored[at_ns]}" for at_ns in stored.keys() - known]


def _differs(point: ExpectedPoint, fields: Mapping[str, Any]) -> str:
    expected: dict[str, Any] = dict(point.values)
    if point.flags is None:
        fields = {name: value for name, value in fields.items() if name not in _VERDICT}
    else:
        expected |= _quality(point.flags)
    return "" if _same(expected, fields) else f"sent {expected}, stored {fields}"


def _compare_verdicts(verdict: Verdict, where: str, stored: Stored, linear: Mapping[int, Reading]) -> None:
    for at_ns, reading in linear.items():
        fields = stored.get(at_ns)
        if fields is None:
            continue  # counted as lost, if it was acknowledged
        verdict.judged += 1
        expected = dict(reading.values) | _quality(reading.flags)
        if not _same(expected, fields):
            verdict.wrong.append(f"{where} {at_ns}: a linear run gives {expected}, stored {fields}")


def _quality(flags: Mapping[str, str]) -> dict[str, Value]:
    return {
        "quality": "suspect" if flags else "good",
        "reasons": ",".join(f"{metric}:{flag}" for metric, flag in flags.items()) or NO_REASONS,
    }


def _same(expected: Mapping[str, Any], got: Mapping[str, Any]) -> bool:
    """Equal, and of the same type: 1 is not 1.0 in InfluxDB, nor true."""
    if expected.keys() != got.keys():
        return False
    return all(value == got[name] and isinstance(value, bool) == isinstance(got[name], bool) for name, value in expected.items())


def _letters(places: Endpoints) -> Letters:
    """One that was written again after a crash counts once. A message that came twice has letters of each time, all alike."""
    found: Letters = defaultdict(Kept)
    for record in read_all(places.kafka_bootstrap, [topics.DEAD]):
        letter = from_record(record)
        found[letter.mqtt_topic, letter.payload].reasons[letter.reason.value] = letter.readings
    return dict(found)


def _linear(
    settings: Settings, places: Endpoints, registry: Registry, verdict: Verdict
) -> dict[tuple[str, str], dict[int, Reading]]:
    """By measurement and device: what one uninterrupted run makes of the raw topics. Counts repeats on the way."""
    found: dict[tuple[str, str], dict[int, Reading]] = defaultdict(dict)
    for stream in STREAMS:
        made = _Linear(stream, registry, settings.readings_retention_days * DAY_MS)
        for record in read_all(places.kafka_bootstrap, [topics.raw(stream.name)]):
            made.take(record)
        for reading in made.readings():
            found[stream.measurement(reading.kind), reading.device_id][time_ns(reading)] = reading
        written = sum(record.key is not None for record in read_all(places.kafka_bootstrap, [topics.reading(stream.name)]))
        verdict.repeated_by_collect += made.repeats
        verdict.repeated_by_validate += written - made.written
    return found


class _Linear:
    """One stream's raw records, judged by one task a partition from beginning to end."""

    def __init__(self, stream: Stream, registry: Registry, retention_ms: int) -> None:
        self.repeats = self.written = 0
        self._stream, self._registry, self._retention_ms = stream, registry, retention_ms
        self._records: dict[int, list[Record]] = defaultdict(list)
        self._seen: set[tuple[str, bytes | None]] = set()

    def take(self, record: Record) -> None:
        self._records[record.partition].append(record)
        if record.key is not None:
            message = raw.origin_of(record.key)[0], record.value
            self.repeats += message in self._seen
            self._seen.add(message)

    def readings(self) -> Iterator[Reading]:
        name = self._stream.name
        for records in self._records.values():
            task = ValidateTask(self._stream, self._registry, self._retention_ms, Position(0))
            for out in task.feed(records).records:
                if out.key is not None and out.topic == topics.reading(name):
                    self.written += 1
                    yield decode_reading(name, out.value or b"")


def shown(problems: Sequence[object]) -> list[str]:
    """The first few, for people."""
    return [str(problem) for problem in problems[:_MAX_EXAMPLES]]
