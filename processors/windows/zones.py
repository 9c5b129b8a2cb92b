"""A zone's windows: the sum of its devices' windows of the same time.

A partition has only some of a zone's devices, so each partition's tasks keep its share (`Shares`), and say so whenever it
changed; shares of all partitions are added up the same way. A corrected device's window is exchanged for its former self.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from processors.windows import parts
from processors.windows.plan import Column, Plan
from schemas.aggregate import Part, Window
from schemas.metric import Nature

Group = tuple[str, str]  # zone and kind
_TOGETHER = 64


class Pool:
    """Windows of one time, kind and zone, added up."""

    __slots__ = ("_plan", "_waiting", "_window")

    def __init__(self, plan: Plan, like: Window) -> None:
        self._plan = plan
        self._waiting: list[Window] = []  # to be added together, which costs a fraction of one after the other
        self._window: Window = like | {
            "device_id": "",
            "readings": 0,
            "suspect": 0,
            "expected": 0,
            "devices": 0,
            "interval_ms": 0,
            "metrics": {},
        }

    def add(self, window: Window) -> None:
        self._waiting.append(window)
        if len(self._waiting) >= _TOGETHER:
            self._settle()

    def take_back(self, window: Window) -> None:
        """What was added; a later version of it is to be added in its stead."""
        self._settle()
        self._count([window], -1)
        metrics = self._window["metrics"]
        for name, part in window["metrics"].items():
            column = self._plan.by_name.get(name)
            if column and name in metrics:
                metrics[name] = _without(column, metrics[name], part)

    def window(self) -> Window:
        """A copy in the form of the contract."""
        self._settle()
        whole: Any = self._window | {"metrics": {name: part for name, part in self._window["metrics"].items() if part[0]}}
        found: Window = whole
        return found

    def _settle(self) -> None:
        many, self._waiting = self._waiting, []
        if not many:
            return
        self._count(many, 1)
        metrics, theirs = self._window["metrics"], [window["metrics"] for window in many]
        for column in self._plan.columns:
            name = column.name
            some = [each[name] for each in theirs if name in each]
            if some and column.nature is not Nature.LABEL:
                metrics[name] = _together(column, metrics.get(name), some)

    def _count(self, many: Sequence[Window], sign: int) -> None:
        own = self._window
        own["readings"] += sign * sum([window["readings"] for window in many])
        own["suspect"] += sign * sum([window["suspect"] for window in many])
        own["expected"] += sign * sum([window["expected"] for window in many])
        own["devices"] += sign * sum([window["devices"] for window in many])


def _together(column: Column, acc: Part | None, some: Sequence[Part]) -> Part:
    if column.nature is Nature.GAUGE:
        return parts.pool_gauges(acc, some, column)
    if column.nature is Nature.COUNTER:
        return parts.pool_counts(acc, some)
    return parts.pool_words(acc, some)


def _without(column: Column, acc: Part, part: Part) -> Part:
    if column.nature is Nature.GAUGE:
        return parts.unpool_gauge(acc, part, column)
    if column.nature is Nature.COUNTER:
        return parts.pool_counts(acc, (part,), -1)
    return parts.pool_words(acc, (part,), -1)


class Shares:
    """What one partition adds to the windows of the zones, by start.

    After a restart nothing is known of windows that were written before; such a one is added up anew from all its devices
    (`every(start)`) when one of them changes.
    """

    def __init__(self, plans: Callable[[str], Plan], every: Callable[[int], Iterable[Window]]) -> None:
        self._plans, self._every = plans, every
        self._pools: dict[int, dict[Group, Pool]] = {}
        self._changed: set[tuple[int, Group]] = set()
        self._rebuilt: set[int] = set()

    def knows(self, start: int) -> bool:
        return start in self._pools

    def add(self, window: Window) -> None:
        """Of a window that is written for the first time."""
        if window["zone"]:
            self._pool(window).add(window)

    def replace(self, old: Window | None, new: Window) -> None:
        """`old` need not be given where `knows(start)` is false."""
        start = new["start"]
        if start not in self._pools:
            self._pools[start] = {}
            self._rebuilt.add(start)
            for window in self._every(start):
                self.add(window)
        if start not in self._rebuilt:
            if old is not None and old["zone"]:
                self._pool(old).take_back(old)
            self.add(new)

    def _pool(self, window: Window) -> Pool:
        group = window["zone"], window["kind"]
        pools = self._pools.setdefault(window["start"], {})
        pool = pools.get(group)
        if pool is None:
            pool = pools[group] = Pool(self._plans(window["kind"]), window)
        self._changed.add((window["start"], group))
        return pool

    def changed(self) -> list[Window]:
        """The shares that changed since the last call."""
        found = [self._pools[start][group].window() for start, group in sorted(self._changed)]
        self._changed.clear()
        self._rebuilt.clear()
        return found

    def forget(self, start: int) -> None:
        self._pools.pop(start, None)

    def forget_all(self) -> None:
        """A device has moved to another zone."""
        self._pools.clear()
        self._changed.clear()
