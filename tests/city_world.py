"""The city role at work in memory: a trial stream with every form of indicator, a random log of its windows, an oracle."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from processors.city.role import CityTasks
from processors.runner import Pace, Runner
from processors.windows.calendar import Calendar
from schemas import topics
from schemas.aggregate import DAY, HOUR, LEVELS, MINUTE, QUARTER, Window, encode
from schemas.device import Device, Registry
from schemas.indicator import Amount, Detail, Event, Indicator, Span, depth, highest, lowest, rate, ratio, share, total
from schemas.instants import HOUR_MS, MINUTE_MS
from schemas.kind import Kind, Parameter, Stream
from schemas.metric import Range, counter, gauge
from schemas.ports import OutRecord, Refusal
from schemas.workorder import EVENT, WORKORDER
from tests.memory import ManualClock, MemoryKafka
from tests.windows_world import Dies, MortalSink, MortalSource

QUARTER_MS = 15 * MINUTE_MS
GAP_H = 1
WET = 0.5
Point = tuple[str, str, str, int]  # measurement, zone or device, window, start in ms

WELL = Kind(
    name="well",
    en="Well",
    zh="井",
    params=(Parameter("size", "1", "Size", "大小"),),
    metrics=(
        gauge("stock", "1", "Stock", "存量", type="int", possible=Range(0, 99)),
        gauge("temp", "Cel", "Temperature", "温度", possible=Range(-50, 50)),
        counter("rain", "mm", "Rain", "雨"),
    ),
)


def _row(name: str, amounts: tuple[Amount, ...], value: Any, **rest: Any) -> Indicator:
    return Indicator(name=name, unit="1", en=name, zh=name, formula=name, amounts=amounts, value=value, **rest)


HAS = Amount("has", "well", ("stock",), lambda w: w.last("stock") > 0, MINUTE)
FELL = Amount("fell", "well", ("stock",), lambda w: max(0, w.past().last("stock") - w.last("stock")), MINUTE, past=True)
RAIN = Amount("rain", "well", ("rain",), lambda w: w.increase("rain"), QUARTER)
SIZED = Amount("sized", "well", ("temp",), lambda w: w.mean("temp") * w.param("size"), params=("size",))
SIZE = Amount("size", "well", ("temp",), lambda w: w.param("size"), params=("size",))
TEMP = Amount("temp", "well", ("temp",), lambda w: w.mean("temp"))
TRIAL = Stream(
    name="trial",
    en="Trial",
    zh="试验",
    kinds=(WELL,),
    indicators=(
        _row("has", (HAS,), share),
        _row("fell", (FELL,), rate),
        _row("temp_by_size", (SIZED, SIZE), ratio),
        _row("warmest", (TEMP,), highest, windows=(HOUR, DAY)),
        _row("coldest", (TEMP,), lowest, windows=(DAY,)),
        _row("rain", (RAIN,), depth),
        _row("rain_3h", (RAIN,), depth, span=Span.ROLLING, hours=3),
        _row("rain_event", (RAIN,), depth, span=Span.EVENT),
        _row("rain_year", (RAIN,), depth, span=Span.YEAR),
        _row("rain_year_all", (RAIN,), total, span=Span.YEAR),
    ),
    details=(Detail(name="minutes_with", unit="min", en="With", zh="有", amount=HAS, windows=(QUARTER,)),),
    event=Event(RAIN, WET, GAP_H, "P"),
)


class Step(NamedTuple):
    """What one partition of one level writes in one minute: windows, then the tick."""

    level: str
    partition: int
    at_ms: int
    windows: tuple[Window, ...]


def fleet(random: Random) -> list[Device]:
    return [
        Device.model_construct(
            device_id=f"W-{number}",
            stream="trial",
            kind="well",
            zone=random.choice(["east", "west"]),
            site="s",
            lat=0,
            lon=0,
            interval_s=60,
            params={"size": number + 1} if number else {},
        )
        for number in range(random.randint(1, 5))
    ]


def steps(random: Random, devices: Sequence[Device], partitions: int, start: int, hours: int, calendar: Calendar) -> list[Step]:
    """Each window once it is over, some again with more readings before it is closed; at the end time alone, for two days."""
    end = start + hours * HOUR_MS
    written: dict[tuple[str, int, int], list[Window]] = {}
    for number, device in enumerate(devices):
        for level in LEVELS:
            for window in _windows(random, device, level, start, end, calendar):
                at = window["end"] + random.choice([0, 0, 0, 1, 5]) * MINUTE_MS
                written.setdefault((level, number % partitions, at), []).append(window)
                if random.random() < 0.2:
                    later = window["end"] + random.randint(6, 14) * MINUTE_MS
                    written.setdefault((level, number % partitions, later), []).append(_fuller(random, window))
    times = [*range(start, end + 45 * MINUTE_MS, MINUTE_MS), end + 26 * HOUR_MS, end + 27 * HOUR_MS, end + 49 * HOUR_MS]
    days = {at for level, _, at in written if level == DAY}
    found = []
    for at in sorted({*times, *days, *(at + MINUTE_MS for at in days)}):
        for level in LEVELS:
            for partition in range(partitions):
                windows = written.get((level, partition, at), [])
                random.shuffle(windows)
                found.append(Step(level, partition, at, tuple(windows)))
    return found


def _windows(random: Random, device: Device, level: str, start: int, end: int, calendar: Calendar) -> Iterable[Window]:
    at, wet = start, False
    while at < end:
        span = calendar.span(level, at)
        at = span.end
        wet = random.random() < (0.85 if wet else 0.1)
        if random.random() < 0.1 and level != DAY:
            continue  # it said nothing
        metrics: dict[str, list[Any]] = {
            "stock": [1, random.randrange(4), 0],
            "rain": [1, random.random() * 3 * wet, 9, 0, 0, True],
        }
        if random.random() < 0.9:
            metrics["temp"] = [1, random.uniform(-20, 20), 0]
        yield {
            "kind": "well",
            "device_id": device.device_id,
            "zone": device.zone,
            "start": span.start,
            "end": span.end,
            "readings": 3,
            "suspect": 0,
            "expected": 3,
            "devices": 1,
            "interval_ms": MINUTE_MS,
            "metrics": metrics,
        }


def _fuller(random: Random, window: Window) -> Window:
    metrics = window["metrics"] | {
        "stock": [2, 7, 0, 1, 7, 8],
        "rain": [2, window["metrics"]["rain"][1] + random.random(), 9, 0, 0, True],
    }
    fuller: Any = window | {"readings": 4, "metrics": metrics}
    found: Window = fuller
    return found


class _Table:
    def __init__(self, rows: Callable[[], list[tuple[bytes, bytes | None]]]) -> None:
        self._rows = rows

    def changes(self, *, up_to_now: bool = False) -> list[tuple[bytes, bytes | None]]:
        return self._rows()


class _Meter:
    def add(self, name: str, amount: int, **labels: str) -> None: ...
    def set(self, name: str, value: float, **labels: str) -> None: ...
    def observe(self, name: str, values_ms: Sequence[int], **labels: str) -> None: ...


class _Writer:
    """The database: the last line of each point; it may die with a part of them."""

    def __init__(self, points: dict[Point, dict[str, float]], random: Random) -> None:
        self._points, self.random, self.mortality = points, random, 0.0

    def write(self, bucket: str, lines: Sequence[str]) -> list[Refusal]:
        dies = self.random.random() < self.mortality
        for line in lines[: self.random.randrange(len(lines) + 1)] if dies else lines:
            point, fields = parsed(line)
            self._points.setdefault(point, {}).update(fields)
        if dies:
            raise Dies
        return []

    def close(self) -> None: ...


def parsed(line: str) -> tuple[Point, dict[str, float]]:
    head, fields, time = line.split(" ")
    measurement, *tags = head.split(",")
    named = dict(tag.split("=") for tag in tags)
    numbers = {name: float(value) for name, value in (field.split("=") for field in fields.split(","))}
    return (measurement, named.get("zone") or named["device_id"], named["window"], int(time) // 1_000_000), numbers


class CityWorld:
    def __init__(
        self, devices: Sequence[Device], partitions: int, time_zone: str, random: Random, stream: Stream = TRIAL
    ) -> None:
        self.stream, self.devices, self.partitions, self.time_zone, self.random = stream, devices, partitions, time_zone, random
        self.kafka = MemoryKafka(
            {topics.aggregate(level, stream.name): partitions for level in LEVELS}
            | {topics.city_part(stream.name): 1, topics.city_day(stream.name): 1, topics.DEAD: 1, EVENT: 1, WORKORDER: 1}
        )
        self.points: dict[Point, dict[str, float]] = {}
        self.deaths = self.now_ms = 0
        self.member: tuple[Runner, MortalSource, MortalSink, _Writer] | None = None

    def start(self) -> None:
        source, sink = MortalSource(self.kafka, self.random), MortalSink(self.kafka, self.random)
        writer = _Writer(self.points, self.random)
        tasks = CityTasks(
            _Table(list),
            lambda topic: _Table(lambda: [(each.key or b"", each.value) for each in self.kafka.records(topic)]),
            self.time_zone,
            self.partitions,
            {self.stream.name: self.stream},
        )
        tasks._registry = Registry({device.device_id: device for device in self.devices})  # of a kind that no stream declares
        pace = Pace(batch=self.random.choice([3, 40, 500]), linger_ms=0, commit_ms=self.random.choice([0, 3, 50]))
        runner = Runner(
            source, sink, tasks, clock=ManualClock(), meter=_Meter(), monotonic_ms=lambda: self.now_ms, pace=pace, writer=writer
        )
        self.member = runner, source, sink, writer

    def step(self, mortality: float = 0) -> None:
        self.now_ms += 1
        if self.member is None:
            self.start()
        assert self.member
        runner, source, sink, writer = self.member
        source.mortality = sink.mortality = writer.mortality = mortality
        try:
            runner.step()
        except Dies:
            self.kafka.expire(source)
            self.member = None
            self.deaths += 1

    def write(self, step: Step, repeat: bool = False) -> None:
        topic = topics.aggregate(step.level, self.stream.name)
        if step.windows:
            value = encode(step.level, step.windows)
            for _ in range(1 + repeat):
                self.kafka.append(OutRecord(topic, step.level.encode(), value, (), step.at_ms, step.partition))
        self.kafka.append(OutRecord(topic, None, b"", (), step.at_ms, step.partition))

    def run(self, log: Sequence[Step], chaos: float) -> None:
        """Levels and partitions run ahead of each other; processes die at any place."""
        queues: dict[tuple[str, int], list[Step]] = {}
        for step in log:
            queues.setdefault((step.level, step.partition), []).append(step)
        while queues:
            key = self.random.choice(sorted(queues))
            for step in queues[key][: self.random.choice([1, 30, 100])]:
                self.write(step, repeat=self.random.random() < chaos)
                queues[key].remove(step)
            if not queues[key]:
                del queues[key]
            self.step(chaos)
        while not self._done():
            self.step()

    def _done(self) -> bool:
        if self.member is None:
            return False
        runner, source, _, _ = self.member
        return (
            bool(source._positions)
            and not runner._waiting
            and not runner._unsafe()
            and all(source._positions[partition] == self.kafka.log(partition).end for partition in source._positions)
        )


def last_versions(log: Iterable[Step]) -> dict[tuple[str, str, int], Window]:
    found: dict[tuple[str, str, int], Window] = {}
    for step in log:
        for window in step.windows:
            known = found.get((step.level, window["device_id"], window["start"]))
            if known is None or known["readings"] <= window["readings"]:
                found[step.level, window["device_id"], window["start"]] = window
    return found


def expected(log: Sequence[Step], devices: Sequence[Device], calendar: Calendar) -> dict[Point, dict[str, float]]:
    """Straight from the definitions, zone by zone and window by window."""
    windows = last_versions(log)
    points: dict[Point, dict[str, float]] = {}
    zones = {zone: [device for device in devices if device.zone == zone] for zone in {device.zone for device in devices}}
    for zone, members in (*zones.items(), ("district", list(devices))):
        said = {key: window for key, window in windows.items() if key[1] in {device.device_id for device in members}}
        for level in (QUARTER, HOUR, DAY):
            spans = {calendar.span(level, start) for each, _, start in said if each in {MINUTE, QUARTER, level}}
            for start, end in spans:
                fields = _indicators(said, members, level, start, end, calendar)
                if fields:
                    points["city_trial", zone, level, start] = fields
    for (level, device_id, start), window in windows.items():
        if level == MINUTE and device_id:
            point = "city_trial_well", device_id, QUARTER, start - start % QUARTER_MS
            points.setdefault(point, {"minutes_with": 0.0})["minutes_with"] += window["metrics"]["stock"][1] > 0
    return points


def _indicators(
    said: Mapping[tuple[str, str, int], Window], members: Sequence[Device], level: str, start: int, end: int, calendar: Calendar
) -> dict[str, float]:
    fields: dict[str, float] = {}
    minutes = {key[1:]: w["metrics"]["stock"][1] for key, w in said.items() if key[0] == MINUTE}
    inside = {key: stock for key, stock in minutes.items() if start <= key[1] < end}
    if inside:
        fields["has"] = sum(stock > 0 for stock in inside.values()) / len(inside)
    falls = []
    for (device_id, at), stock in inside.items():
        earlier = [t for who, t in minutes if who == device_id and at - 2 * HOUR_MS <= t < at]
        if earlier:
            falls.append(max(0, minutes[device_id, max(earlier)] - stock))
    if falls:
        fields["fell"] = sum(falls) / ((end - start) / HOUR_MS)
    temps = {
        key[1]: w["metrics"]["temp"][1]
        for key, w in said.items()
        if key[0] == level and key[2] == start and "temp" in w["metrics"]
    }
    sized = {device.device_id: float(device.params["size"]) for device in members if "size" in device.params}  # type: ignore[arg-type]
    if any(who in sized for who in temps):
        among = [who for who in temps if who in sized]
        fields["temp_by_size"] = sum(temps[who] * sized[who] for who in among) / sum(sized[who] for who in among)
    if temps and level != QUARTER:
        fields["warmest"] = max(temps.values())
    if temps and level == DAY:
        fields["coldest"] = min(temps.values())
    return fields | _rain(said, start, end, calendar)


def _rain(said: Mapping[tuple[str, str, int], Window], start: int, end: int, calendar: Calendar) -> dict[str, float]:
    fields: dict[str, float] = {}
    rain: dict[int, list[float]] = {}
    for (each, _, at), window in said.items():
        if each == QUARTER and at < end:
            rain.setdefault(at, []).append(window["metrics"]["rain"][1])
    depth = {at: sum(many) / len(many) for at, many in rain.items()}
    spans = {"rain": start, "rain_3h": end - 3 * HOUR_MS, "rain_event": _event(depth, end)}
    for name, since in spans.items():
        if since is not None and any(at >= since for at in depth):
            fields[name] = sum(mm for at, mm in depth.items() if at >= since)
        elif since is None and any(at >= end - HOUR_MS for at in depth):
            fields[name] = 0.0
    this_year = [at for at in depth if calendar.year(at) == calendar.year(end - 1)]
    if this_year:
        fields["rain_year"] = sum(depth[at] for at in this_year)
        fields["rain_year_all"] = sum(sum(rain[at]) for at in this_year)
    return fields


def _event(depth: Mapping[int, float], end: int) -> int | None:
    """Forwards in time: a wet quarter begins an event unless one goes on."""
    began, over = None, 0
    for at in sorted(depth):
        if depth[at] >= WET:
            if began is None or at - over > GAP_H * HOUR_MS:
                began = at
            over = at + QUARTER_MS
    return began if began is not None and end - over <= GAP_H * HOUR_MS else None
