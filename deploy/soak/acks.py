"""What the publisher saw acknowledged: one line a message, number and time, appended as it comes. Survives a SIGKILL."""

import os
from collections.abc import Iterable
from pathlib import Path


class Acks:
    """Written by one process. Each `add` is one write to the file, so a kill leaves at most one line cut off."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        if os.fstat(self._file).st_size:
            os.write(self._file, b"\n")  # closes a line that was cut off

    def add(self, numbers: Iterable[int], now_ms: int) -> None:
        if text := "".join(f"{number} {now_ms}\n" for number in numbers):
            os.write(self._file, text.encode())

    def close(self) -> None:
        os.close(self._file)


def read_acks(path: Path) -> dict[int, int]:
    """Number -> when it was acknowledged for the first time."""
    found: dict[int, int] = {}
    try:
        text = path.read_text()
    except FileNotFoundError:
        return found
    whole = text[: text.rfind("\n") + 1]
    for line in whole.splitlines():
        number, _, at_ms = line.partition(" ")
        if number and len(at_ms) == _MS_DIGITS:
            found.setdefault(int(number), int(at_ms))
    return found


_MS_DIGITS = 13  # of any time from 2001 to 2286
