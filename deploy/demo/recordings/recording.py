"""What every recording has in common: the messages that its gateway sent, in order, and what could not be sent."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from itertools import groupby
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from schemas import codec
from schemas.device import Device
from schemas.instants import to_ms
from schemas.topics import MqttTopic


class Message(NamedTuple):
    """One MQTT message. `at_ms` is when its gateway sends it, `times` are the `ts` of the readings in it.

    `readings` is 1 where the gateway cannot tell: a file that is no JSON counts as one thing lost, as validate counts it.
    """

    at_ms: int
    topic: MqttTopic
    payload: bytes
    readings: int
    times: tuple[int, ...]


class Unsendable(NamedTuple):
    """A part of a recording that makes no message, and why."""

    where: str
    why: str


@dataclass(frozen=True)
class Period:
    """From the first to the last moment at which something was measured or collected."""

    first_ms: int
    last_ms: int


class Recording(Protocol):
    """One recorded feed, read and checked when it is made; RecordingError when there is nothing to play."""

    @property
    def stream(self) -> str: ...

    @property
    def period(self) -> Period: ...

    @property
    def unsendable(self) -> Sequence[Unsendable]: ...

    @property
    def notes(self) -> Sequence[str]:
        """What a reader of the result should know, such as local times that occur twice."""
        ...

    def devices(self) -> Sequence[Device]: ...

    def messages(self, shift_ms: int) -> Iterator[Message]:
        """In the order they are sent; every time that is measured or sent lies `shift_ms` later than recorded."""
        ...


class RecordingError(Exception):
    """A recording that is absent or of another form; the text names the file."""


def object_message(topic: MqttTopic, at_ms: int, ts_ms: int, body: Mapping[str, Any]) -> Message:
    """One reading, as a JSON object."""
    return Message(at_ms, topic, codec.dumps(body), 1, (ts_ms,))


def array_message(topic: MqttTopic, times: Sequence[int], bodies: Sequence[Mapping[str, Any]]) -> Message:
    """What a gateway has gathered, as a JSON array, sent with the last reading in it."""
    return Message(times[-1], topic, codec.dumps(bodies), len(bodies), tuple(times))


class Row(NamedTuple):
    """A line of a table with the moment it stands for."""

    ts_ms: int
    cells: Mapping[str, str]


def by_span(rows: Sequence[Row], span_ms: int) -> Iterator[list[Row]]:
    """Rows in the order of their times, in whole spans of UTC: hours, days."""
    for _, together in groupby(rows, key=lambda row: row.ts_ms // span_ms):
        yield list(together)


def number(text: str) -> float | str | None:
    """A cell as JSON says it: a missing value is null; what is no number stays the text it is, for validate to refuse."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        return text
    return value if isfinite(value) else text


def read_table(path: Path, encoding: str = "utf-8", delimiter: str = ",") -> tuple[list[str], list[list[str]]]:
    """The first line and the others; a line without anything in it is an empty list."""
    try:
        lines = list(csv.reader(StringIO(path.read_text(encoding)), delimiter=delimiter))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(f"{path}: {error}") from error
    return (lines[0], lines[1:]) if lines else ([], [])


class LocalTimes:
    """Wall-clock times of one zone, read in the order they were written, as moments of UTC.

    A time that occurs twice at the end of daylight saving is the first of the two until the clock is seen to step back. A time
    that the clock skips was written by a clock not yet set forward, and means the moment that clock would have shown.
    """

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._before: datetime | None = None
        self._stepped_back = False
        self.twice = 0
        self.skipped = 0

    def to_ms(self, wall: datetime) -> int:
        first, second = wall.replace(tzinfo=self._zone, fold=0), wall.replace(tzinfo=self._zone, fold=1)
        gain = _offset(second) - _offset(first)
        if gain < timedelta(0):
            self.twice += 1
            self._stepped_back = self._stepped_back or (self._before is not None and wall < self._before)
        else:
            self._stepped_back = False
            self.skipped += gain > timedelta(0)
        self._before = wall
        return to_ms(second if self._stepped_back else first)

    @property
    def notes(self) -> list[str]:
        notes = []
        if self.twice:
            notes.append(f"{self.twice} local times occur twice (daylight saving ends); the order of the rows decided")
        if self.skipped:
            notes.append(f"{self.skipped} local times do not exist (daylight saving begins); taken as by the clock before")
        return notes


def _offset(moment: datetime) -> timedelta:
    offset = moment.utcoffset()
    assert offset is not None
    return offset
