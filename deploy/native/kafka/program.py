"""Kafka is its jars and a Java to run them."""

import os
import shutil
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from deploy.native import build, tools
from deploy.native.problems import NativeError
from deploy.native.progress import Step
from deploy.native.server import Found

POM = Path(__file__).with_name("pom.xml")
JAVA_AT_LEAST = 17
_MINUTES = 15.0
_INSTEAD = "or name a Kafka of your own in HANAN_KAFKA_BOOTSTRAP"


def pinned_version() -> str:
    """The version the pom names: the only place it is written."""
    names = {"m": "http://maven.apache.org/POM/4.0.0"}
    found = ET.parse(POM).getroot().findtext("m:dependencies/m:dependency/m:version", namespaces=names)  # noqa: S314  # ours
    assert found
    return found


def require_java() -> str:
    remedy = f"Java {JAVA_AT_LEAST} or newer (apt install default-jre-headless)"
    [java] = tools.require("kafka", {"java": remedy}, "Kafka runs on it", _INSTEAD)
    said = tools.output([java, "-version"])
    if tools.version(said.partition('"')[2])[:1] < (JAVA_AT_LEAST,):
        first = said.partition("\n")[0] or "nothing"
        raise NativeError(
            f"kafka: `java -version` says {first}, and Kafka needs Java {JAVA_AT_LEAST}", f"install a newer one, {_INSTEAD}"
        )
    return java


class KafkaProgram:
    """The directory of jars, which is at the same time Java's class path."""

    name = "kafka"

    def __init__(self, cache: Path) -> None:
        self.version = pinned_version()
        self._cache = cache
        self._libs = cache / f"kafka-{self.version}"

    def find(self) -> Found | None:
        return Found(self._libs, self.version, "from Maven") if self._libs.is_dir() else None

    def install(self, step: Step) -> Found:
        require_java()
        [maven] = tools.require("kafka", {"mvn": "Maven (apt install maven)"}, "Kafka's jars come through it", _INSTEAD)
        with build.only_one(self._cache / "kafka.lock", step, minutes=_MINUTES):
            if found := self.find():
                return found
            with tempfile.TemporaryDirectory(dir=self._cache, prefix="kafka-new-") as scratch:
                fresh = Path(scratch) / "libs"
                arguments = ["-B", "-ntp", "--strict-checksums", "dependency:copy-dependencies", f"-DoutputDirectory={fresh}"]
                build.run(
                    f"kafka: fetching the jars of Kafka {self.version}",
                    [maven, "-f", str(_beside(scratch)), *arguments],
                    step=step,
                    log=self._cache / "logs" / "kafka-install.log",
                    cwd=Path(scratch),
                    env=os.environ,
                    minutes=_MINUTES,
                )
                fresh.replace(self._libs)
        return Found(self._libs, self.version, "from Maven")


def _beside(scratch: str) -> Path:
    """Maven is given a copy: an installed package may lie where nothing can be written."""
    return Path(shutil.copy(POM, scratch))
