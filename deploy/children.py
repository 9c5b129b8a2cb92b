"""Role processes: started, named, found again by a file that each writes about itself, and stopped in the order data flows."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.native.process import Running, this_process, wait_end
from deploy.native.process import send as send_signal
from deploy.settings import Settings

PARENT = "HANAN_END_WITH_PARENT"
_PR_SET_PDEATHSIG = 1
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class RoleFile:
    """What a role writes about itself in `<home>/roles/<name>.json`."""

    name: str
    role: str
    process: Running
    metrics_port: int


@contextmanager
def announced(home: Path, name: str, role: str, metrics_port: int) -> Iterator[None]:
    """The role's file, for as long as it runs."""
    path = home / "roles" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(asdict(RoleFile(name, role, this_process(), metrics_port))))
    fresh.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running(home: Path) -> list[RoleFile]:
    """The roles of this home that are alive; what dead ones left behind is cleared away."""
    found = []
    for path in sorted((home / "roles").glob("*.json")):
        try:
            kept = json.loads(path.read_text())
            process = Running(**kept.pop("process"))
            one = RoleFile(process=Running(process.pid, process.started, process.boot, tuple(process.command)), **kept)
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            continue
        if one.process.alive:
            found.append(one)
        else:
            path.unlink(missing_ok=True)
    return found


def spawn_role(settings: Settings, name: str) -> subprocess.Popen[bytes]:
    """One process of a role, by its name `<role>-<number>`: `hanan run` without importing the whole command line."""
    return spawn(settings, name, [name.rpartition("-")[0], "--name", name], "deploy.cli.run")


def spawn(settings: Settings, name: str, arguments: Sequence[str], module: str = "deploy.cli.main") -> subprocess.Popen[bytes]:
    """`hanan <arguments>` as a child in a session of its own, so that Ctrl-C reaches only the one who asked for it.

    It ends with us, whatever ends us.
    """
    log = settings.home / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env={**os.environ, **settings.as_environment(), PARENT: str(os.getpid())},
            start_new_session=True,
        )


def end_with_parent() -> None:
    """In the child: asks the kernel for a SIGTERM when the parent dies, however it dies."""
    parent = os.environ.pop(PARENT, "")
    if not parent:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before we asked
        os.kill(os.getpid(), signal.SIGTERM)


def stop(child: subprocess.Popen[bytes], seconds: float = PATIENCE_SECONDS) -> int:
    """SIGTERM, and SIGKILL when that has not helped. Returns the exit code."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    return child.returncode


def stop_found(home: Path, seconds: float = PATIENCE_SECONDS) -> list[str]:
    """Stops roles that some other process started: `hanan down`."""
    found = running(home)
    for one in found:
        send_signal(one.process, signal.SIGTERM)
    for one in found:
        if not wait_end(one.process, seconds):
            send_signal(one.process, signal.SIGKILL)
    return [one.name for one in found]
