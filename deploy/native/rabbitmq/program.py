"""Finds RabbitMQ and Erlang, or unpacks Debian's."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deploy.native import build, tools
from deploy.native.problems import NativeError
from deploy.native.progress import Step
from deploy.native.server import Found

SINCE, BEFORE = (3, 10), (3, 13)
"""What the configuration is written for: 3.13 renamed settings of the MQTT plugin."""

_ERLANG = "usr/lib/erlang"
_SERVERS = "usr/lib/rabbitmq/lib"
_MINUTES = 10.0
_INSTEAD = "or name a broker of your own in HANAN_MQTT_URL"
_APT = ("-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=2")
_DEPENDS = ("depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces")
_WORKS = "{ok, _} = application:ensure_all_started(crypto), io:put_chars(erlang:system_info(otp_release)), halt()."


class RabbitProgram:
    """The root of a tree in which `usr/lib/rabbitmq` and `usr/lib/erlang` lie: the machine's own, or one in the cache."""

    name = "rabbitmq"

    def __init__(self, cache: Path, machine: Path = Path("/")) -> None:
        self._cache = cache
        self._machine = machine
        self._unpacked = cache / "rabbitmq"

    def find(self) -> Found | None:
        for root, origin in ((self._machine, "of this machine"), (self._unpacked, "unpacked from Debian's packages")):
            version = _version(root)
            if SINCE <= version < BEFORE and (root / _ERLANG / "bin" / "erl").exists():
                return Found(root, ".".join(map(str, version)), origin)
        return None

    def install(self, step: Step) -> Found:
        by_hand = "rabbitmq-server 3.10 to 3.12 by hand"
        apt, cache, unpack = tools.require(
            "rabbitmq", dict.fromkeys(("apt-get", "apt-cache", "dpkg-deb"), by_hand), "RabbitMQ comes through it", _INSTEAD
        )
        with build.only_one(self._cache / "rabbitmq.lock", step, minutes=_MINUTES):
            if found := self.find():
                return found
            with tempfile.TemporaryDirectory(dir=self._cache, prefix="rabbitmq-new-") as scratch:
                folder, root = Path(scratch), Path(scratch) / "root"
                root.mkdir()
                packages = _packages(cache) or self._packages_anew(apt, cache, step)
                self._run("downloading RabbitMQ and Erlang", [apt, *_APT, *_sandbox(), "download", *packages], step, folder)
                for package in sorted(folder.glob("*.deb")):
                    self._run(f"unpacking {package.name}", [unpack, "-x", str(package), str(root)], step)
                if not SINCE <= (version := _version(root)) < BEFORE:
                    offered = ".".join(map(str, version)) or "none"
                    raise NativeError(
                        f"rabbitmq: apt offers version {offered}, and Hanan's configuration is for 3.10 to 3.12",
                        f"unpack such a one under {self._unpacked}, {_INSTEAD}",
                    )
                _move(root, self._unpacked)
                _try(root)
                shutil.rmtree(self._unpacked, ignore_errors=True)  # one of another version
                root.rename(self._unpacked)
        found = self.find()
        assert found
        return found

    def _packages_anew(self, apt: str, cache: str, step: Step) -> list[str]:
        """Where the lists of packages are missing, as on a fresh machine."""
        root = tools.as_root()
        if root is None:
            raise NativeError(
                "rabbitmq: apt does not know it, updating its lists needs root's rights, and there is no sudo without a password",
                f"ask for `apt-get update`, {_INSTEAD}",
            )
        self._run("apt-get update", [*root, apt, *_APT, "update"], step)
        packages = _packages(cache)
        if not packages:
            raise NativeError("rabbitmq: apt knows no package rabbitmq-server", f"see to its sources, {_INSTEAD}")
        return packages

    def _run(self, what: str, command: list[str], step: Step, cwd: Path = Path("/")) -> None:
        build.run(
            f"rabbitmq: {what}",
            command,
            step=step,
            log=self._cache / "logs" / "rabbitmq-install.log",
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C"},
            minutes=_MINUTES,
        )


def scripts(root: Path) -> Path:
    """Where `rabbitmq-server` lies."""
    return next(_servers(root)) / "sbin"


def erlang(root: Path) -> Path:
    """Where `erl` lies."""
    return root / _ERLANG / "bin"


def _servers(root: Path) -> Iterator[Path]:
    return (root / _SERVERS).glob("rabbitmq_server-*")


def _version(root: Path) -> tuple[int, ...]:
    return max((tools.version(path.name) for path in _servers(root)), default=())


def _packages(cache: str) -> list[str]:
    """RabbitMQ and the parts of Erlang it needs. What else it depends on is for its service, or on every Debian."""
    said = tools.output([cache, *_DEPENDS, "rabbitmq-server"])
    return sorted(set(re.findall(r"^(rabbitmq-server|erlang-[a-z0-9-]+)(?=\s|:|$)", said, flags=re.MULTILINE)))


def _sandbox() -> list[str]:
    """As root, apt would download as the user `_apt`, who cannot write where we do."""
    return ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []


def _move(root: Path, to: Path) -> None:
    """Erlang's own scripts name the place where Debian puts it."""
    for script in [*(root / _ERLANG / "bin").iterdir(), *(root / _ERLANG).glob("erts-*/bin/*")]:
        if script.is_file() and not script.is_symlink() and script.read_bytes().startswith(b"#!"):
            script.write_text(script.read_text().replace(f"=/{_ERLANG}\n", f"={to / _ERLANG}\n"))


def _try(root: Path) -> None:
    """Before it is put into its place: that its libraries are on this machine."""
    [runtime] = (root / _ERLANG).glob("erts-*/bin")
    environment = {**os.environ, "ROOTDIR": str(root / _ERLANG), "BINDIR": str(runtime), "EMU": "beam", "PROGNAME": "erl"}
    said = tools.output([str(runtime / "erlexec"), "-noinput", "-eval", _WORKS], env=environment)
    if not said.strip().isdigit():
        first = next((line for line in said.splitlines() if line.strip()), "it says nothing")
        raise NativeError(f"rabbitmq: Erlang does not run here: {first}", f"install what is missing, {_INSTEAD}")
