"""The aggregate role at work on a log in memory, with processes that come, go and die at the worst moments."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

from processors.aggregate import AggregateTasks
from processors.runner import Pace, Runner
from processors.windows.plan import Plan
from processors.windows.roster import Roster
from processors.windows.sketch import quantile
from schemas import topics
from schemas.aggregate import LEVELS, Window, decode, decode_late, identity
from schemas.device import Device
from schemas.kind import Stream
from schemas.metric import Nature
from schemas.ports import OutRecord, Partition, Position, Record
from tests.memory import ManualClock, MemoryKafka, MemorySink, MemorySource

Key = tuple[str, str, str, str, int]


class Dies(Exception):
    """The process is gone in the middle of what it did."""


class _Meter:
    def add(self, name: str, amount: int, **labels: str) -> None: ...
    def set(self, name: str, value: float, **labels: str) -> None: ...
    def observe(self, name: str, values_ms: Sequence[int], **labels: str) -> None: ...


class _NoTable:
    def changes(self, *, up_to_now: bool = False) -> list[tuple[bytes, bytes | None]]:
        return []


class _History:
    def __init__(self, kafka: MemoryKafka) -> None:
        self._kafka = kafka

    def since(self, partition: Partition, from_ms: int) -> list[Record]:
        records = self._kafka.records(*partition)
        first = next((at for at, record in enumerate(records) if record.timestamp_ms >= from_ms), len(records))
        return records[first:]


class MortalSink(MemorySink):
    """May die with a part of its records written."""

    def __init__(self, kafka: MemoryKafka, random: Random) -> None:
        super().__init__(kafka, 1_000_000)
        self.random, self.mortality = random, 0.0

    def flush(self, timeout_ms: int) -> None:
        if self.random.random() < self.mortality:
            del self._queue[self.random.randrange(len(self._queue) + 1) :]
            self.serve()
            raise Dies
        super().flush(timeout_ms)


class MortalSource(MemorySource):
    """May die before a commit, after it, or with only some partitions committed."""

    def __init__(self, kafka: MemoryKafka, random: Random) -> None:
        super().__init__(kafka, "aggregate")
        self.random, self.mortality = random, 0.0

    def commit(self, positions: Mapping[Partition, Position]) -> None:
        if self.random.random() < self.mortality:
            some = {partition: at for partition, at in positions.items() if self.random.random() < 0.5}
            if some:
                super().commit(some)
            raise Dies
        super().commit(positions)


class World:
    def __init__(self, stream: Stream, fleet: Sequence[Device], partitions: int, time_zone: str, random: Random) -> None:
        self.stream, self.fleet, self.partitions, self.time_zone, self.random = stream, fleet, partitions, time_zone, random
        name = stream.name
        wide = [topics.reading(name), topics.rows(name), *(topics.aggregate(level, name) for level in LEVELS)]
        counts = dict.fromkeys(wide, partitions) | {
            topics.zone_part(name): 1,
            topics.zone(name): 1,
            topics.LATE: 1,
            topics.DEAD: 1,
        }
        self.kafka = MemoryKafka(counts)
        self.now_ms = 0
        self.members: list[tuple[Runner, MortalSource, MortalSink]] = []
        self.deaths = 0

    def join(self) -> None:
        source, sink = MortalSource(self.kafka, self.random), MortalSink(self.kafka, self.random)
        tasks = AggregateTasks(_NoTable(), _History(self.kafka), self.time_zone, self.partitions, {self.stream.name: self.stream})
        tasks._roster = Roster(self.fleet)
        pace = Pace(batch=self.random.choice([1, 7, 40, 500]), linger_ms=0, commit_ms=self.random.choice([0, 3, 50]))
        clock = ManualClock()
        runner = Runner(source, sink, tasks, clock=clock, meter=_Meter(), monotonic_ms=lambda: self.now_ms, pace=pace)
        self.members.append((runner, source, sink))

    def leave(self, index: int) -> None:
        runner, source, _ = self.members.pop(index)
        try:
            runner.close()
        except Dies:
            self.kafka.expire(source)

    def die(self, index: int) -> None:
        _, source, _ = self.members.pop(index)
        self.kafka.expire(source)
        self.deaths += 1

    def step(self, mortality: float = 0.0) -> None:
        self.now_ms += 1
        for index in range(len(self.members) - 1, -1, -1):
            runner, source, sink = self.members[index]
            source.mortality = sink.mortality = mortality
            try:
                runner.step()
            except Dies:
                self.die(index)

    def run(self, log: Sequence[OutRecord], chaos: float) -> None:
        """Feeds the log in pieces; with chaos, members join, leave, die and are taken for dead between and within steps."""
        self.join()
        at = 0
        while at < len(log):
            piece = self.random.choice([1, 10, 60])
            for record in log[at : at + piece]:
                self.kafka.append(record)
            at += piece
            self._happen(chaos)
            if not self.members:
                self.join()
            self.step(chaos / 4)
        while not self.members or len(self.members) > 1 or not self._done():
            if not self.members:
                self.join()
            elif len(self.members) > 1:
                self.leave(0)
            self.step()

    def _happen(self, chaos: float) -> None:
        random = self.random
        if random.random() < chaos and len(self.members) < 3:
            self.join()
        if self.members and random.random() < chaos / 2:
            self.leave(random.randrange(len(self.members)))
        if self.members and random.random() < chaos:
            self.die(random.randrange(len(self.members)))
        if self.members and random.random() < chaos:  # a pause so long that the group goes on without it, unknown to itself
            self.kafka.expire(random.choice(self.members)[1])

    def _done(self) -> bool:
        ((runner, source, _),) = self.members
        return (
            bool(source._positions)
            and not runner._waiting
            and not runner._unsafe()
            and all(source._positions[partition] == self.kafka.log(partition).end for partition in source._positions)
        )

    def final(self) -> tuple[dict[Key, dict[str, Any]], set[tuple[str, int]]]:
        """The last version of every window as its reader sees it, and the windows named as late."""
        assert not self.kafka.records(topics.DEAD)
        written = [record for topic in written_topics(self.stream) for record in self.kafka.records(topic)]
        windows = {key: plain(self.stream, window) for key, window in last_versions(written).items()}
        return windows, late_of(self.kafka.records(topics.LATE))


def written_topics(stream: Stream) -> list[str]:
    return [*(topics.aggregate(level, stream.name) for level in LEVELS), topics.zone(stream.name)]


def last_versions(records: Iterable[Record]) -> dict[Key, Window]:
    """As a reader of the windows' topics sees them in the end."""
    found: dict[Key, Window] = {}
    for record in records:
        if record.key is not None:
            level, windows = decode(record.value or b"")
            found |= {identity(level, window): window for window in windows}
    return found


def late_of(records: Iterable[Record]) -> set[tuple[str, int]]:
    named = [decode_late(record.value or b"") for record in records]
    return {(each["device_id"], start) for each in named if each["stream"] == "trial" for start in each["starts"]}


def plain(stream: Stream, window: Window) -> dict[str, Any]:
    plain: dict[str, Any] = {name: window[name] for name in ("end", "readings", "suspect", "expected", "devices")}  # type: ignore[literal-required]
    plan = Plan(stream.by_name[window["kind"]])
    for name, part in window["metrics"].items():
        column = plan.by_name[name]
        plain[f"{name}_count"] = part[0]
        if column.nature is Nature.GAUGE:
            low, high, total = part[3:6] if len(part) > 3 else (part[1],) * 3
            plain |= {f"{name}_last": part[1]} if part[1] is not None else {}
            plain |= {f"{name}_min": low, f"{name}_max": high, f"{name}_total": total}
            if column.sketched:
                plain[f"{name}_p95"] = quantile(part[6], 0.95) if len(part) > 3 else part[1]
        elif column.nature is Nature.COUNTER:
            plain[f"{name}_increase"] = part[1]
            if len(part) > 2:
                plain[f"{name}_last"] = part[2]
        elif column.nature is Nature.STATE:
            plain |= {f"{name}_{'often' if column.tallied else 'ms'}_{word}": amount for word, amount in part[1].items()}
            if len(part) > 2:
                plain[f"{name}_last"] = part[2]
        else:
            plain[f"{name}_last"] = part[1]
    return plain
