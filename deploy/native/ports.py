"""Whether a port is free, and who has it when it is not."""

import errno
import os
import socket
from collections.abc import Iterable
from pathlib import Path

from deploy.native import process
from deploy.native.problems import NativeError

LOOPBACK = "127.0.0.1"
BASES = range(20_000, 32_000, 16)  # for servers of a while: below those that the kernel hands out by itself
_LISTENING = "0A"


def require_free(server: str, port: int, setting: str, home: Path) -> None:
    """NativeError naming the port, who holds it and the setting that moves it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError as error:
            raise NativeError(
                f"{server}: port {port} may not be used without root's rights", f"set HANAN_{setting.upper()} above 1023"
            ) from error
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise _busy(server, port, setting, home) from None


def first_of_free(count: int, bases: Iterable[int]) -> int:
    """The first of these with so many free ports from it on."""
    for base in bases:
        if all(_is_free(base + offset) for offset in range(count)):
            return base
    raise RuntimeError("no run of free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def accepts(port: int, seconds: float = 0.5) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=seconds).close()
    except OSError:
        return False
    return True


def _busy(server: str, port: int, setting: str, home: Path) -> NativeError:
    variable = f"HANAN_{setting.upper()}"
    pid = _owner(port)
    if pid is None:
        return NativeError(f"{server}: port {port} is taken by another process", f"end that or set {variable}")
    program, theirs = _program(pid), process.home_of(pid)
    if theirs == str(home):
        return NativeError(
            f"{server}: port {port} is held by our own {program} (pid {pid}) from before, whose pid file is gone",
            "end it with `hanan servers stop` and start again",
        )
    if theirs:
        return NativeError(
            f"{server}: port {port} is held by {program} (pid {pid}), a native server of {theirs}",
            f"stop it with `HANAN_HOME={theirs} hanan servers stop` or set {variable}",
        )
    return NativeError(f"{server}: port {port} is taken by {program} (pid {pid})", f"end that or set {variable}")


def _owner(port: int) -> int | None:
    """Pid of the listener, found as `ss -p` does it; None where other users' processes cannot be seen."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            rows = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and inodes and _holds(entry / "fd", inodes):
            return int(entry.name)
    return None


def _holds(directory: Path, inodes: set[str]) -> bool:
    try:
        handles = list(directory.iterdir())
    except OSError:
        return False
    for handle in handles:
        try:
            if os.readlink(handle) in inodes:  # noqa: PTH115  # what it links to is no path
                return True
        except OSError:
            continue
    return False


def _program(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "a process"
    return Path(words[0]).name or "a process"
