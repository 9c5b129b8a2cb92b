"""A disk that is full: a server's data on a small tmpfs of its own, which a filler takes up to the last byte."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.native.stack import Stack

MIB = 1024 * 1024
_FILLER = "filler"


def may_mount(folder: Path) -> str:
    """Why there can be no tmpfs here; empty when there can."""
    probe = folder / "probe"
    probe.mkdir(parents=True, exist_ok=True)
    try:
        _mount(probe, 1)
        _unmount(probe)
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.stderr.decode(errors="replace").strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
        return f"mount is not permitted here: {said}"
    finally:
        probe.rmdir()
    return ""


@contextmanager
def small_disk(stack: Stack, server: str, size_mib: int) -> Iterator["Disk"]:
    """Moves the data of a running server onto a disk of that size, and back onto the large one at the end."""
    data = stack.settings.home / server / "data"
    aside = data.with_name("aside")
    stack.stop([server])
    data.rename(aside)
    data.mkdir(mode=0o700)
    _mount(data, size_mib)
    try:
        shutil.copytree(aside, data, dirs_exist_ok=True)
        stack.restart(server)
        yield Disk(data)
    finally:
        stack.stop([server])
        shutil.rmtree(aside)
        shutil.copytree(data, aside)
        _unmount(data)
        data.rmdir()
        aside.rename(data)
        stack.restart(server)


class Disk:
    def __init__(self, folder: Path) -> None:
        self._filler = folder / _FILLER

    def fill(self) -> None:
        """To the last byte, and again if something has been deleted since."""
        block = bytes(MIB)
        with self._filler.open("ab", buffering=0) as stream:
            while block:
                try:
                    written = stream.write(block)
                except OSError:
                    block = block[: len(block) // 2]
                    continue
                if written is not None and written < len(block):
                    block = block[: len(block) // 2]

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    @property
    def free_bytes(self) -> int:
        found = os.statvfs(self._filler.parent)
        return found.f_bavail * found.f_frsize


def _mount(folder: Path, size_mib: int) -> None:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=0700", "hanan-chaos", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)
