"""A seeded fleet whose every message is known beforehand, and with it what must become of each.

Message number `i` is the same whoever asks: so a publisher that was killed goes on where it was, and the oracle needs no record
of what was sent beyond the numbers that were acknowledged. Nothing here knows a stream; all comes from the declared rows.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from processors.points import time_ns
from schemas import codec
from schemas.device import Device
from schemas.instants import DAY_MS
from schemas.kind import Kind
from schemas.metric import Metric, Nature, Value
from schemas.reading import Reading
from schemas.reason import Flag, Reason
from schemas.streams import find_kind
from schemas.topics import MqttTopic

_MOST_ITEMS = 4
_ARRAYS, _RUINED = 0.1, 0.02  # of messages
_SENTINELS, _OUTSIDE, _BOGUS = 0.02, 0.04, 0.06  # of readings, cumulative
_ABSENT = 0.1  # of metrics
_AHEAD_MS = 365 * DAY_MS
_AHEAD_EVERY, _AHEAD_AT = 10, 7  # so often the one device's clock is a year ahead
GHOST = "GHOST-001"  # no registry knows it


class ExpectedPoint(NamedTuple):
    """What InfluxDB must hold. `flags` is None where the verdict depends on the readings before this one."""

    time_ns: int
    values: Mapping[str, Value]
    flags: Mapping[str, str] | None


@dataclass(slots=True)
class Numbered:
    """A message, and all that must come of it: points, and dead letters with the readings that they stand for."""

    number: int
    device_id: str
    topic: MqttTopic
    payload: bytes
    due_ms: int
    points: list[ExpectedPoint] = field(default_factory=list)
    letters: Counter[str] = field(default_factory=Counter)

    @property
    def readings(self) -> int:
        return len(self.points) + self.letters.total()


@dataclass(frozen=True)
class Pattern:
    """Everything that determines the messages, small enough for a command line."""

    seed: int
    base_ms: int  # when message 0 is due
    rate: float  # messages a second
    plain: bool = False  # one reading a message, nothing wrong with any


class Fleet:
    """Devices that take turns. `ahead` names the one whose clock jumps a year ahead now and then; "" when none does."""

    def __init__(self, pattern: Pattern, devices: Sequence[Device]) -> None:
        assert devices, "a fleet has devices"
        self.pattern = pattern
        self.devices = list(devices)
        self.ahead = "" if pattern.plain else next((one.device_id for one in devices if one.stream == "heat"), "")
        last_of_kind = {(one.stream, one.kind): one.device_id for one in devices}
        self._machines = [
            _Machine(one, jumps=not pattern.plain and last_of_kind[one.stream, one.kind] == one.device_id) for one in devices
        ]
        self._gap_ms = len(devices) * 1_000 / pattern.rate  # between two messages of a device

    def due_ms(self, number: int) -> int:
        return self.pattern.base_ms + int(number * 1_000 / self.pattern.rate)

    def last_due(self, now_ms: int) -> int:
        """The highest number that is due; -1 before the first."""
        return math.floor((now_ms - self.pattern.base_ms) * self.pattern.rate / 1_000)

    def turns(self, place: int, count: int) -> range:
        """The numbers below `count` of the device at this place."""
        return range(place, count, len(self.devices))

    def message(self, number: int) -> Numbered:
        turn, place = divmod(number, len(self.devices))
        machine = self._machines[place]
        random = Random(f"{self.pattern.seed}/{number}")  # noqa: S311  # seeded play
        due_ms = self.due_ms(number)
        topic = MqttTopic(machine.device.stream, machine.device.kind, machine.device.device_id, machine.kind.channel)
        made = Numbered(number, machine.device.device_id, topic, b"", due_ms)
        items = [self._item(made, machine, random, due_ms, 0, turn)]
        kind = 1.0 if self.pattern.plain else random.random()
        if kind < _ARRAYS:
            step_ms = int(self._gap_ms / (_MOST_ITEMS + 1))
            more = random.randint(1, _MOST_ITEMS - 1) if step_ms else 0
            items += [self._item(made, machine, random, due_ms - step_ms * n, n, turn) for n in range(1, more + 1)]
        made.payload = codec.dumps(items if len(items) > 1 else items[0])
        if _ARRAYS <= kind < _ARRAYS + _RUINED:
            self._ruin(made, random)
        return made

    def _item(self, made: Numbered, machine: "_Machine", random: Random, ts_ms: int, place: int, turn: int) -> dict[str, Any]:
        """One reading, and in `made` what must come of it."""
        ahead = made.device_id == self.ahead and turn % _AHEAD_EVERY == _AHEAD_AT
        ts_ms += _AHEAD_MS if ahead else 0
        event_id = f"{made.number}-{place}" if machine.kind.event else None
        values = machine.values(random, made.number)
        fault = 1.0 if self.pattern.plain else random.random()
        sent = dict(values)
        flags: dict[str, str] = {}
        if fault < _SENTINELS and (metric := machine.pick(random, machine.with_sentinels)):
            sent[metric.name] = random.choice(metric.sentinels)
            flags[metric.name] = Flag.SENTINEL.value
            values.pop(metric.name, None)
        elif fault < _OUTSIDE and (metric := machine.pick(random, machine.with_outside)):
            sent[metric.name] = values[metric.name] = machine.outside(metric)
            flags[metric.name] = Flag.OUT_OF_RANGE.value
        body: dict[str, Any] = {"seq": made.number, "ts": ts_ms}
        if event_id is not None:
            body["event_id"] = event_id
        if _OUTSIDE <= fault < _BOGUS:
            body["bogus"] = 1
            made.letters[Reason.UNKNOWN_METRIC.value] += 1
        elif ahead:
            made.letters[Reason.FROM_THE_FUTURE.value] += 1
        else:
            reading = Reading(machine.device.stream, machine.kind.name, made.device_id, ts_ms, 0, values, flags, None, event_id)
            made.points.append(ExpectedPoint(time_ns(reading), values, None if machine.jumps else flags))
        return body | sent

    @staticmethod
    def _ruin(made: Numbered, random: Random) -> None:
        """The message as a whole is bad: cut off, or from a device that nobody knows."""
        bogus = Reason.UNKNOWN_METRIC.value in made.letters
        made.points.clear()
        made.letters.clear()
        if random.random() < 0.5:  # noqa: PLR2004  # a coin
            made.payload = made.payload[:-2]
            made.letters[Reason.NOT_JSON.value] += 1
        else:
            made.topic = made.topic._replace(device_id=GHOST)
            made.letters[(Reason.UNKNOWN_METRIC if bogus else Reason.UNKNOWN_DEVICE).value] += 1


class _Machine:
    """One device, and the rows its values are drawn from.

    With `jumps` it also sends metrics that are judged by the value before. Otherwise those are left out, and of the metrics that
    a check relates one is, so that the verdict on a reading depends on nothing but itself.
    """

    def __init__(self, device: Device, *, jumps: bool) -> None:
        kind = find_kind(device.stream, device.kind)
        assert kind is not None  # a Device is of a declared kind
        self.device, self.kind, self.jumps = device, kind, jumps
        self.metrics = [metric for metric in kind.metrics if metric.name not in _left_out(kind, jumps=jumps)]
        self.with_sentinels = [metric for metric in self.metrics if metric.sentinels and not _judged(metric)]
        self.with_outside = [metric for metric in self.metrics if not _judged(metric) and self._outside(metric) is not None]

    def values(self, random: Random, number: int) -> dict[str, Value]:
        """Of every metric, or of most. At least one is always there."""
        found = {m.name: self._value(m, random, number) for m in self.metrics if m.required or random.random() > _ABSENT}
        return found or {self.metrics[0].name: self._value(self.metrics[0], random, number)}

    @staticmethod
    def pick(random: Random, metrics: Sequence[Metric]) -> Metric | None:
        return random.choice(metrics) if metrics else None

    def outside(self, metric: Metric) -> Value:
        value = self._outside(metric)
        assert value is not None
        return value

    def _value(self, metric: Metric, random: Random, number: int) -> Value:
        if metric.type == "word":
            return random.choice(metric.states)
        if metric.type == "bool":
            return random.random() < 0.5  # noqa: PLR2004  # a coin
        low, high = self._range(metric)
        if metric.nature is Nature.COUNTER:
            return number if metric.type == "int" else number / 8
        if metric.type == "int":
            return random.randint(math.ceil(low), math.floor(min(high, low + 1_000)))
        return round(random.uniform(low, high), 4)

    def _range(self, metric: Metric) -> tuple[float, float]:
        """Plausible for this device; an open end is closed."""
        low = max(bounds.of(self.device.params)[0] for bounds in (metric.plausible, metric.possible))
        high = min(bounds.of(self.device.params)[1] for bounds in (metric.plausible, metric.possible))
        low = low if math.isfinite(low) else min(0.0, high - 10)
        return low, high if math.isfinite(high) else low + 10

    def _outside(self, metric: Metric) -> Value | None:
        """A value that is possible and not plausible, if there is one."""
        if metric.type not in {"float", "int"}:
            return None
        low, high = self._range(metric)
        least, most = metric.possible.of(self.device.params)
        for inner, outer in ((high, most), (low, least)):
            if math.isfinite(outer) and abs(outer - inner) > 2:  # noqa: PLR2004  # room for a whole number
                value = inner + (outer - inner) / 4
                return round(value) if metric.type == "int" else value
        return None


def _judged(metric: Metric) -> bool:
    return metric.max_per_minute is not None or metric.stuck_after_min is not None


def _left_out(kind: Kind, *, jumps: bool) -> set[str]:
    if jumps:
        return set()
    names = {metric.name for metric in kind.metrics if _judged(metric)}
    for check in kind.checks:
        free = [name for name in check.needs if not kind.by_name[name].required]
        if free and not names & set(check.needs):
            names.add(free[-1])
    return names


def some_of_each_kind(devices: Iterable[Device], most: int) -> Iterator[Device]:
    """The first few of each kind, in the registry's order."""
    seen: dict[tuple[str, str], int] = {}
    for device in devices:
        kind = device.stream, device.kind
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= most:
            yield device
