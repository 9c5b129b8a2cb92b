"""The processes of one trial: servers, two or more of each role, the sender. They can be killed, and are started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from deploy import children
from deploy.metrics import PREFIX
from deploy.native import process
from deploy.native.stack import Stack
from deploy.operation import FLOW
from deploy.settings import Settings
from deploy.soak.sender import Order
from deploy.watch import scrape

SENDER = "sender"
_READ = f"{PREFIX}records_read_total"
AT_WORK: Mapping[str, str] = {"collect": f"{PREFIX}mqtt_ready"} | dict.fromkeys(
    ("validate", "aggregate", "city", "alert", "store"), _READ
)
"""What tells that a role's process does what it is for."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Gone:
    """A role that ended without having been killed: what no role may do, whatever happens around it."""

    name: str
    code: int


@dataclass
class Crew:
    """Not thread-safe, and to be used from one thread only: the kernel ends a child with the thread that started it.

    `settings` are those the roles see, which may name a proxy in front of InfluxDB; the servers are those of `stack`.
    """

    stack: Stack
    settings: Settings
    order: Order
    gone: list[Gone] = field(default_factory=list)
    _children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _restarts: dict[str, Future[None]] = field(default_factory=dict)
    servers: Sequence[str] = ()
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, thread_name_prefix="restart"))

    def __post_init__(self) -> None:
        self.servers = process.names(self.stack.settings.home)  # now, while all run: one that is stopped has no file

    def begin(self, workers: Mapping[str, int]) -> None:
        for role in FLOW:
            for number in range(1, workers.get(role, 0) + 1):
                self.start(f"{role}-{number}")

    def start(self, name: str) -> None:
        """A role's process, by the name `<role>-<number>`, the sender, or a server."""
        if name == SENDER:
            self._children[name] = self._start_sender()
        elif name in self.servers:
            self._restarts[name] = self._pool.submit(self.stack.restart, name)
        else:
            self._children[name] = children.spawn_role(self.settings, name)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        if name in self.servers:
            self.stack.kill(name, number)
            return
        child = self._children[name]
        child.send_signal(number)
        if number == signal.SIGKILL:
            child.wait()

    def is_up(self, name: str) -> bool:
        """Started, and as far as a server is concerned, answering."""
        if name in self.servers:
            restart = self._restarts.get(name)
            return restart is None or restart.done()
        return self._children[name].poll() is None

    def is_at_work(self, name: str) -> bool:
        """Up, and as far as a role is concerned: this very process has read something, or holds a session of the broker.

        Of recompute and notify only one process at a time has anything to read, so with them it is enough that they answer.
        """
        if not self.is_up(name):
            return False
        if name in self.servers or name == SENDER:
            return True
        pid = self._children[name].pid
        port = next((one.metrics_port for one in children.running(self.settings.home) if one.process.pid == pid), 0)
        series = scrape([port]) if port else {}
        wanted = AT_WORK.get(name.rpartition("-")[0])
        return (
            bool(series) if wanted is None else any(value for (series_name, _), value in series.items() if series_name == wanted)
        )

    def tend(self) -> None:
        """Starts again what ended by itself, and remembers it; raises what went wrong with a server's restart."""
        for name, restart in list(self._restarts.items()):
            if restart.done():
                del self._restarts[name]
                restart.result()
        for name, child in list(self._children.items()):
            code = child.poll()
            if code is not None and code != -signal.SIGKILL:
                self.gone.append(Gone(name, code))
                self.start(name)

    @property
    def roles(self) -> Sequence[str]:
        return [name for name in self._children if name != SENDER]

    def pids(self) -> dict[str, int]:
        """Of everything that lives now."""
        found = {name: child.pid for name, child in self._children.items() if child.poll() is None}
        for name in self.servers:
            if running := process.find(self.stack.settings.home, name):
                found[name] = running.pid
        return found

    def end(self, name: str) -> int:
        """In order, with SIGTERM; gives the exit code."""
        return children.stop(self._children.pop(name), 120)

    def close(self) -> None:
        """Everything but the servers."""
        for future in self._restarts.values():
            future.exception()
        self._pool.shutdown()
        for child in self._children.values():
            child.terminate()
        for child in self._children.values():
            children.stop(child)
        self._children.clear()

    def _start_sender(self) -> subprocess.Popen[bytes]:
        log = self.settings.home / "logs" / f"{SENDER}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            return subprocess.Popen(
                [sys.executable, "-m", "deploy.soak.sender", self.order.to_json()],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env={**os.environ, **self.settings.as_environment(), children.PARENT: str(os.getpid())},
                start_new_session=True,
            )


def resident_mb(pid: int) -> float | None:
    """None when it has just ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * _PAGE / 1e6
