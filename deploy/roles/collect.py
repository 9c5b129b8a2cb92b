"""From the MQTT broker into Kafka."""

import socket

from deploy.broker_watch import watching_broker
from deploy.clock import deployment_clock, monotonic_ms
from deploy.metrics import PrometheusMeter
from deploy.native.endpoints import endpoints
from deploy.roles.wiring import open_sink, open_source
from deploy.settings import Settings
from deploy.stop import Stop
from ingest.collector import Collector
from ingest.io.paho_session import Broker, PahoSessions
from ingest.slots import GROUP, slots_of
from schemas.streams import STREAMS


def run(name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    places = endpoints(settings)
    login = places.mqtt_login("collector")
    collector = Collector(
        open_source(settings, GROUP, name),
        open_sink(settings, name),
        PahoSessions(Broker(places.mqtt_host, places.mqtt_port, login.user, login.password), monotonic_ms=monotonic_ms),
        slots_of(STREAMS),
        name=f"{socket.gethostname()}-{name}",
        partitions=settings.kafka_partitions,
        clock=deployment_clock(settings),
        monotonic_ms=monotonic_ms,
    )
    export = CollectorCounts(meter)

    def asked() -> bool:
        export(collector)
        return stop()

    with watching_broker(settings, meter):
        collector.run(asked)


class CollectorCounts:
    """Carries a collector's own counts over to the meter, from time to time."""

    EVERY_MS = 250

    def __init__(self, meter: PrometheusMeter) -> None:
        self._meter = meter
        self._due_ms = 0
        self._carried: dict[tuple[str, ...], int] = {}

    def __call__(self, collector: Collector) -> None:
        now_ms = monotonic_ms()
        if now_ms < self._due_ms:
            return
        self._due_ms = now_ms + self.EVERY_MS
        for slot, counts in collector.counts.items():
            self._carry("received", counts.received, stream=slot)
            self._carry("forwarded", counts.forwarded, stream=slot)
            self._carry("acknowledged", counts.acked, stream=slot)
            self._carry("mqtt_reconnects", counts.reconnects, stream=slot)
            self._carry("kafka_failed", counts.failed, stream=slot)
            self._carry("kafka_waits", counts.waits, stream=slot)
            self._carry("mqtt_stalls", counts.stalls, stream=slot)
            for reason, amount in counts.dead.items():
                self._carry("dead", amount, stream=slot, reason=reason.value)
            self._meter.set("in_flight", counts.in_flight, stream=slot)
            self._meter.set("mqtt_ready", counts.ready, stream=slot)

    def _carry(self, name: str, total: int, **labels: str) -> None:
        key = (name, *labels.values())
        new = total - self._carried.get(key, 0)
        if new:
            self._carried[key] = total
            self._meter.add(name, new, **labels)
