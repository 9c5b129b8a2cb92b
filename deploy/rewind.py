"""Takes a role back to a time, so that it does its work from there once more. Safe, since everything it does is idempotent.

Only back, never forward: whoever skipped records would lose them. And only while the role is stopped, since a running process
knows its position itself and would commit it again; Kafka refuses it otherwise, too.

The new position carries the partition's clock as it was then: the time asked for. From it the role's muted warm-up reads as far
before as the role must remember, so that the readings after it are judged as they were the first time.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field

from deploy.native.endpoints import endpoints
from deploy.roles import groups
from deploy.roles.reads import topics_of
from deploy.settings import Settings
from processors.io.kafka_admin import Admin
from schemas import topics
from schemas.ports import Partition, Position
from schemas.streams import BY_NAME

_PREFIX = "hanan-"

Back = Mapping[Partition, Position]


class InUse(Exception):
    """The group has members: in one line, which, and what to do."""


def roles() -> list[str]:
    """Those that can be taken back. Windows are not: `hanan recompute` makes them anew."""
    return [group.removeprefix(_PREFIX) for group in (groups.VALIDATE, groups.ALERT, groups.STORE)]


@dataclass
class Rewind:
    """`back`: the partitions that move, and where to. `records`: how many will be read once more, by stream."""

    group: str
    back: dict[Partition, Position] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    not_retained: list[Partition] = field(default_factory=list)  # begin later than asked for: Kafka has no more

    @property
    def total(self) -> int:
        return sum(self.records.values())


def plan(settings: Settings, role: str, from_ms: int) -> Rewind:
    """What a rewind would do now."""
    group = f"{_PREFIX}{role}"
    planned = Rewind(group, records=dict.fromkeys(BY_NAME, 0))
    with closing(Admin(endpoints(settings).kafka_bootstrap)) as admin:
        partitions = admin.partitions(topics_of(group))
        committed = admin.committed(group, partitions)
        wanted, firsts = admin.offsets_at(partitions, from_ms), admin.firsts(partitions)
        for partition, position in committed.items():
            offset = wanted[partition]
            if offset >= position.offset:
                continue
            planned.back[partition] = Position(offset, from_ms)
            name = topics.stream_of(partition.topic) or "alerts"
            planned.records[name] = planned.records.get(name, 0) + position.offset - offset
            if offset == firsts[partition] > 0:
                planned.not_retained.append(partition)
    return planned


def rewind(settings: Settings, planned: Rewind) -> None:
    """Carries it out. InUse when the role runs."""
    with closing(Admin(endpoints(settings).kafka_bootstrap)) as admin:
        if members := admin.members(planned.group):
            raise InUse(
                f"{planned.group} is at work ({', '.join(members)}); stop these processes, rewind, and start them again. "
                f"One that was killed is forgotten after {settings.kafka_session_timeout_ms / 1_000:g} seconds"
            )
        if planned.back:
            admin.set_committed(planned.group, planned.back)
