"""One device as the network knows it: reads the truth through its instruments, stamps it with its own clock, and sends it.

What it cannot send it keeps or loses, as its kind does; afterwards it catches up in an array. Everything here is luck from the
device's own dice, so that a fault elsewhere changes nothing.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

from deploy.demo.city.district import SensorPart
from deploy.demo.city.sensors.spec import LUCK, LUCK_MASK, VOLATILE, complete, instruments
from deploy.demo.city.system import Reader, Values
from deploy.demo.recordings.recording import Message
from schemas import codec
from schemas.device import Device
from schemas.instants import DAY_MS, SECOND_MS
from schemas.metric import Nature, Value
from schemas.streams import find_kind
from schemas.topics import MAX_ITEMS, MqttTopic

# Kinds with a memory for what they could not send; the others drop it
_REMEMBERS = frozenset(
    {"level", "soil", "indoor", "tank", "rain", "exchange", "plant", "leachate", "bin", "weighbridge", "vehicle"}
)
_WIRELESS = frozenset({"level", "soil", "indoor", "bin", "vehicle", "station", "underpass"})
_WIRED_LOSSES = 0.1
_JITTER = 0.03  # of the interval, 3 s at most
_RESEND_MS = (1_500, 20_000)
_DRIFT_MS_DAY = 1_700.0  # 20 ppm, until the clock is set at midnight
_LONGEST_MEMORY = 5_000


class Reporter:
    """Knobs for faults: `silent`, `gateway_down`, `stuck`, `offsets`, `clock_jump_ms`, `garbled`."""

    def __init__(self, device: Device, reader: Reader | None, part: SensorPart, random: Random) -> None:
        kind = find_kind(device.stream, device.kind)
        assert kind is not None
        self.device, self.kind = device, kind
        self._reader, self._random = reader, random
        self.interval_ms = device.interval_s * SECOND_MS
        self.next_ms = 0
        self._jitter_ms = min(3_000, int(self.interval_ms * _JITTER))
        self._topic = MqttTopic(device.stream, device.kind, device.device_id, kind.channel)
        self._gauges, self._counters = instruments(kind, random, part.noise)
        self._volatile = [m.name for m in kind.metrics if m.nature is Nature.COUNTER and m.name in VOLATILE]
        self._zeroes: dict[str, float] = {}
        self._doubtful = [m for m in kind.metrics if m.sentinels and not m.required and m.type == "float"]
        readings_a_day = DAY_MS / self.interval_ms
        self._p_outage = part.outages_a_day / readings_a_day * (1.0 if device.kind in _WIRELESS else _WIRED_LOSSES)
        self._p_reboot = part.reboots_a_day / readings_a_day
        self._p_sentinel = part.sentinels * len(self._doubtful)
        self._p_twice = part.duplicates
        self._longest = part.longest_outage
        self._clock_ms = max(-60_000.0, min(60_000.0, random.gauss(0, part.clock_s) * SECOND_MS))
        self._drift_ms = random.gauss(0, 0.5) * _DRIFT_MS_DAY * (part.clock_s > 0)
        self._start_ms = self._down_until_ms = 0
        self._kept: list[dict[str, Any]] = []
        self._seq = 0
        self._luck, self._stride = random.randrange(LUCK_MASK), 2 * random.randrange(LUCK_MASK // 2) + 1
        self.silent = self.gateway_down = False
        self.stuck: dict[str, Value] = {}
        self.offsets: dict[str, float] = {}
        self.clock_jump_ms = 0
        self.garbled = 0.0

    def begin(self, start_ms: int) -> None:
        self._start_ms = start_ms
        self.next_ms = start_ms + self._random.randrange(self.interval_ms)

    def freeze(self, metric: str) -> None:
        """Whatever it would say of this metric now it says from now on."""
        values = self._reader() if self._reader else {}
        if metric in values:
            value, gauge = values[metric], self._gauges.get(metric)
            self.stuck[metric] = value if gauge is None else gauge.show(float(value), 0.0, LUCK[self._luck])

    def report(self, out: list[Message]) -> None:
        """Adds the reading that is due at `next_ms`, and goes on to the next."""
        due_ms = self.next_ms
        self.next_ms += self.interval_ms
        if self.silent or self._reader is None:
            return
        values = self._reader()
        if values:  # without, it sleeps
            self.send(due_ms + int(self._random.random() * self._jitter_ms), values, out)

    def send(self, at_ms: int, values: Values, out: list[Message], event_id: str = "") -> None:
        """Adds a reading of these values; with what was kept before, once the way is free."""
        if self.silent:
            return
        body = self._body(at_ms, values, event_id)
        luck = self._random.random
        if luck() < self._p_outage and at_ms >= self._down_until_ms:
            self._down_until_ms = at_ms + self._random.randint(1, self._longest) * self.interval_ms
        if self.gateway_down or at_ms < self._down_until_ms:
            if self.device.kind in _REMEMBERS and len(self._kept) < _LONGEST_MEMORY:
                self._kept.append(body)
            return
        if self._kept or self.garbled:
            out += self._catch_up(at_ms, body)
        else:
            out.append(Message(at_ms, self._topic, codec.dumps(body), 1, (body["ts"],)))
        if luck() < self._p_twice:
            out.append(out[-1]._replace(at_ms=at_ms + self._random.randint(*_RESEND_MS)))

    def _catch_up(self, at_ms: int, body: dict[str, Any]) -> Iterator[Message]:
        """An array of what was kept and what is new; broken off where a buffer overran, which is no JSON."""
        bodies, self._kept = [*self._kept, body], []
        for first in range(0, len(bodies), MAX_ITEMS):
            part = bodies[first : first + MAX_ITEMS]
            payload = codec.dumps(part[0] if len(part) == 1 else part)
            if self._random.random() < self.garbled:
                yield Message(at_ms, self._topic, payload[: self._random.randrange(1, len(payload))], 1, ())
            else:
                yield Message(at_ms, self._topic, payload, len(part), tuple(each["ts"] for each in part))

    def _body(self, at_ms: int, values: Values, event_id: str) -> dict[str, Any]:
        random = self._random
        if random.random() < self._p_reboot:
            self._seq = 0
            self._zeroes = {name: float(values[name]) for name in self._volatile if name in values}
        self._seq += 1
        into_day = at_ms % DAY_MS / DAY_MS
        ts = int(at_ms + self._clock_ms + self._drift_ms * into_day) + self.clock_jump_ms
        body: dict[str, Any] = {"ts": ts, "seq": self._seq}
        if self.kind.event:
            body["event_id"] = event_id
        self._measure(body, values, (at_ms - self._start_ms) / DAY_MS)
        if random.random() < self._p_sentinel:
            metric = random.choice(self._doubtful)
            if metric.name in body:
                body[metric.name] = random.choice(metric.sentinels)
        return body

    def _measure(self, body: dict[str, Any], values: Values, days: float) -> None:
        gauges, place, stride = self._gauges, self._luck, self._stride
        for name, value in values.items():
            gauge = gauges.get(name)
            if gauge is None:
                body[name] = value
                continue
            place = (place + stride) & LUCK_MASK
            if self.offsets:
                value = value + self.offsets.get(name, 0.0)  # type: ignore[operator]  # noqa: PLW2901  # gauges are numbers
            noise, relative, digits, low, high, bias, drift = gauge  # as Instrument.show, without the call
            shown: float = value + bias + drift * days + LUCK[place] * (noise + relative * value)  # type: ignore[operator]
            body[name] = round(low if shown < low else min(shown, high), digits)
        self._luck = place
        for name, scale in self._counters.items():
            if name in body:
                body[name] = complete(body[name] - self._zeroes.get(name, 0.0), scale)
        if self._zeroes.get("cycles"):
            body["cycles"] -= int(self._zeroes["cycles"])
        body.update(self.stuck)
