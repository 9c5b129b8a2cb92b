"""The life of one server: installed, started, greeted when it already runs, stopped; and how it is."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deploy.native import ports, process
from deploy.native.problems import NativeError, raise_all
from deploy.native.progress import Progress, Step
from deploy.native.server import Found, Program, Server
from deploy.settings import Settings

GREET_SECONDS = 10.0
_POLL_SECONDS = 0.1
_TAIL_LINES = 5

State = Literal["running", "not answering", "stopped", "not installed"]


@dataclass(frozen=True)
class Status:
    name: str
    state: State
    version: str
    pid: int | None
    up_seconds: int | None
    ports: tuple[int, ...]
    log: str


def log_of(settings: Settings, name: str) -> Path:
    return settings.home / "logs" / f"{name}.log"


def require_ports(settings: Settings, servers: Sequence[Server]) -> None:
    """All at once, before anything is built or started."""
    problems = []
    for server in servers:
        for port, setting in server.ports:
            try:
                ports.require_free(server.name, port, setting, settings.home)
            except NativeError as problem:
                problems.append(problem)
                break  # whoever has one of its ports mostly has them all
    raise_all(problems)


def install(program: Program, progress: Progress) -> Found:
    if found := program.find():
        return found
    with progress.step(f"{program.name}: install") as step:
        found = program.install(step)
        step.result = str(found)
    return found


def start(settings: Settings, server: Server, found: Found, progress: Progress) -> None:
    """Returns when the server answers. One that does not get that far is not left behind."""
    log = log_of(settings, server.name)
    with progress.step(f"{server.name}: start") as step:
        launch = server.prepare(found, step)
        running = process.spawn(server.name, launch.command, home=settings.home, log=log, cwd=launch.cwd)
        try:
            _wait(server, running, step, server.start_seconds, log)
            server.settle(step)
        except BaseException:
            process.stop(running, server.patience_seconds)
            process.forget(settings.home, server.name)
            raise
        step.result = f"port {server.ports[0][0]}, version {found}"
    if word := server.explain():
        progress.note(word)


def greet(settings: Settings, server: Server, progress: Progress) -> None:
    """One that runs already is used as it is, if it answers where the settings say."""
    running = process.find(settings.home, server.name)
    if running is None:
        raise NativeError(f"{server.name} has just ended", "run `hanan servers start` again")
    with progress.step(f"{server.name}: already running") as step:
        _wait(server, running, step, GREET_SECONDS, log_of(settings, server.name))
        server.settle(step)
        step.result = f"port {server.ports[0][0]}, pid {running.pid}"


def stop(settings: Settings, name: str, seconds: float, progress: Progress) -> None:
    running = process.find(settings.home, name)
    if running is None:
        return
    with progress.step(f"{name}: stop") as step:
        step.result = process.stop(running, seconds)
    process.forget(settings.home, name)


def status(settings: Settings, server: Server) -> Status:
    running = process.find(settings.home, server.name)
    found = server.program.find()
    state: State = "stopped"
    if running:
        state = "running" if server.ready() else "not answering"
    elif found is None:
        state = "not installed"
    return Status(
        name=server.name,
        state=state,
        version=found.version if found else "",
        pid=running.pid if running else None,
        up_seconds=_up_seconds(running) if running else None,
        ports=tuple(port for port, _ in server.ports),
        log=str(log_of(settings, server.name)),
    )


def _wait(server: Server, running: process.Running, step: Step, seconds: float, log: Path) -> None:
    port, setting = server.ports[0]
    deadline = time.monotonic() + seconds
    while not server.ready():
        if not running.alive:
            said = process.tail(log, _TAIL_LINES) or "it left no word"
            raise NativeError(f"{server.name} ended while starting: {said}", f"the log is {log}")
        if time.monotonic() >= deadline:
            raise NativeError(
                f"{server.name} (pid {running.pid}) has not answered on port {port} for {seconds:.0f} s",
                f"see {log}; if HANAN_{setting.upper()} was changed while it ran, `hanan servers stop` and start again",
            )
        step.waiting(f"waiting for port {port} to answer")
        time.sleep(_POLL_SECONDS)


def _up_seconds(running: process.Running) -> int:
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return int(uptime - running.started / os.sysconf("SC_CLK_TCK"))
