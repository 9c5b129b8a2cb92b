"""Weeks of the simulated city as validate passes them on, with the truth about their faults.

A week is simulated, and kept in a folder if one is given: a changed pack is then judged in a minute instead of four. The name of
the file has a digest of all that made it, so that what is stale is never found. Locks, for which there are no rules, keep silent.
"""

import gzip
import pickle
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from deploy.demo.city.city import City
from deploy.demo.city.district import load_district
from deploy.demo.city.faults.truth import Label
from processors.validate import ValidateTask
from schemas import topics
from schemas.device import Device, Registry, encode
from schemas.instants import DAY_MS, MINUTE_MS, SECOND_MS
from schemas.ports import OutRecord, Position, Record
from schemas.raw import key_of
from schemas.streams import BY_NAME

ROOT = Path(__file__).resolve().parents[2]
_MADE_BY = ("deploy/demo", "schemas", "processors/validate.py", "processors/judge.py", "processors/limits.py")


WITHOUT_RULES = frozenset({"vehicle"})


class Order(NamedTuple):
    """Which week is meant."""

    seed: int
    start_ms: int
    days: float
    faults: int
    streams: tuple[str, ...] = tuple(BY_NAME)


class Truth(NamedTuple):
    labels: list[Label]
    devices: dict[str, Device]


Batch = tuple[str, list[OutRecord]]


def devices_of(order: Order) -> tuple[Device, ...]:
    """The registry, which no seed changes."""
    with closing(City(load_district(), order.seed, order.start_ms, streams=order.streams)) as city:
        return city.devices


def week(order: Order, keep: Path | None = None) -> Iterator[Batch | Truth]:
    """Each minute's readings and ticks of each stream, and the truth last."""
    path = keep / f"{order.start_ms // DAY_MS}-{order.seed}-{_digest(order)}.week" if keep else None
    if path and path.exists():
        with gzip.open(path) as file:
            while True:
                each = pickle.load(file)  # noqa: S301  # written by the lines below
                yield each
                if isinstance(each, Truth):
                    return
    if path is None:
        yield from _simulated(order)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with gzip.open(fresh, "wb", compresslevel=1) as out:
        for each in _simulated(order):
            pickle.dump(each, out, pickle.HIGHEST_PROTOCOL)
            if not isinstance(each, Truth):
                yield each
    fresh.replace(path)
    yield each  # the truth; who has it asks for nothing more


def _simulated(order: Order) -> Iterator[Batch | Truth]:
    with closing(City(load_district(), order.seed, order.start_ms, streams=order.streams)) as city:
        city.draw_faults(order.faults, order.days)
        for reporter in city.reporters.values():
            reporter.silent = reporter.device.kind in WITHOUT_RULES
        registry = Registry()
        for device in city.devices:
            registry.apply(device.device_id, encode(device))
        validators = {name: ValidateTask(BY_NAME[name], registry, 30 * DAY_MS, Position(0)) for name in order.streams}
        offsets: Counter[str] = Counter()
        end_ms = order.start_ms + round(order.days * DAY_MS)
        for minute_ms, minute in zip(range(order.start_ms, end_ms, MINUTE_MS), city.minutes(end_ms), strict=False):
            for name, validator in validators.items():
                made = validator.feed(list(records_of(name, minute, minute_ms, offsets))).records
                yield name, [out for out in made if out.topic == topics.reading(name)]
        yield Truth(city.truth(), {device.device_id: device for device in city.devices})


def records_of(stream: str, minute: Sequence[Any], minute_ms: int, offsets: Counter[str]) -> Iterator[Record]:
    """What a collector makes of a minute: messages in order, and a tick every ten seconds."""
    topic = topics.raw(stream)
    events: list[tuple[int, Any]] = [(message.at_ms, message) for message in minute if message.topic.stream == stream]
    events += [(minute_ms + n * 10 * SECOND_MS, None) for n in range(6)]
    for at_ms, message in sorted(events, key=lambda event: event[0]):
        offset = offsets[topic]
        offsets[topic] += 1
        if message is None:
            yield Record(topic, 0, offset, None, b"", (), at_ms)
        else:
            yield Record(topic, 0, offset, key_of(str(message.topic), "c1"), message.payload, (), at_ms)


@cache
def _made_by() -> bytes:
    digest = blake2b(digest_size=8)
    for name in _MADE_BY:
        place = ROOT / name
        for path in sorted([*place.rglob("*.py"), *place.rglob("*.yaml")]) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.digest()


def _digest(order: Order) -> str:
    return blake2b(_made_by() + repr(order).encode(), digest_size=6).hexdigest()
