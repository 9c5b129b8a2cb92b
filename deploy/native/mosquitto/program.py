"""Finds Mosquitto 2, or installs Debian's."""

import os
from pathlib import Path

from deploy.native import build, tools
from deploy.native.problems import NativeError
from deploy.native.progress import Step
from deploy.native.server import Found

_AT_LEAST = 2
_MINUTES = 10.0
_INSTEAD = "or name a broker of your own in HANAN_MQTT_URL"
_APT = ("-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=2")


class MosquittoProgram:
    """The broker's binary; `mosquitto_passwd` comes with it."""

    name = "mosquitto"

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def find(self) -> Found | None:
        path = tools.which("mosquitto")
        if path is None or tools.which("mosquitto_passwd") is None:
            return None
        said = tools.output([path, "-h"])
        number = tools.version(said)
        if number[:1] < (_AT_LEAST,):
            raise NativeError(
                f"mosquitto: {path} is version {'.'.join(map(str, number)) or 'unknown'}, and Hanan needs {_AT_LEAST}",
                f"install a newer one, {_INSTEAD}",
            )
        return Found(Path(path), ".".join(map(str, number)), f"at {path}")

    def install(self, step: Step) -> Found:
        [apt] = tools.require("mosquitto", {"apt-get": "Mosquitto 2 by hand"}, "Mosquitto comes through it", _INSTEAD)
        root = tools.as_root()
        if root is None:
            raise NativeError(
                "mosquitto: it is not installed, installing it needs root's rights, and there is no sudo without a password",
                f"ask for `apt-get install mosquitto`, {_INSTEAD}",
            )
        log = self._cache / "logs" / "mosquitto-install.log"
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        install = [*root, apt, *_APT, "install", "-y", "--no-install-recommends", "mosquitto"]

        def attempt(command: list[str], what: str) -> None:
            build.run(what, command, step=step, log=log, cwd=Path("/"), env=environment, minutes=_MINUTES)

        with build.only_one(self._cache / "mosquitto.lock", step, minutes=_MINUTES):
            if found := self.find():
                return found
            try:
                attempt(install, "mosquitto: apt-get install")
            except build.CommandFailed:  # most often because the lists of packages are missing or old
                attempt([*root, apt, *_APT, "update"], "mosquitto: apt-get update")
                attempt(install, "mosquitto: apt-get install")
            found = self.find()
        if found is None:
            raise NativeError(f"mosquitto: apt-get installed it, but it is not to be found; the log is {log}", "look there")
        return found
