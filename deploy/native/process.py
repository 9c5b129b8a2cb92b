"""A server's process: started detached, remembered in a pid file, and only ever signalled when it is provably still the same one.

A pid alone proves nothing, since pids are used again. A process is known by pid, start time and boot; signals go through a
pidfd that is opened before that is checked, so nothing can slip in between.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.native.problems import NativeError

MARK = "HANAN_NATIVE_HOME"
"""In the environment of every server started here: says whose it is when its pid file is gone."""

LOG_LIMIT_BYTES = 20_000_000
_POLL_SECONDS = 0.05

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Children of this very process, kept so that they are reaped when they end."""


@dataclass(frozen=True)
class Running:
    """A process as it was when it was started."""

    pid: int
    started: int
    boot: str
    command: tuple[str, ...]

    @property
    def alive(self) -> bool:
        seen = _start_time(self.pid)
        child = _children.get(self.pid)
        if child is not None and child.poll() is not None:  # after the look: one that has ended is seldom looked at again
            _children.pop(self.pid, None)
        return seen is not None and seen == self.started and self.boot == _boot()


def spawn(name: str, command: Sequence[str], *, home: Path, log: Path, cwd: Path) -> Running:
    """Starts `command` in a session of its own, so that neither a closed terminal nor its Ctrl-C reaches it."""
    for directory in (log.parent, cwd, _record(home, name).parent):
        directory.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_name(log.name + ".1"))
    with log.open("ab") as sink:
        try:
            child = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd=cwd,
                env={**environment(), MARK: str(home)},
                start_new_session=True,
            )
        except OSError as error:
            raise NativeError(f"{name}: cannot run {command[0]}: {error.strerror}", "see that it can be executed") from error
    _children[child.pid] = child
    running = Running(child.pid, _start_time(child.pid) or 0, _boot(), tuple(command))
    record = _record(home, name)
    fresh = record.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(running)))
    fresh.replace(record)
    return running


def environment() -> dict[str, str]:
    """Ours, without the settings and secrets that are not the servers' business, or would be taken for theirs."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("HANAN_", "INFLUXD_"))}


def find(home: Path, name: str) -> Running | None:
    """The server `name` of this home, if it is alive."""
    try:
        kept = json.loads(_record(home, name).read_text())
        running = Running(kept["pid"], kept["started"], kept["boot"], tuple(kept["command"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return running if running.alive else None


def this_process() -> Running:
    """The process that asks, as others may find it again."""
    pid = os.getpid()
    command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return Running(pid, _start_time(pid) or 0, _boot(), tuple(command[:-1]))


def names(home: Path) -> list[str]:
    """Every server that has a pid file here, alive or not."""
    return sorted(path.stem for path in (home / "run").glob("*.json"))


def forget(home: Path, name: str) -> None:
    _record(home, name).unlink(missing_ok=True)


def home_of(pid: int) -> str | None:
    """The home a process was started for, when it is a server of ours."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    return next((entry.partition("=")[2] for entry in entries if entry.startswith(f"{MARK}=")), None)


def marked(home: Path) -> list[Running]:
    """Every living server of this home, with or without a pid file."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [Running(pid, _start_time(pid) or 0, _boot(), ()) for pid in pids if home_of(pid) == str(home)]


def send(running: Running, number: signal.Signals) -> bool:
    """Signals exactly this process; False when it has ended."""
    try:
        handle = os.pidfd_open(running.pid)
    except ProcessLookupError:
        return False
    try:
        if not running.alive:
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def wait_end(running: Running, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while running.alive:
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def stop(running: Running, seconds: float) -> str:
    """SIGTERM, and SIGKILL when that has not helped within `seconds`. Says how it ended."""
    if send(running, signal.SIGTERM):
        send(running, signal.SIGCONT)  # a paused process cannot take the SIGTERM otherwise
    if wait_end(running, seconds):
        return "stopped"
    send(running, signal.SIGKILL)
    if not wait_end(running, 10.0):
        raise NativeError(f"process {running.pid} survives SIGKILL", "its disk may hang; look at dmesg")
    return f"killed, since it had not ended within {seconds:.0f} s"


def tail(log: Path, lines: int = 1, *, size: int = 8192) -> str:
    """The last lines of a log that say anything."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - size))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join([line.rstrip() for line in text.splitlines() if line.strip()][-lines:])


def _record(home: Path, name: str) -> Path:
    return home / "run" / f"{name}.json"


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start_time(pid: int) -> int | None:
    """Ticks after boot at which the process began; None when there is none, or only its remains.

    A killed process is a zombie as soon as its first thread is gone. While others still end, its ports are still taken.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    state, threads, started = fields[0], int(fields[17]), int(fields[19])
    return None if state in "ZX" and threads <= 1 else started
