"""Dead letters sent back to where they died, with their bytes untouched, after whatever killed them has been mended.

What a replayed message is judged by. It keeps its `received_at`, the record's time: a device's clock was
right or wrong when the message came, a reading that lay in the future then is not made true by waiting, and what comes of a
record never depends on when it is looked at. So a replayed reading is what it always was, an old one: it is stored, it corrects
its window, and it is never current. What InfluxDB would no longer keep it refuses by name, and that comes back as a letter.

Safe to repeat. A message goes back once however many letters it left, and what was sent back is remembered in a compacted topic,
so that the next run sends only what died since. If the memory is lost in a crash, it is sent twice, which changes nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from deploy.clock import wall_ms
from deploy.letters import Filter, Found, read_letters
from deploy.native.endpoints import endpoints
from deploy.native.progress import Progress
from deploy.roles.wiring import open_sink
from deploy.settings import Settings
from processors.io.kafka_admin import Admin, TopicSpec
from processors.io.kafka_read import TableReader
from schemas import raw, topics
from schemas.dead import DeadLetter
from schemas.ports import OutRecord, RecordSink, RetryLater
from schemas.streams import BY_NAME

MARKS = "replays"
_AT_ONCE = 500
_FLUSH_MS = 30_000
_CUT = "bytes are kept"  # in the detail of a letter whose payload was too large to be kept whole

BEFORE = "were sent back before"
SAME = "are of a message that another letter sends back"


class NoPlace(NamedTuple):
    why: str


@dataclass
class Replay:
    """What was done, or with a dry run would be. `skipped` counts letters, the others messages."""

    letters: int = 0
    sent: Counter[str] = field(default_factory=Counter)  # by Kafka topic
    reasons: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)


def replay(settings: Settings, wanted: Filter, progress: Progress, *, again: bool = False, dry_run: bool = False) -> Replay:
    """All letters that pass, but with `again` only those that were never sent back."""
    done = Replay()
    before = marks(settings)
    chosen = _chosen(read_letters(settings, wanted), {} if again else before, settings.kafka_partitions, done)
    with progress.step("count the letters" if dry_run else "send them back") as step:
        if dry_run:
            for _ in chosen:
                step.waiting(f"for the end of the topic: {done.letters:,} letters so far")
        else:
            _ensure_marks(settings)
            with closing(open_sink(settings, "hanan-replay")) as sink:
                batch: list[tuple[str, OutRecord | None]] = []
                for one in chosen:
                    batch.append(one)
                    if len(batch) >= _AT_ONCE:
                        _send(sink, batch)
                        step.waiting(f"for Kafka: {done.sent.total():,} messages of {done.letters:,} letters sent back so far")
                _send(sink, batch)
        step.result = f"{done.sent.total():,} messages of {done.letters:,} letters"
    return done


def marks(settings: Settings) -> Mapping[str, int]:
    """Letter id -> when it was last sent back."""
    bootstrap = endpoints(settings).kafka_bootstrap
    with closing(Admin(bootstrap)) as admin:
        if MARKS not in admin.topics():
            return {}
    with closing(TableReader(bootstrap, MARKS)) as table:
        return {key.decode(): int(value) for key, value in table.changes() if value is not None}


def place(letter: DeadLetter, letter_id: str, partitions: int) -> OutRecord | NoPlace:
    """The record that the letter's bytes were read from, once more; marked with the letter's id. `partitions`: of raw topics."""
    marked = ((topics.REPLAYED, letter_id.encode()),)
    if letter.stage == "store":
        topic, _, offset = letter.origin.partition("/")
        number = offset.partition("@")[0]
        if topic != topics.reading(letter.stream) or not number.isdigit():
            return NoPlace(f"come from {letter.origin or 'nowhere'}, which is no topic of readings")
        return OutRecord(topic, letter.device_id.encode(), letter.payload, marked, letter.received_at_ms, int(number))
    parsed = topics.parse(letter.mqtt_topic)
    if not isinstance(parsed, topics.MqttTopic):
        return NoPlace(f"have a topic without a place: {parsed[0].value}")
    if parsed.stream not in BY_NAME:
        return NoPlace("are of a stream that is not declared")
    if _CUT in letter.detail:
        return NoPlace("were too large to be kept whole")
    key, partition = raw.key_of(letter.mqtt_topic, letter.collector), raw.partition_for(parsed, partitions)
    return OutRecord(topics.raw(parsed.stream), key, letter.payload, marked, letter.received_at_ms, partition)


def _chosen(
    letters: Iterable[Found], before: Mapping[str, int], partitions: int, done: Replay
) -> Iterator[tuple[str, OutRecord | None]]:
    """The letters that are settled by this: each one's id, and its message unless another letter has it. Counts on the way."""
    seen: set[bytes] = set()
    for found in letters:
        done.letters += 1
        if found.id in before:
            done.skipped[BEFORE] += 1
            continue
        record = place(found.letter, found.id, partitions)
        if isinstance(record, NoPlace):
            done.skipped[record.why] += 1
            continue
        message = _message(record)
        if message in seen:
            done.skipped[SAME] += 1
            yield found.id, None
            continue
        seen.add(message)
        done.sent[record.topic] += 1
        done.reasons[found.letter.reason.value] += 1
        yield found.id, record


def _message(record: OutRecord) -> bytes:
    """What makes a message the same: its topic, its time and its bytes."""
    digest = blake2b(record.value or b"", digest_size=16)
    digest.update(b"\n%b\n%b %d" % (record.key or b"", record.topic.encode(), record.timestamp_ms))
    return digest.digest()


def _send(sink: RecordSink, batch: list[tuple[str, OutRecord | None]]) -> None:
    """First the messages; only when they are safe are their letters marked."""
    for _, record in batch:
        if record:
            try:
                sink.send(record)
            except RetryLater:  # letters may be large: make room, once
                sink.flush(_FLUSH_MS)
                sink.send(record)
    sink.flush(_FLUSH_MS)
    now = b"%d" % wall_ms()
    for letter_id, _ in batch:
        sink.send(OutRecord(MARKS, letter_id.encode(), now, partition=0))
    sink.flush(_FLUSH_MS)
    batch.clear()


def _ensure_marks(settings: Settings) -> None:
    spec = TopicSpec(MARKS, 1, settings.kafka_replication, {"cleanup.policy": "compact"})
    with closing(Admin(endpoints(settings).kafka_bootstrap)) as admin:
        admin.ensure_topics([spec])
