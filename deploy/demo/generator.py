"""Plausible readings for machines that have no recordings: every device of the registry, every metric its kind declares.

Nothing here knows a stream. A gauge wanders about a middle of its own inside its plausible range, a counter grows, a state
switches now and then; where the relations of a kind would be broken, the values before stay. It is no city: rain fills no pipe.
"""

from collections.abc import Iterable, Iterator
from heapq import heapify, heapreplace
from math import inf, isfinite
from random import Random
from typing import Any

from deploy.demo.player import Due
from deploy.demo.recordings.recording import Message
from schemas import codec
from schemas.device import Device
from schemas.instants import SECOND_MS
from schemas.metric import Check, Metric, Nature, Value
from schemas.streams import find_kind
from schemas.topics import MqttTopic

_FIRST_ROUND_MS = 10 * SECOND_MS  # every device has reported once by then, however long its interval
_SWITCHES = 0.02  # of a state's readings
_SPAN = 10.0  # of a range that is open at the top
_PULL = 0.05  # towards the middle, at each reading


def generate(devices: Iterable[Device], start_ms: int, seed: int = 0) -> Iterator[Due]:
    """Without end, in the order of time; a message is due when the deployment's clock has come so far since `start_ms`."""
    machines = [_Machine(device, seed) for device in devices]
    queue = [(machine.phase_ms, n) for n, machine in enumerate(machines)]
    heapify(queue)
    while queue:
        at_ms, n = queue[0]
        yield Due(at_ms, machines[n].message(start_ms + at_ms))
        heapreplace(queue, (at_ms + machines[n].interval_ms, n))


class _Machine:
    """One device and what it said last."""

    def __init__(self, device: Device, seed: int) -> None:
        kind = find_kind(device.stream, device.kind)
        assert kind is not None  # a Device is of a declared kind
        self._device, self._kind = device, kind
        self._random = Random(f"{seed}/{device.device_id}")
        self.interval_ms = device.interval_s * SECOND_MS
        self.phase_ms = self._random.randrange(min(self.interval_ms, _FIRST_ROUND_MS))
        self._topic = MqttTopic(device.stream, device.kind, device.device_id, kind.channel)
        self._seq = 0
        share = self._random.random()
        self._gauges = {m.name: _Wander(m, device, self._random, share) for m in kind.metrics if _wanders(m)}
        self._left_out: set[str] = set()
        self._values = {m.name: self._first(m) for m in kind.metrics}
        for check in kind.checks:
            self._reconcile(check)

    def message(self, ts_ms: int) -> Message:
        proposed = {m.name: self._next(m, self._values[m.name]) for m in self._kind.metrics}
        if not all(self._holds(check, proposed) for check in self._kind.checks):
            proposed |= {name: self._values[name] for name in self._gauges}
        self._values = proposed
        self._seq += 1
        body: dict[str, Any] = {"ts": ts_ms, "seq": self._seq}
        if self._kind.event:
            body["event_id"] = f"{self._device.device_id}-{ts_ms}"
        body |= {name: value for name, value in proposed.items() if name not in self._left_out}
        return Message(ts_ms, self._topic, codec.dumps(body), 1, (ts_ms,))

    def _first(self, metric: Metric) -> Value:
        if metric.name in self._gauges:
            return self._gauges[metric.name].value
        if metric.nature is Nature.COUNTER:
            return self._random.randrange(1_000)
        return metric.states[0] if metric.type == "word" else self._random.random() < 0.5  # noqa: PLR2004  # a coin

    def _next(self, metric: Metric, before: Value) -> Value:
        if metric.name in self._gauges:
            return self._gauges[metric.name].step()
        if metric.nature is Nature.COUNTER:
            assert not isinstance(before, str)
            grown = before + (self._random.randrange(2) if metric.type == "int" else self._random.random() / 10)
            return round(grown % (metric.wraps_at or inf), None if metric.type == "int" else 3)
        if self._random.random() > _SWITCHES:
            return before
        # The words that stand first are the usual ones, and get to be
        weights = [1 / rank**3 for rank in range(1, len(metric.states) + 1)]
        return self._random.choices(metric.states, weights)[0] if metric.type == "word" else not before

    def _reconcile(self, check: Check) -> None:
        """Brings all that is of one unit down until the relation holds; what cannot agree by that is left out."""
        units = {self._kind.by_name[name].unit for name in check.needs}
        for halvings in range(12):
            self._values |= {name: gauge.begin(halvings if gauge.unit in units else 0) for name, gauge in self._gauges.items()}
            if self._holds(check, self._values):
                return
        self._values |= {name: gauge.begin(0) for name, gauge in self._gauges.items()}
        self._left_out.update([name for name in check.needs if not self._kind.by_name[name].required][-1:])

    def _holds(self, check: Check, values: dict[str, Value]) -> bool:
        return not self._left_out.isdisjoint(check.needs) or check.holds(values, self._device.params)


class _Wander:
    """A number on its way about a middle: pulled back to it, pushed about by chance, never out of its range.

    What begins at nothing (flows, gases, counts) is mostly near it, the rest in the middle. `share` is the device's own place
    in between: its temperatures are all rather high, or all rather low, so that they agree.
    """

    def __init__(self, metric: Metric, device: Device, random: Random, share: float) -> None:
        self.unit = metric.unit
        self._random = random
        self._whole = metric.type == "int"
        self._low, self._high = _range(metric, device)
        width = self._high - self._low
        fraction = metric.unit in ("1", "%") and metric.type == "float"
        lowest, highest = (0.01, 0.1) if abs(self._low) <= width / 100 and not fraction else (0.4, 0.6)
        place = self._low + (lowest + share * (highest - lowest)) * width
        self._place: float = {"lat": device.lat, "lon": device.lon}.get(metric.name, place)
        self._whole_step = min(width / 100, metric.max_per_minute or width) / 3
        self.value = self.begin(0)

    def begin(self, halvings: int) -> float:
        """At its middle, so often halved towards the low end, and its steps with it."""
        self._step = self._whole_step / 2.0**halvings
        self._middle = self._exact = self._low + (self._place - self._low) / 2.0**halvings
        return self._said()

    def step(self) -> float:
        pushed = max(-1.5, min(1.5, self._random.gauss(0, 0.5))) * self._step
        pulled = max(-self._step, min(self._step, _PULL * (self._middle - self._exact)))
        self._exact = max(self._low, min(self._high, self._exact + pulled + pushed))
        return self._said()

    def _said(self) -> float:
        return round(self._exact) if self._whole else round(self._exact, 4)


def _wanders(metric: Metric) -> bool:
    return metric.nature in (Nature.GAUGE, Nature.LABEL) and metric.type in ("float", "int")


def _range(metric: Metric, device: Device) -> tuple[float, float]:
    """Plausible and possible for this device; an open end is closed."""
    low = max(bounds.of(device.params)[0] for bounds in (metric.plausible, metric.possible))
    high = min(bounds.of(device.params)[1] for bounds in (metric.plausible, metric.possible))
    low = low if isfinite(low) else min(0.0, high - _SPAN)
    return low, high if isfinite(high) else low + _SPAN
