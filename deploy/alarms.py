"""What somebody should be woken up for, out of one sample of the roles' figures. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.watch import Sample


@dataclass(frozen=True)
class BrokerRow:
    """What the native MQTT broker says of itself; counters are since the oldest collector's start."""

    answers: bool
    queued: int
    queued_mb: float
    dropped: int
    unheard: int
    refusing: bool
    resident_mb: float


def broker_row(sample: Sample) -> BrokerRow | None:
    """None where no collector runs here, or the broker is not ours. Each collector tells all, so the largest counts."""
    answers = sample.latest("hanan_mqtt_answers")
    if answers is None:
        return None

    def figure(name: str) -> float:
        return sample.latest(f"hanan_mqtt_{name}") or 0.0

    return BrokerRow(
        bool(answers),
        int(figure("queued")),
        figure("queued_bytes") / 1e6,
        int(figure("dropped_total")),
        int(figure("unheard_total")),
        bool(figure("refusing")),
        figure("resident_bytes") / 1e6,
    )


def alarms(sample: Sample) -> Iterator[str]:
    """One line each: what is lost or stands still, and why."""
    if broker := broker_row(sample):
        if not broker.answers:
            yield "the MQTT broker does not answer"
        if broker.refusing:
            yield "the MQTT broker takes nothing more: its disk or its memory is full"
        if broker.dropped:
            yield f"LOST by the MQTT broker: {broker.dropped:,} messages, acknowledged and dropped, since a session was full"
        if broker.unheard:
            yield f"LOST by the MQTT broker: {broker.unheard:,} messages, acknowledged when nobody had subscribed"
    for stream, count in sorted(sample.by_label("hanan_offsets_lost_total", "stream").items()):
        if count:
            yield f"LOST in Kafka: {count:,} records of {stream}, deleted by its retention before they were read"
