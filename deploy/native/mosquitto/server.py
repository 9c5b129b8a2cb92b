"""The native Mosquitto."""

import os
from collections.abc import Collection
from pathlib import Path
from string import Template

from deploy.native import mqtt, ports
from deploy.native.mosquitto import users
from deploy.native.mosquitto.figures import Ear
from deploy.native.mosquitto.program import MosquittoProgram
from deploy.native.progress import Step
from deploy.native.server import Found, Launch
from deploy.settings import Settings

TEMPLATES = Path(__file__).parents[2] / "mosquitto"
_CONFIGURATION = TEMPLATES / "mosquitto.conf"
_ACL = TEMPLATES / "acl.conf"


class MosquittoServer:
    """Light and known to everyone; what it may lose is said at every start."""

    name = "mosquitto"
    start_seconds = 120.0
    patience_seconds = 10.0

    def __init__(self, settings: Settings, program: MosquittoProgram) -> None:
        self.program = program
        self._settings = settings
        self._home = settings.home / self.name
        self.ports = ((settings.mqtt_port, "mqtt_port"),)

    def prepare(self, found: Found, step: Step) -> Launch:
        step.waiting("writing users and rights")
        data = self._home / "data"
        data.mkdir(parents=True, exist_ok=True)
        mqtt.ensure(self._settings, mqtt.STAFF)
        users.write_file(self._settings)
        acl = self._home / "acl.conf"
        acl.write_text(_ACL.read_text())
        acl.chmod(0o600)
        configuration = self._home / "mosquitto.conf"
        configuration.write_text(self._configuration(data, acl))
        return Launch((str(found.path), "-c", str(configuration)), self._home)

    def ready(self) -> bool:
        return mqtt.lets_in(self._settings)

    def settle(self, step: Step) -> None:
        pass

    def explain(self) -> str:
        return (
            "mosquitto saves its memory every two seconds (autosave_interval 1): killed or without power, it may lose what it"
            " acknowledged since then; HANAN_MQTT_BROKER=rabbitmq loses nothing"
        )

    def admit(self, names: Collection[str]) -> None:  # noqa: ARG002  # the password file is written whole
        users.reload(self._settings)

    def listen(self) -> mqtt.Listener:
        return Ear(self._settings)

    def _configuration(self, data: Path, acl: Path) -> str:
        return Template(_CONFIGURATION.read_text()).substitute(
            port=self._settings.mqtt_port,
            address=ports.LOOPBACK,
            # Started by root, the broker would become the user `mosquitto`, who cannot reach a home below root's own.
            user_line="user root" if os.geteuid() == 0 else "",
            password_file=users.password_file(self._settings),
            acl_file=acl,
            data=data,
        )
