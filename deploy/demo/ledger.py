"""What a feed has sent, so that it can be held against what arrived: one JSON file a run, current at any moment."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from deploy.demo.player import Track
from deploy.demo.publisher import NO_SUBSCRIBER
from deploy.demo.recordings.recording import Message, Unsendable
from schemas import codec
from schemas.instants import DAY_MS, format_rfc3339

RUNNING, COMPLETE, STOPPED, FAILED = "running", "complete", "stopped", "failed"


@dataclass
class Account:
    """One stream's. All times are moved times, as sent.

    messages          handed to the MQTT client, counted once however often they had to be sent
    acknowledged      of them: the broker has them, for somebody
    no_subscriber     of them: the broker threw them away, since nobody was subscribed
    refused           of them: the broker would not have them, by its reason
    readings          in the messages; 1 for a message that its gateway could not read itself
    readings_acknowledged   in the acknowledged messages
    repeats           readings whose device and time were sent before in this run
    beyond_retention  readings that were older than the store keeps when they were sent
    first, last       when the gateways sent the first and the last message
    """

    messages: int = 0
    acknowledged: int = 0
    no_subscriber: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    readings: int = 0
    readings_acknowledged: int = 0
    repeats: int = 0
    beyond_retention: int = 0
    first: str = ""
    last: str = ""
    shift_ms: int = 0
    recorded_from: str = ""
    recorded_to: str = ""

    @property
    def missing(self) -> int:
        """Messages that nobody is known to have."""
        return self.messages - self.acknowledged


@dataclass
class Report:
    """The file's contents."""

    started: str
    source: str
    speed: str
    retention_days: int
    last_days: float | None = None
    keep_time: bool = False
    state: str = RUNNING
    why: str = ""
    updated: str = ""
    reconnects: int = 0
    streams: dict[str, Account] = field(default_factory=dict)
    unsendable: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def missing(self) -> int:
        return sum(account.missing for account in self.streams.values())


_REPORT = TypeAdapter(Report)


def read_report(path: Path) -> Report:
    """ValueError for a file that is none."""
    return _REPORT.validate_json(path.read_bytes())


class Ledger:
    """Counts while the feed runs, and writes the file at once whole."""

    def __init__(self, report: Report, path: Path | None = None, *, count_repeats: bool = True) -> None:
        self.report = report
        self._path = path
        self._seen: dict[str, set[tuple[str, int]]] | None = {} if count_repeats else None
        self._spans: dict[str, tuple[int, int]] = {}

    def begin(self, tracks: Sequence[Track]) -> None:
        """Puts down where the recordings come from, and what of them cannot be sent."""
        for track in tracks:
            recording = track.recording
            account = self._account(recording.stream)
            account.shift_ms = track.shift_ms
            account.recorded_from = format_rfc3339(recording.period.first_ms)
            account.recorded_to = format_rfc3339(recording.period.last_ms)
            self.report.notes += [f"{recording.stream}: {note}" for note in recording.notes]
            self.unsendable(recording.stream, recording.unsendable)

    def unsendable(self, stream: str, parts: Sequence[Unsendable]) -> None:
        self.report.unsendable += [{"stream": stream, "where": part.where, "why": part.why} for part in parts]

    def sent(self, message: Message, now_ms: int) -> None:
        stream = message.topic.stream
        account = self._account(stream)
        account.messages += 1
        account.readings += message.readings
        oldest_ms = now_ms - self.report.retention_days * DAY_MS
        account.beyond_retention += sum(ts_ms < oldest_ms for ts_ms in message.times)
        first_ms, last_ms = self._spans.get(stream, (message.at_ms, message.at_ms))
        self._spans[stream] = min(first_ms, message.at_ms), max(last_ms, message.at_ms)
        if self._seen is not None:
            seen = self._seen.setdefault(stream, set())
            before = len(seen)
            seen.update((message.topic.device_id, ts_ms) for ts_ms in message.times)
            account.repeats += before + len(message.times) - len(seen)

    def answered(self, message: Message, against: str) -> None:
        """The broker's answer: `against` is empty when it has taken the message."""
        account = self._account(message.topic.stream)
        if not against:
            account.acknowledged += 1
            account.readings_acknowledged += message.readings
        elif against == NO_SUBSCRIBER:
            account.no_subscriber += 1
        else:
            account.refused[against] = account.refused.get(against, 0) + 1

    def position_ms(self, stream: str) -> int | None:
        """The moment, in moved time, that has been reached."""
        span = self._spans.get(stream)
        return span[1] if span else None

    def save(self, now_ms: int) -> None:
        """Beside and renamed: whoever reads finds the last whole one."""
        self.report.updated = format_rfc3339(now_ms)
        for stream, (first_ms, last_ms) in self._spans.items():
            account = self._account(stream)
            account.first, account.last = format_rfc3339(first_ms), format_rfc3339(last_ms)
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_name(f".{self._path.name}.new")
            fresh.write_bytes(codec.dumps(self.as_json()))
            fresh.replace(self._path)

    def as_json(self) -> dict[str, Any]:
        return asdict(self.report)

    def _account(self, stream: str) -> Account:
        account = self.report.streams.get(stream)
        if account is None:
            account = self.report.streams[stream] = Account()
        return account
