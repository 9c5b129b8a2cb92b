"""Reading the dead-letter topic for people."""

from collections.abc import Iterator
from typing import NamedTuple

from deploy.native import endpoints
from deploy.settings import Settings
from processors.io.kafka_read import read_all
from schemas import topics
from schemas.dead import DeadLetter, from_record


class Filter(NamedTuple):
    """Empty fields let everything through."""

    reason: str = ""
    stream: str = ""
    device_id: str = ""
    since_ms: int = 0

    def passes(self, letter: DeadLetter) -> bool:
        return (
            (not self.reason or letter.reason.value == self.reason)
            and (not self.stream or letter.stream == self.stream)
            and (not self.device_id or letter.device_id == self.device_id)
            and letter.received_at_ms >= self.since_ms
        )


class Found(NamedTuple):
    """A letter and its place in the topic, `partition@offset`, by which people name it."""

    id: str
    letter: DeadLetter


def read_letters(settings: Settings, wanted: Filter) -> Iterator[Found]:
    """All that are retained and pass, in the order of each partition."""
    for record in read_all(endpoints(settings).kafka_bootstrap, [topics.DEAD], from_ms=wanted.since_ms or None):
        letter = from_record(record)
        if wanted.passes(letter):
            yield Found(f"{record.partition}@{record.offset}", letter)
