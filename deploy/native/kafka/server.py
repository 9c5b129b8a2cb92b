"""One broker of the native Kafka."""

import base64
import shutil
import subprocess
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.native import ports, process
from deploy.native.kafka import config
from deploy.native.kafka.program import KafkaProgram, require_java
from deploy.native.problems import NativeError
from deploy.native.progress import Step
from deploy.native.server import Found, Launch
from deploy.settings import Settings

_PROBE_SECONDS = 2.0
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server=info",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.coordinator.group=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


class KafkaServer:
    """Broker and controller in one process; broker 1 is called `kafka`, the others `kafka-2`, `kafka-3`."""

    start_seconds = 120.0
    patience_seconds = 20.0

    def __init__(self, settings: Settings, program: KafkaProgram, broker: int) -> None:
        self.name = "kafka" if broker == 1 else f"kafka-{broker}"
        self.program = program
        self._settings = settings
        self._broker = broker
        self._home = settings.home / self.name
        self._data = self._home / "data"
        self._port = config.broker_port(settings, broker)
        self.ports = (
            (self._port, "kafka_port"),
            (config.controller_port(settings, broker), "kafka_controller_port"),
        )

    def prepare(self, found: Found, step: Step) -> Launch:
        java = require_java()
        self._home.mkdir(parents=True, exist_ok=True)
        properties = self._home / "server.properties"
        properties.write_text(config.render(config.properties(self._settings, self._broker, self._data)))
        self._refuse_other_size()
        path = f"{found.path}/*"
        if not (self._data / "meta.properties").exists():
            step.waiting("formatting the storage")
            self._format(java, path, properties)
        memory = (f"-Xmx{self._settings.kafka_heap}", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError")
        command = (java, *memory, "-Djava.awt.headless=true", *_LOGGING, "-cp", path, "kafka.Kafka", str(properties))
        return Launch(command, self._home)

    def ready(self) -> bool:
        if not ports.accepts(self._port):
            return False
        # librdkafka is told to keep its log to itself: until it succeeds, failing is what a probe does.
        admin = AdminClient({"bootstrap.servers": f"{ports.LOOPBACK}:{self._port}", "log_level": 0})
        try:
            return self._broker in admin.list_topics(timeout=_PROBE_SECONDS).brokers
        except KafkaException:
            return False

    def settle(self, step: Step) -> None:
        pass

    def explain(self) -> str:
        return ""

    def _format(self, java: str, path: str, properties: Path) -> None:
        shutil.rmtree(self._data, ignore_errors=True)  # what a crash in the middle of formatting left
        tool = [java, "-Xmx128m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", path]
        log = self._settings.home / "logs" / f"{self.name}-format.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as sink:
            ended = subprocess.run(
                [*tool, "kafka.tools.StorageTool", "format", "-t", self._cluster_id(), "-c", str(properties)],
                stdout=sink,
                stderr=sink,
                env=process.environment(),
                timeout=120,
                check=False,
            )
        if ended.returncode != 0:
            raise NativeError(f"{self.name}: formatting its storage failed: {process.tail(log)}", f"see {log}")

    def _cluster_id(self) -> str:
        """The same for all brokers of this home, which start side by side and need not agree on anything to have it.

        It is a UUID in base64, in which a leading `-` would pass for an option.
        """
        whole = base64.urlsafe_b64encode(uuid.uuid5(uuid.NAMESPACE_URL, str(self._settings.home)).bytes)
        return "H" + whole.decode().rstrip("=")[1:]

    def _refuse_other_size(self) -> None:
        """The voters of a KRaft quorum stand in every broker's configuration: adding one needs a procedure, not a restart."""
        kept = self._settings.home / "kafka" / "brokers"
        if not any(self._settings.home.glob("kafka*/data/meta.properties")):
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(str(self._settings.kafka_brokers))
        elif (there := int(kept.read_text())) != self._settings.kafka_brokers:
            raise NativeError(
                f"{self.name}: {self._settings.home} holds a cluster of {there} broker(s), not {self._settings.kafka_brokers}",
                "set HANAN_KAFKA_BROKERS back, or another HANAN_HOME for a new cluster",
            )
