"""The whole pipeline as a deployment runs it: real servers, each role a process of its own."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from deploy import children
from deploy.letters import Filter, read_letters
from deploy.native.endpoints import Endpoints
from deploy.native.progress import QuietProgress
from deploy.native.stack import Stack
from deploy.observe import Drain
from deploy.operation import FLOW, Operation
from deploy.prepare import ensure_topics, load_registry
from deploy.roles.reads import topics_of
from deploy.roles.wiring import open_sink
from deploy.settings import Settings
from deploy.watch import Sample, scrape
from processors.io.influx import InfluxReader
from processors.io.kafka_admin import Admin
from schemas.dead import DeadLetter
from schemas.device import Device
from tests.waiting import eventually


@dataclass
class Pipeline:
    """Running. `publish` returns when the broker has acknowledged."""

    settings: Settings
    places: Endpoints
    operation: Operation
    _client: mqtt.Client | None = None

    def connect(self) -> None:
        login = self.places.mqtt_login("gateway")
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "test-gateway", protocol=MQTTProtocolVersion.MQTTv311)
        self._client.username_pw_set(login.user, login.password)
        self._client.max_inflight_messages_set(200)
        self._client.connect(self.places.mqtt_host, self.places.mqtt_port)
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.send(topic, payload, retain=retain).wait_for_publish(20)

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> mqtt.MQTTMessageInfo:
        assert self._client
        return self._client.publish(topic, payload, qos=1, retain=retain)

    def disconnect(self) -> None:
        if self._client:
            self._client.disconnect()
            self._client.loop_stop()

    def register(self, *devices: Device) -> None:
        with closing(open_sink(self.settings, "test")) as sink:
            load_registry(self.settings, sink, QuietProgress(), devices)

    def dead(self, **wanted: str) -> list[DeadLetter]:
        return [found.letter for found in read_letters(self.settings, Filter(**wanted))]  # type: ignore[arg-type]

    def rows(self, measurement: str, device_id: str) -> list[dict[str, object]]:
        """Stored points, a row each, fields as columns."""
        flux = f"""
            from(bucket: "readings") |> range(start: 2000-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)
              |> filter(fn: (r) => r._measurement == "{measurement}" and r.device_id == "{device_id}")
              |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
        """
        return self.query(flux)

    def query(self, flux: str) -> list[dict[str, object]]:
        with closing(InfluxReader(self.places.influx_url, self.places.influx_token, self.places.influx_org)) as influx:
            return [dict(row.values) for row in influx.rows(flux)]

    def finished(self, role: str, readings: int) -> None:
        """Waits until a role has done so many: the collector acknowledged them, the others have no lag left."""
        if role == "collect":
            ports = [one.metrics_port for one in children.running(self.settings.home) if one.role == role]
            eventually(
                lambda: Sample(0, scrape(ports)).total("hanan_acknowledged_total") >= readings, 300, 0.2, "all acknowledged"
            )
            return
        group = f"hanan-{role}"
        with closing(Admin(self.places.kafka_bootstrap)) as admin:
            topics = topics_of(group)
            eventually(lambda: sum(admin.lag(group, topics).values()) <= len(topics), 300, 0.2, f"{role} has no lag")

    def drained(self) -> None:
        """Waits until all that was published has gone as far as it goes."""
        with closing(Admin(self.places.kafka_bootstrap)) as admin:
            eventually(Drain(admin), 180, 0.2, "nothing lags")


@contextmanager
def running(stack: Stack, *devices: Device, workers: int = 1) -> Iterator[Pipeline]:
    settings, places = stack.settings, stack.endpoints()
    operation = Operation(settings)
    pipeline = Pipeline(settings, places, operation)
    with closing(Admin(places.kafka_bootstrap)) as admin:
        ensure_topics(settings, admin, QuietProgress())
    pipeline.register(*devices)
    try:
        operation.start_roles(dict.fromkeys(FLOW, workers), QuietProgress())
        pipeline.connect()
        yield pipeline
    finally:
        pipeline.disconnect()
        operation.stop(lambda: True, 0, QuietProgress())
