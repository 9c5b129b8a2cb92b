"""Topics, offsets and lag, through kafka-python's admin client."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError, NoError, TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata, TopicPartition

from processors.io import kafka_common as common
from processors.io.kafka_python_repairs import connect
from schemas.ports import CommitRefused, Partition, Position, RetryLater


@dataclass(frozen=True, slots=True)
class TopicSpec:
    name: str
    partitions: int
    replication: int
    config: Mapping[str, str] = field(default_factory=dict)


class WrongTopic(Exception):
    """A topic is there already and cannot serve: in one line, what it is and what was wanted."""


class Admin:
    """Connects when it is first asked. RetryLater when Kafka does not answer."""

    def __init__(self, bootstrap: str, patience_ms: int = common.ANSWER_TIMEOUT_MS) -> None:
        self._bootstrap = bootstrap
        self._patience_ms = patience_ms
        self._client: KafkaAdminClient | None = None

    def ensure_topics(self, specs: Sequence[TopicSpec]) -> list[str]:
        """Makes those that are missing, and gives their names. WrongTopic for one with another number of partitions.

        Fewer or more partitions would send a device's readings elsewhere than those before them, so that is never mended here.
        """
        with self._asking() as client:
            there = {topic["name"]: len(topic["partitions"]) for topic in client.describe_topics() if not topic["error_code"]}
            for spec in specs:
                have = there.get(spec.name, spec.partitions)
                if have != spec.partitions:
                    raise WrongTopic(
                        f"topic {spec.name} has {have} partitions and {spec.partitions} are set; "
                        f"set kafka_partitions={have}, or start with a fresh HANAN_HOME"
                    )
            missing = [spec for spec in specs if spec.name not in there]
            for spec in missing:
                options = {
                    "num_partitions": spec.partitions,
                    "replication_factor": spec.replication,
                    "configs": dict(spec.config),
                }
                try:
                    client.create_topics({spec.name: options}, wait_for_metadata=True)
                except TopicAlreadyExistsError:
                    continue  # another process was quicker
        return [spec.name for spec in missing]

    def topics(self) -> list[str]:
        with self._asking() as client:
            return sorted(client.list_topics())

    def partitions(self, topics: Iterable[str]) -> list[Partition]:
        with self._asking() as client:
            found = client.describe_topics(list(topics))
        return [
            Partition(topic["name"], part["partition_index"])
            for topic in found
            for part in topic["partitions"]
            if not topic["error_code"]
        ]

    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The offset after the last record of each."""
        return self._offsets(partitions, OffsetSpec.LATEST)

    def firsts(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        return self._offsets(partitions, OffsetSpec.EARLIEST)

    def committed(self, group: str, partitions: Iterable[Partition]) -> dict[Partition, Position]:
        """What the group has committed; partitions without a commit are absent."""
        wanted = [TopicPartition(*partition) for partition in partitions]
        with self._asking() as client:
            found = client.list_group_offsets({group: wanted})[group]
        return {
            Partition(at.topic, at.partition): common.position_of(value.offset, value.metadata)
            for at, value in found.items()
            if value.offset >= 0
        }

    def lag(self, group: str, topics: Iterable[str]) -> dict[Partition, int]:
        """Records not yet read by the group. Where it has committed nothing, all that are retained."""
        partitions = self.partitions(topics)
        ends, committed = self.ends(partitions), self.committed(group, partitions)
        without = [partition for partition in partitions if partition not in committed]
        firsts = self.firsts(without) if without else {}
        return {p: max(0, ends[p] - (committed[p].reached if p in committed else firsts[p])) for p in partitions}

    def offsets_at(self, partitions: Iterable[Partition], timestamp_ms: int) -> dict[Partition, int]:
        """The first offset of each whose record is not older; the end where there is none."""
        wanted = {TopicPartition(*partition): max(0, timestamp_ms) for partition in partitions}
        with self._asking() as client:
            found = client.list_partition_offsets(wanted)
        offsets = {Partition(at.topic, at.partition): value.offset for at, value in found.items()}
        ends = self.ends(partition for partition, offset in offsets.items() if offset < 0)
        return offsets | ends

    def members(self, group: str) -> list[str]:
        """Client ids of those that are in the group now."""
        with self._asking() as client:
            found = client.describe_groups([group])[group]
        return sorted(str(member["client_id"]) for member in found["members"])

    def set_committed(self, group: str, positions: Mapping[Partition, Position]) -> None:
        """Of a group without members. CommitRefused when it has some after all."""
        offsets = {
            TopicPartition(*partition): OffsetAndMetadata(position.offset, common.ended(common.metadata_of(position)), -1)
            for partition, position in positions.items()
        }
        with self._asking() as client:
            results = client.alter_group_offsets(group, offsets)
        refused = sorted({error.__name__ for error in results.values() if error is not NoError})
        if refused:
            raise CommitRefused(f"group {group} does not take its offsets: {', '.join(refused)}")

    def close(self) -> None:
        if self._client:
            self._client.close()
            self._client = None

    def _offsets(self, partitions: Iterable[Partition], spec: OffsetSpec) -> dict[Partition, int]:
        with self._asking() as client:
            found = client.list_partition_offsets({TopicPartition(*partition): spec for partition in partitions})
        return {Partition(at.topic, at.partition): value.offset for at, value in found.items()}

    @contextmanager
    def _asking(self) -> Iterator[KafkaAdminClient]:
        try:
            if self._client is None:
                self._client, _ = connect(
                    KafkaAdminClient,
                    bootstrap_servers=self._bootstrap.split(","),
                    request_timeout_ms=common.REQUEST_TIMEOUT_MS,
                    bootstrap_timeout_ms=self._patience_ms,
                    client_id="hanan-admin",
                )
            yield self._client
        except KafkaError as error:
            self.close()
            raise RetryLater(common.RETRY_MS, f"Kafka at {self._bootstrap} does not answer: {error}") from error
