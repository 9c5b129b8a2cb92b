"""A warning that repeats itself each second hides the others."""

import time


class Throttle:
    """Lets a message of a kind through once in a while."""

    def __init__(self, every_s: float = 10) -> None:
        self._every_s = every_s
        self._due: dict[str, float] = {}

    def passes(self, kind: str) -> bool:
        now = time.monotonic()
        if now < self._due.get(kind, 0):
            return False
        self._due[kind] = now + self._every_s
        return True
