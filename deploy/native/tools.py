"""What must be on the machine before a server can be installed, and what to do where it is not."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.native.problems import NativeError

_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def which(name: str) -> str | None:
    """On PATH, or where Debian puts daemons, which is on root's PATH only."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_SBIN])
    return shutil.which(name, path=path)


def require(server: str, tools: Mapping[str, str], purpose: str, instead: str) -> list[str]:
    """Paths of the tools, each given with what to do where it is missing; NativeError names all that are."""
    found = {tool: shutil.which(tool) for tool in tools}
    missing = [tool for tool, path in found.items() if path is None]
    if missing:
        names = ", ".join(f"`{tool}`" for tool in missing)
        remedies = ", ".join(dict.fromkeys(tools[tool] for tool in missing))
        raise NativeError(f"{server}: {names} not found on PATH, and {purpose}", f"install {remedies}, {instead}")
    return [path for path in found.values() if path]


def output(command: list[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """What a tool says of itself, on either stream; empty when it cannot be run."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=env, cwd=cwd)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout + ended.stderr


def version(text: str) -> tuple[int, ...]:
    """The first thing in the text that looks like a version: `openjdk version "17.0.15"` gives (17, 0, 15)."""
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def as_root() -> list[str] | None:
    """What to put before a command that needs root's rights; None where there is no way without a password."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, timeout=30, check=False).returncode == 0:
        return [sudo, "-n"]
    return None
