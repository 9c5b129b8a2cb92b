"""The MQTT sessions of the deployment, each to be held by exactly one process.

A persistent session must never stay without its client: the broker goes on queueing for it. So sessions have stable names, and
each is one partition of the Kafka topic `collector`: whoever the group gives the partition to connects under that name, and
takes over the session with all that is queued in it.
"""

import json
from collections.abc import Iterable
from typing import NamedTuple

from schemas import codec, topics
from schemas.kind import Stream
from schemas.ports import OutRecord, Record

GROUP = "hanan-collect"
STRAY = "stray"

# What a stream's filter cannot match: too few levels, too many. Disjoint from all of them, so any MQTT 3.1.1 broker delivers a
# message to one session only. Five levels with an unknown stream are missing: no filter matches those and not the known ones.
_STRAY_FILTERS = (
    topics.ROOT,
    f"{topics.ROOT}/+",
    f"{topics.ROOT}/+/+",
    f"{topics.ROOT}/+/+/+",
    f"{topics.ROOT}/+/+/+/+/+/#",
)


class Slot(NamedTuple):
    """One session. `number` is its partition; `streams` are those whose raw partitions its holder keeps ticking."""

    number: int
    name: str
    filters: tuple[str, ...]
    streams: tuple[str, ...] = ()

    @property
    def client_id(self) -> str:
        return f"hanan-collector-{self.name}"


def slots_of(streams: Iterable[Stream]) -> tuple[Slot, ...]:
    """One slot a stream, and first one for topics of the wrong depth, so that a stream added at the end moves no other."""
    slots = [Slot(0, STRAY, _STRAY_FILTERS)]
    for number, stream in enumerate(streams, start=1):
        if stream.name == STRAY:
            raise ValueError(f"a stream cannot be named {STRAY!r}")
        slots.append(Slot(number, stream.name, (f"{topics.ROOT}/{stream.name}/+/+/+",), (stream.name,)))
    return tuple(slots)


# A session keeps the filters it once subscribed to, and no broker tells which. So each slot's partition remembers them.


def remember(slot: Slot, filters: Iterable[str]) -> OutRecord:
    value = codec.dumps({"filters": sorted(filters)})
    return OutRecord(topics.COLLECTOR, slot.name.encode(), value, partition=slot.number)


def forget(slot: Slot) -> OutRecord:
    return OutRecord(topics.COLLECTOR, slot.name.encode(), None, partition=slot.number)


def recall(record: Record) -> tuple[str, tuple[str, ...] | None] | None:
    """The slot's name and its filters (None: forgotten), or None for a record that is not of ours."""
    if record.key is None:
        return None
    name = record.key.decode(errors="replace")
    if record.value is None:
        return name, None
    try:
        return name, tuple(str(text) for text in codec.loads(record.value)["filters"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return None
