"""A broker's `server.properties`, derived from the settings."""

from pathlib import Path

from deploy.native.ports import LOOPBACK
from deploy.settings import Settings

MIB = 1024 * 1024
RECORD_LIMIT = 20 * MIB
"""A dead letter carries up to 16 MiB of bytes that nobody could read, and its reasons."""

INTERNAL_PARTITIONS = 8
_MAX_LONG = 2**63 - 1
_ENOUGH = 3


def broker_port(settings: Settings, broker: int) -> int:
    return settings.kafka_port + 2 * (broker - 1)


def controller_port(settings: Settings, broker: int) -> int:
    return settings.kafka_controller_port + 2 * (broker - 1)


def bootstrap(settings: Settings) -> str:
    return ",".join(f"{LOOPBACK}:{broker_port(settings, number)}" for number in range(1, settings.kafka_brokers + 1))


def properties(settings: Settings, broker: int, data: Path) -> dict[str, object]:
    brokers = range(1, settings.kafka_brokers + 1)
    copies = min(settings.kafka_brokers, _ENOUGH)
    in_sync = 2 if copies >= _ENOUGH else 1
    here, control = f"{LOOPBACK}:{broker_port(settings, broker)}", f"{LOOPBACK}:{controller_port(settings, broker)}"
    return {
        "process.roles": "broker,controller",
        "node.id": broker,
        "controller.quorum.voters": ",".join(f"{one}@{LOOPBACK}:{controller_port(settings, one)}" for one in brokers),
        "listeners": f"PLAINTEXT://{here},CONTROLLER://{control}",
        "advertised.listeners": f"PLAINTEXT://{here}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": data,
        # A topic comes into being with the partitions, retention and keys the pipeline gives it, never by a typing error.
        "auto.create.topics.enable": "false",
        "num.partitions": settings.kafka_partitions,
        "default.replication.factor": settings.kafka_replication,
        "min.insync.replicas": 2 if settings.kafka_replication >= _ENOUGH else 1,
        "message.max.bytes": RECORD_LIMIT,
        "replica.fetch.max.bytes": RECORD_LIMIT,
        # A deployment that lives through a simulated week writes records from what the broker takes for the future.
        "log.message.timestamp.after.max.ms": _MAX_LONG,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": INTERNAL_PARTITIONS,
        # A role that was down for long still finds its place, as long as there is anything left to read.
        "offsets.retention.minutes": max(7 * 24, settings.raw_retention_hours + 24) * 60,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": INTERNAL_PARTITIONS,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": INTERNAL_PARTITIONS,
        # A killed broker may not come back under its number until its old session has run out.
        "broker.session.timeout.ms": 5_000,
        "broker.heartbeat.interval.ms": 1_000,
        "group.initial.rebalance.delay.ms": 0,
        "log.cleaner.dedupe.buffer.size": 16 * MIB,  # the default, 128 MiB, is a quarter of our heap
    }


def render(values: dict[str, object]) -> str:
    """Java's properties format, in which a backslash escapes."""
    return "".join(f"{key}={value}\n".replace("\\", "\\\\") for key, value in values.items())
