"""Windows on the real Kafka and InfluxDB: processes that join, leave and are killed, and every window as the definition says."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.clock import wall_ms
from deploy.native.endpoints import Endpoints
from deploy.native.progress import QuietProgress
from deploy.native.stack import Stack
from deploy.observe import Drain
from deploy.prepare import ensure_topics
from deploy.roles.reads import Reads
from processors.io import clients
from processors.io.influx import InfluxReader
from processors.io.kafka_admin import Admin, TopicSpec
from processors.io.kafka_read import read_all
from processors.windows.calendar import Calendar
from processors.windows.points import WindowLines
from schemas import topics
from schemas.aggregate import DAY, HOUR, QUARTER, encode
from schemas.fields import AGGREGATES
from schemas.instants import DAY_MS, MINUTE_MS, to_ms
from schemas.kind import Stream
from schemas.ports import OutRecord, Record, RetryLater
from tests.memory import MemoryPointWriter
from tests.waiting import eventually
from tests.windows_log import log
from tests.windows_oracle import differences, expected
from tests.windows_process import PARTITIONS, TIME_ZONE, cast
from tests.windows_world import last_versions, late_of, plain, written_topics

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
SEED = 199  # six devices of all three kinds; late, repeated, delayed, future, flagged, missing values, resets
MINUTES = 120
PIECES = 8


@dataclass
class Crew:
    """The processes of the two roles. Whoever is still there at the end is killed."""

    stack: Stack
    members: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def join(self, role: str = "aggregate") -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self.stack.settings.as_environment()}
        command = [sys.executable, "-m", "tests.windows_process", role, str(SEED)]
        with (self.stack.settings.home / "logs" / "trial.log").open("ab") as output:
            self.members.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output))
        return self.members[-1]

    def kill(self, member: subprocess.Popen[bytes]) -> None:
        member.kill()
        member.wait()
        self.members.remove(member)

    def leave(self, member: subprocess.Popen[bytes]) -> None:
        member.send_signal(signal.SIGTERM)
        assert member.wait(60) == 0
        self.members.remove(member)


@pytest.fixture
def crew(stack: Stack) -> Iterator[Crew]:
    crew = Crew(stack)
    yield crew
    for member in list(crew.members):
        crew.kill(member)


def stages(stream: Stream) -> Sequence[Reads]:
    aggregate = "trial-aggregate"
    return (
        Reads(aggregate, (topics.reading(stream.name),)),
        Reads(aggregate, (topics.aggregate(QUARTER, stream.name),)),
        Reads(aggregate, (topics.aggregate(HOUR, stream.name),)),
        Reads(aggregate, (topics.zone_part(stream.name),)),
        Reads("trial-store", tuple(written_topics(stream))),
    )


def make_topics(admin: Admin, stream: Stream) -> None:
    name, kept = stream.name, {"retention.ms": "-1"}
    wide = [topics.reading(name), topics.rows(name), *(topics.aggregate(level, name) for level in ("1m", QUARTER, HOUR, DAY))]
    specs = [TopicSpec(topic, PARTITIONS, 1, kept) for topic in wide]
    specs += [TopicSpec(topic, 1, 1, kept) for topic in (topics.zone_part(name), topics.zone(name))]
    admin.ensure_topics(specs)


def send(servers: Endpoints, records: Sequence[OutRecord]) -> None:
    with closing(clients.open_batch_sink("confluent", servers.kafka_bootstrap, "trial")) as sink:
        for record in records:
            sink.send(record)
        sink.flush(30_000)


def answered(question: Callable[[], bool]) -> Callable[[], bool]:
    """A coordinator may be busy with a rebalance, or still be chosen."""

    def asked() -> bool:
        try:
            return question()
        except RetryLater:
            return False

    return asked


@dataclass
class Group:
    """The processes as Kafka sees them."""

    admin: Admin
    stream: Stream

    def has(self, members: int) -> None:
        there = answered(lambda: len(self.admin.members("trial-aggregate")) == members)
        eventually(there, 90, 0.2, f"{members} are in the group")

    def works_on(self, servers: Endpoints, records: Sequence[OutRecord]) -> None:
        """Returns when something of it was read and is safe."""
        before = self._reached()
        send(servers, records)
        eventually(answered(lambda: self._reached() > before), 90, 0.1, "somebody reads")

    def _reached(self) -> int:
        partitions = self.admin.partitions([topics.reading(self.stream.name)])
        return sum(position.reached for position in self.admin.committed("trial-aggregate", partitions).values())


def test_two_and_three_processes_that_come_go_and_die_leave_every_window_right(servers: Endpoints, crew: Crew) -> None:
    random, stream, fleet = cast(SEED)
    midnight = Calendar(TIME_ZONE).span(DAY, wall_ms() - 2 * DAY_MS).start  # not so long ago that Kafka keeps nothing of it
    records = log(random, stream, fleet, PARTITIONS, midnight - 7 * MINUTE_MS, MINUTES)
    size = len(records) // PIECES + 1
    pieces = [records[at : at + size] for at in range(0, len(records), size)]
    with closing(Admin(servers.kafka_bootstrap)) as admin:
        ensure_topics(crew.stack.settings, admin, QuietProgress())
        make_topics(admin, stream)
        crew.join("store")
        first, second = crew.join(), crew.join()
        group = Group(admin, stream)
        group.has(2)
        group.works_on(servers, pieces[0])
        third = crew.join()
        group.works_on(servers, pieces[1])
        group.has(3)
        group.works_on(servers, pieces[2])
        crew.kill(first)  # in the midst of it
        send(servers, pieces[3])
        fourth = crew.join()
        group.works_on(servers, pieces[4])
        crew.leave(second)
        group.works_on(servers, pieces[5])
        crew.kill(third)
        crew.kill(fourth)  # nobody is left
        send(servers, pieces[6])
        crew.join()
        crew.join()
        send(servers, pieces[7])
        eventually(answered(Drain(admin, stages(stream))), 240, 0.5, "all is read")

    bootstrap, name = servers.kafka_bootstrap, stream.name
    logs: list[list[Record]] = [[] for _ in range(PARTITIONS)]
    for record in read_all(bootstrap, [topics.reading(name)]):
        logs[record.partition].append(record)
    wanted, missed = expected(stream, Calendar(TIME_ZONE), fleet, logs)
    windows = last_versions(read_all(bootstrap, written_topics(stream)))
    assert len({key[3] for key in windows}) == 4
    assert differences(wanted, {key: plain(stream, window) for key, window in windows.items()}) == []
    assert late_of(read_all(bootstrap, [topics.LATE])) == missed
    lines, memory = WindowLines(stream), MemoryPointWriter(AGGREGATES)
    for (_, _, _, level, _), window in windows.items():
        assert memory.write(AGGREGATES, lines(encode(level, [window]))) == []
    assert stored(servers) == {at: typed(fields) for at, fields in memory.points(AGGREGATES).items()}


Points = dict[tuple[str, int], dict[str, object]]


def stored(servers: Endpoints) -> Points:
    """Series and time -> fields."""
    flux = f"""
        from(bucket: "{AGGREGATES}") |> range(start: 2000-01-01T00:00:00Z)
          |> filter(fn: (r) => r._measurement =~ /^trial_/)
    """
    found: Points = {}
    with closing(InfluxReader(servers.influx_url, servers.influx_token, servers.influx_org)) as influx:
        for row in influx.rows(flux):
            tags = ",".join(f"{tag}={row[tag]}" for tag in ("device_id", "window", "zone") if row.values.get(tag))
            at = f"{row.get_measurement()},{tags}", to_ms(row.get_time()) * 1_000_000
            found.setdefault(at, {})[row.get_field()] = row.get_value()
    return found


def typed(fields: dict[str, str]) -> dict[str, object]:
    return {name: json.loads(text.removesuffix("i")) for name, text in fields.items()}
