"""The native RabbitMQ."""

import json
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from string import Template

from deploy.native import lifecycle, mqtt, ports, process, vault
from deploy.native.problems import NativeError
from deploy.native.progress import Step
from deploy.native.rabbitmq import api, program, rights
from deploy.native.rabbitmq.program import RabbitProgram
from deploy.native.server import Found, Launch
from deploy.settings import Settings
from ingest.pace import DEFAULT_PACE

MIB = 1024 * 1024
GB = 10**9
MESSAGE_BYTES = 16 * MIB
FREE_BYTES = 2 * GB
MEMORY_SHARE = 0.4
SESSION_MS = 3 * 24 * 60 * 60 * 1_000

_CONFIGURATION = Path(__file__).with_name("rabbitmq.conf")
_NODE = "hanan@localhost"  # the same on every machine: the data carry it, and must not depend on the machine's
_PLUGINS = "[rabbitmq_mqtt,rabbitmq_management].\n"
# With a name, since much in RabbitMQ wants one, but listening to no other node: no port mapper (epmd), no port. RabbitMQ watches
# over the port mapper all the same; it is told that its own port is 1, and looks for the mapper on port 1, where nobody is.
_ALONE = "-start_epmd false -dist_listen false -erl_epmd_port 1"
_NO_EPMD = "1"


class RabbitServer:
    """What it acknowledged it has on disk. It is the heavier one: 130 MB of memory, and some seconds to start and to stop."""

    name = "rabbitmq"
    start_seconds = 1_800.0  # after a crash it reads through all that is queued: a minute for each million, on a busy machine
    patience_seconds = 60.0

    def __init__(self, settings: Settings, program: RabbitProgram) -> None:
        self.program = program
        self._settings = settings
        self._home = settings.home / self.name
        self.ports = ((settings.mqtt_port, "mqtt_port"), (settings.mqtt_admin_port, "mqtt_admin_port"))

    def prepare(self, found: Found, step: Step) -> Launch:
        step.waiting("writing users and rights")
        (self._home / "data").mkdir(parents=True, exist_ok=True)
        self._require_room()
        mqtt.ensure(self._settings, mqtt.STAFF)
        self._write("rabbitmq.conf", self._configuration())
        self._write("enabled_plugins", _PLUGINS)
        self._write("definitions.json", json.dumps(self._definitions()))
        self._write(".erlang.cookie", vault.ensure(self._settings.home, "rabbitmq-cookie"))
        environment = [f"{name}={value}" for name, value in self._environment(found.path).items()]
        command = ("/usr/bin/env", "-i", *environment, str(program.scripts(found.path) / "rabbitmq-server"))
        return Launch(command, self._home)

    def ready(self) -> bool:
        return ports.accepts(self._settings.mqtt_admin_port) and mqtt.lets_in(self._settings)

    def settle(self, step: Step) -> None:
        pass

    def explain(self) -> str:
        return (
            f"rabbitmq keeps what it acknowledged; it takes nothing more while its disk has less than {FREE_BYTES / GB:g} GB free"
        )

    def admit(self, names: Collection[str]) -> None:
        if process.find(self._settings.home, self.name):
            api.add(self._settings, dict(rights.admitted({user: mqtt.password(self._settings, user) for user in names})))

    def listen(self) -> mqtt.Listener:
        return self

    def close(self) -> None:
        """There is nothing between two questions."""

    def figures(self) -> mqtt.Figures:
        overview = api.get(self._settings, "overview?columns=queue_totals,message_stats")
        totals, sums = dict(overview["queue_totals"]), dict(overview["message_stats"])  # an empty list when there is nothing
        [node] = api.get(self._settings, "nodes?columns=name,mem_alarm,disk_free_alarm")
        queues = api.get(self._settings, "queues?columns=name,message_bytes")
        reasons = {
            "mem_alarm": f"it uses more than {MEMORY_SHARE:.0%} of the machine's memory",
            "disk_free_alarm": f"its disk has less than {FREE_BYTES / GB:g} GB free",
        }
        return mqtt.Figures(
            queued=totals.get("messages", 0),
            queued_bytes=sum(queue.get("message_bytes", 0) for queue in queues),
            dropped=0,  # a queue that is full refuses
            unheard=sums.get("drop_unroutable", 0),
            refusing=", ".join(why for alarm, why in reasons.items() if node.get(alarm)),
            resident_bytes=mqtt.resident_bytes(self._settings, self.name),
        )

    def _require_room(self) -> None:
        """With too little it would accept connections, and answer none."""
        free = shutil.disk_usage(self._home).free
        if free < FREE_BYTES:
            raise NativeError(
                f"rabbitmq: it takes nothing while its disk has less than {FREE_BYTES / GB:g} GB free, and {self._home} has"
                f" {free / GB:.1f}",
                "make room, or set HANAN_HOME to where there is some",
            )

    def _write(self, name: str, text: str) -> None:
        """For its owner alone: hashes of passwords are in there."""
        path = self._home / name
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(text)

    def _definitions(self) -> dict[str, object]:
        return rights.definitions(mqtt.passwords(self._settings), vault.ensure(self._settings.home, api.SECRET))

    def _configuration(self) -> str:
        return Template(_CONFIGURATION.read_text()).substitute(
            address=ports.LOOPBACK,
            port=self._settings.mqtt_port,
            admin_port=self._settings.mqtt_admin_port,
            definitions=self._home / "definitions.json",
            session_ms=SESSION_MS,
            window=DEFAULT_PACE.window,
            message_bytes=MESSAGE_BYTES,
            free_bytes=FREE_BYTES,
            memory_share=MEMORY_SHARE,
        )

    def _environment(self, root: Path) -> dict[str, str]:
        """All of it: what is set on the machine for another RabbitMQ is not for this one."""
        home = self._home
        return {
            process.MARK: str(self._settings.home),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PATH": f"{program.erlang(root)}:/usr/bin:/bin",
            "ERL_AFLAGS": _ALONE,
            "ERL_EPMD_PORT": _NO_EPMD,
            "ERL_CRASH_DUMP_BYTES": "0",
            "RABBITMQ_ALLOW_INPUT": "true",  # the shell becomes the server, and its pid is the server's
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-noinput -sname {_NODE}",
            "RABBITMQ_NODENAME": _NODE,
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_PLUGINS_EXPAND_DIR": str(home / "plugins"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(home / "feature_flags"),
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_MNESIA_DIR": str(home / "data" / "node"),
            "RABBITMQ_LOG_BASE": str(lifecycle.log_of(self._settings, self.name).parent),
            "RABBITMQ_PID_FILE": str(home / "pid"),
        }
