"""Tests wait for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], timeout_s: float = 20, every_s: float = 0.02, what: str = "") -> T:
    """The condition's first true answer. It is asked again and again, and may be the thing that moves the world (a `poll`)."""
    deadline = time.monotonic() + timeout_s
    while True:
        if answer := condition():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what or condition}, last {answer!r}")
        time.sleep(every_s)
