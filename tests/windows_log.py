"""Random logs of readings for the aggregate role: everything that devices, brokers and collectors have been seen to do."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

from schemas import topics
from schemas.codec import encode_reading
from schemas.device import Device
from schemas.kind import Kind, Stream
from schemas.metric import Aggregation, Range, counter, gauge, label, state
from schemas.ports import OutRecord
from schemas.reading import Reading

SECOND = 1_000
MINUTE = 60_000

EVERYTHING = Kind(
    name="everything",
    en="All natures of metric",
    zh="各种指标",
    interval_s=20,
    metrics=(
        gauge("level", "m", "Level", "液位", possible=Range(-100, 100), extra=(Aggregation.P95,)),
        gauge("bikes", "1", "Bicycles", "车辆", type="int", possible=Range(0, 100)),
        counter("energy", "kW.h", "Energy", "电能"),
        counter("cycles", "1", "Cycles", "次数", type="int", possible=Range(0, 2**53), wraps_at=1_000),
        state("pump", "Pump", "泵", "stopped", "running", "fault"),
        state("door", "Door", "门"),
        label("route", "1", "Route", "线路", type="int", possible=Range(0, 9)),
    ),
)
GAUGES = Kind(
    name="gauges",
    en="Gauges only",
    zh="仪表",
    interval_s=30,
    metrics=(gauge("a", "m", "A", "甲", possible=Range(-9, 9)), gauge("b", "m", "B", "乙", possible=Range(-9, 9))),
)
WEIGHING = Kind(
    name="weighing",
    en="Events",
    zh="称重",
    event=True,
    interval_s=600,
    metrics=(
        gauge("net", "kg", "Net", "净重", possible=Range(0, 9_999), extra=(Aggregation.SUM,)),
        gauge("axles", "1", "Axles", "轴", type="int", possible=Range(0, 9), extra=(Aggregation.SUM,)),
        state("source", "Source", "来源", "households", "streets"),
    ),
)
TRIAL = Stream(name="trial", en="Trial", zh="试验", kinds=(EVERYTHING, GAUGES, WEIGHING))


def trial(random: Random) -> Stream:
    """Lateness above and below the silence of its devices, so that what must be remembered lies on either side of it."""
    return replace(TRIAL, lateness_ms=random.choice([1, 2, 4]) * MINUTE)


class Habits(NamedTuple):
    """How a log misbehaves: probabilities of each, for one log."""

    late: float
    repeated: float
    delayed: float
    future: float
    flagged: float
    missing: float
    silent: float
    reset: float
    skew_ms: int
    lateness_ms: int


def habits(random: Random, lateness_ms: int) -> Habits:
    def some(most: float) -> float:
        return random.choice([0.0, most / 4, most])

    skew_ms = random.choice([0, 2_000, 90_000])
    return Habits(some(0.1), some(0.2), some(0.3), some(0.05), some(0.2), some(0.3), some(0.1), some(0.1), skew_ms, lateness_ms)


def devices(random: Random) -> list[Device]:
    given = {"stream": "trial", "site": "S1", "lat": 45.0, "lon": 126.0}
    found = []
    for number in range(random.randint(1, 6)):
        kind = random.choice(TRIAL.kinds)
        body = given | {"device_id": f"D-{number}", "kind": kind.name, "zone": random.choice(["north", "south"])}
        body["interval_s"] = random.choice([kind.interval_s, kind.interval_s * 4])
        found.append(Device.model_construct(**body, name="", gateway="", params={}))  # the trial stream is not registered
    return found


class _Source:
    """One device: what it has counted, and how it reports."""

    def __init__(self, random: Random, device: Device, habits: Habits) -> None:
        self.random, self.device, self.habits = random, device, habits
        self.kind = TRIAL.by_name[device.kind]
        self.energy = random.uniform(0, 1e6)
        self.cycles = random.randrange(1_000)
        self.events = 0

    def values(self) -> dict[str, Any]:
        random = self.random
        if random.random() < self.habits.reset:
            self.energy = random.choice([0.0, self.energy * 0.95, random.uniform(0, 9)])
            self.cycles = random.randrange(5)
        self.energy += random.choice([0.0, random.uniform(0, 10)])
        self.cycles = (self.cycles + random.randrange(40)) % 1_000
        every = {
            "everything": {
                "level": random.choice([0.0, random.uniform(-50, 50), round(random.uniform(0, 3), 2)]),
                "bikes": random.randrange(30),
                "energy": self.energy,
                "cycles": self.cycles,
                "pump": random.choice(["stopped", "running", "fault"]),
                "door": random.random() < 0.5,
                "route": random.randrange(9),
            },
            "gauges": {"a": random.gauss(0, 1), "b": random.gauss(0, 1)},
            "weighing": {
                "net": random.uniform(0, 9_000),
                "axles": random.randrange(9),
                "source": random.choice(["households", "streets"]),
            },
        }
        found: dict[str, Any] = every[self.kind.name]
        kept = {name: value for name, value in found.items() if random.random() >= self.habits.missing}
        return kept or found

    def reading(self, ts: int, received_at: int) -> Reading:
        values = self.values()
        flags = {name: "out_of_range" for name in values if self.random.random() < self.habits.flagged / 2}
        if self.random.random() < self.habits.flagged / 4:
            flags["bikes" if self.kind is EVERYTHING else self.kind.metrics[0].name] = "sentinel"
        event_id = None
        if self.kind.event:
            self.events += 1
            event_id = f"e{self.events}"
        return Reading("trial", self.kind.name, self.device.device_id, ts, received_at, values, flags, None, event_id)


def log(random: Random, stream: Stream, fleet: list[Device], partitions: int, start: int, minutes: int) -> list[OutRecord]:
    """What validate wrote, in the order of its writing. Ends with ticks far enough ahead to close everything."""
    how, end = habits(random, stream.lateness_ms), start + minutes * MINUTE
    arrivals: list[tuple[int, OutRecord]] = []
    for number, device in enumerate(fleet):
        source = _Source(random, device, how)
        step = device.interval_s * SECOND
        now = start + random.randrange(device.interval_s) * SECOND
        while now < end:
            if random.random() < how.silent:
                now += random.randrange(1, 40) * step
            arrivals += _sent(source, now, number % partitions)
            now += step if random.random() < 0.9 else random.randrange(device.interval_s) * SECOND
    for partition in range(partitions):
        kept = 0.2 if random.random() < 0.2 else 1
        for at in range(start, end, random.choice([2, 7, 30]) * SECOND):
            if random.random() < kept:
                arrivals.append((at + random.randrange(1_000), tick(at, partition)))
    arrivals.sort(key=lambda arrival: arrival[0])
    records = [record for _, record in arrivals]
    last = max([end, *(record.timestamp_ms for record in records)])
    for ahead in (MINUTE, stream.lateness_ms + MINUTE, 20 * MINUTE, 80 * MINUTE, 26 * 60 * MINUTE, 27 * 60 * MINUTE):
        records += [tick(last + ahead, partition) for partition in range(partitions)]
    return records


def _sent(source: _Source, now: int, partition: int) -> Iterator[tuple[int, OutRecord]]:
    """One reading, once or twice: when it arrives, stamped by one of two collectors whose clocks differ, and the record."""
    random, how = source.random, source.habits
    delay = random.randrange(3) * SECOND
    if random.random() < how.delayed:
        delay = random.randrange(how.lateness_ms + 2 * MINUTE)
    if random.random() < how.late:
        delay = how.lateness_ms + random.randrange(10 * MINUTE)
    ts = now + (random.randrange(300) * SECOND if random.random() < how.future else 0)
    reading = source.reading(ts, 0)
    for again in range(1 + (random.random() < how.repeated)):
        at = now + delay + again * random.randrange(how.lateness_ms)
        stamp = max(at - random.choice([0, how.skew_ms]), ts - 5 * MINUTE)
        value = encode_reading(reading._replace(received_at_ms=stamp))
        yield at, OutRecord(topics.reading("trial"), reading.device_id.encode(), value, (), stamp, partition)


def tick(at: int, partition: int) -> OutRecord:
    return OutRecord(topics.reading("trial"), None, b"", (), at, partition)
