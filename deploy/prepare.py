"""What must be there before the roles start: topics, buckets, the registry. Each step may be repeated at will."""

from collections.abc import Iterable

from deploy.native.progress import Progress
from deploy.registry_file import load_devices
from deploy.registry_points import show_registry
from deploy.settings import Settings
from ingest.slots import slots_of
from processors.io.kafka_admin import Admin, TopicSpec
from schemas import alert, topics, workorder
from schemas.aggregate import LEVELS
from schemas.device import Device, encode
from schemas.instants import DAY_MS, HOUR_MS
from schemas.ports import OutRecord, RecordSink
from schemas.streams import STREAMS

MAX_RECORD_BYTES = 17 * 1024 * 1024
_DEAD_DAYS = 90
_LEAST_WINDOW_HOURS = 48  # a day's window is made of its hours, and stays open for some minutes after its end
_ALERT_DAYS = 7  # so long each change of an alert can be read, and after that the last one of each
_COMMAND_DAYS = 400  # more than a year: no silence is meant to last longer
_GROUP_HOURS = 48  # far more than any rule remembers

_LEAST_PART_HOURS = 8 * 24  # a rain is followed back for five days and more


def topic_specs(settings: Settings) -> list[TopicSpec]:
    """Every topic with its partitions and how long it keeps what."""
    many, copies = settings.kafka_partitions, settings.kafka_replication
    kept = {"retention.ms": str(settings.raw_retention_hours * HOUR_MS), "max.message.bytes": str(MAX_RECORD_BYTES)}
    # A record's time is that of receipt, which is for us to say; and Kafka refuses what is far ahead of its own clock, but a
    # simulated week may lie anywhere
    free = {
        "message.timestamp.type": "CreateTime",
    } | {"message.timestamp.after.max.ms": str(2**63 - 1), "message.timestamp.before.max.ms": str(2**63 - 1)}
    compact = {"cleanup.policy": "compact"}
    specs = [TopicSpec(of(stream.name), many, copies, kept | free) for stream in STREAMS for of in (topics.raw, topics.reading)]
    windows = kept | free | {"retention.ms": str(max(settings.raw_retention_hours, _LEAST_WINDOW_HOURS) * HOUR_MS)}
    for name in (stream.name for stream in STREAMS):
        like_readings = topics.rows(name), *(topics.aggregate(level, name) for level in LEVELS)
        specs += [TopicSpec(topic, many, copies, windows) for topic in like_readings]
        specs += [TopicSpec(topic, 1, copies, windows) for topic in (topics.zone_part(name), topics.zone(name))]
        parts = windows | {"retention.ms": str(max(settings.raw_retention_hours, _LEAST_PART_HOURS) * HOUR_MS)}
        specs.append(TopicSpec(topics.city_part(name), 1, copies, parts))
        specs.append(TopicSpec(topics.city_day(name), 1, copies, compact | free))
    specs.append(TopicSpec(topics.LATE, 1, copies, windows))
    dead = kept | free | {"retention.ms": str(_DEAD_DAYS * 24 * HOUR_MS)}
    specs.append(TopicSpec(topics.DEAD, many, copies, dead))
    specs.append(TopicSpec(topics.DEVICE, 1, copies, compact | free))
    specs.append(TopicSpec(topics.COLLECTOR, len(slots_of(STREAMS)), copies, compact | free))
    changes = compact | free | {"min.compaction.lag.ms": str(_ALERT_DAYS * DAY_MS)}
    commands = free | {"cleanup.policy": "compact,delete", "retention.ms": str(_COMMAND_DAYS * DAY_MS)}
    specs.append(TopicSpec(topics.ALERT, 1, copies, changes))
    specs.append(TopicSpec(alert.COMMAND, 1, copies, commands))
    specs.append(TopicSpec(alert.DELIVERY, 1, copies, compact | free))
    specs.append(TopicSpec(alert.GROUP, many, copies, free | {"retention.ms": str(_GROUP_HOURS * HOUR_MS)}))
    specs.append(TopicSpec(workorder.EVENT, 1, copies, windows))
    specs.append(TopicSpec(workorder.WORKORDER, 1, copies, changes))
    return specs


def ensure_topics(settings: Settings, admin: Admin, progress: Progress) -> None:
    with progress.step("topics") as step:
        step.waiting("for Kafka to make them")
        specs = topic_specs(settings)
        made = admin.ensure_topics(specs)
        step.result = f"{len(made)} made, {len(specs) - len(made)} there already"


def load_registry(settings: Settings, sink: RecordSink, progress: Progress, more: Iterable[Device] = ()) -> int:
    """Writes the registry's file, and `more`, into the `device` topic, and into InfluxDB for Grafana.

    A device that both name is as `more` has it. Devices that the file no longer has stay: see the docs.
    """
    with progress.step("registry") as step:
        by_id = {device.device_id: device for device in (*load_devices(settings.registry), *more)}
        devices = list(by_id.values())
        put_devices(sink, devices)
        show_registry(settings, devices)
        step.result = f"{len(devices)} devices"
    return len(devices)


def put_devices(sink: RecordSink, devices: Iterable[Device]) -> None:
    for device in devices:
        sink.send(OutRecord(topics.DEVICE, device.device_id.encode(), encode(device), partition=0))
    sink.flush(30_000)


def remove_devices(sink: RecordSink, device_ids: Iterable[str]) -> None:
    for device_id in device_ids:
        sink.send(OutRecord(topics.DEVICE, device_id.encode(), None, partition=0))
    sink.flush(30_000)
