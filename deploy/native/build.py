"""Runs an installer or compiler: output to a log, its last line to the screen, an end to its patience."""

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.native import process
from deploy.native.problems import NativeError
from deploy.native.progress import Step

_POLL_SECONDS = 0.2
_SHOWN_CHARACTERS = 100
_TAIL_LINES = 8
_LINE_CHARACTERS = 240  # a linker quotes its whole command line


class CommandFailed(NativeError):
    """Carries the end of the log, where compilers and package managers say what was wrong."""


def run(what: str, command: Sequence[str], *, step: Step, log: Path, cwd: Path, env: Mapping[str, str], minutes: float) -> None:
    """CommandFailed with the log's last lines and its path, when the command fails or takes longer than `minutes`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + minutes * 60
    with log.open("ab") as sink:
        sink.write(f"$ {' '.join(command)}\n".encode())
        sink.flush()
        child = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, cwd=cwd, env=env, start_new_session=True
        )
    try:
        while child.poll() is None:
            if time.monotonic() >= deadline:
                raise CommandFailed(f"{what} took longer than {minutes:.0f} minutes", f"the log is {log}")
            step.waiting(process.tail(log)[-_SHOWN_CHARACTERS:])
            time.sleep(_POLL_SECONDS)
    finally:
        if child.poll() is None:  # out of patience, or Ctrl-C: the compiler's own children go with it
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if child.returncode != 0:
        end = "\n".join(line[:_LINE_CHARACTERS] for line in process.tail(log, _TAIL_LINES).splitlines())
        raise CommandFailed(
            f"{what} failed (exit code {child.returncode}): {end}\n  [the log is {log}]",
            "once the cause is mended, run `hanan servers install` again; what was downloaded is kept",
        )


@contextmanager
def only_one(lock: Path, step: Step, *, minutes: float) -> Iterator[None]:
    """Two clones share the cache: the second waits for the first one's build instead of running its own."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + minutes * 60
    with lock.open("a") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise NativeError(f"another hanan has held {lock} for {minutes:.0f} minutes", "see what it does") from None
                step.waiting("another hanan, which is at the same")
                time.sleep(_POLL_SECONDS)
        yield
