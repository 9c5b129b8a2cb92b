"""Rules over windows: of each device's quarter or hour, when it ends, from `aggregate-15m.<stream>` and `aggregate-1h.<stream>`.

A window is judged once, as it is when it is first written: what corrects it later is history, as a late reading is. Its moment is
its end.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from processors.rules.board import Board
from processors.rules.engine import Engine, Watched
from processors.rules.terms import Term
from processors.rules.watching import Plans, orphans, write
from processors.task import Output
from processors.windows.sketch import quantile
from schemas import aggregate, topics
from schemas.aggregate import HOUR, QUARTER, Part, Window
from schemas.alert import Alert, Place, slot_key
from schemas.device import Registry
from schemas.instants import HOUR_MS, MINUTE_MS
from schemas.kind import Stream
from schemas.metric import Nature
from schemas.ports import Position, Record

LEVELS_MS: Mapping[str, int] = {QUARTER: 15 * MINUTE_MS, HOUR: HOUR_MS}
_P95 = 0.95
_MIN, _MAX, _SUM, _SKETCH = 3, 4, 5, 6  # places in a gauge's part; see schemas.aggregate.Window


def memory_ms(level: str, stream: Stream) -> int:
    """As long as a window that was judged may be written again."""
    return 2 * LEVELS_MS[level] + stream.lateness_ms


class WindowTask:
    """One partition of one such topic; its ticks tell the time."""

    def __init__(
        self, stream: Stream, level: str, plans: Plans, registry: Registry, board: Board, number: int, position: Position
    ) -> None:
        self._stream, self._level, self._plans, self._registry, self._board = stream, level, plans, registry, board
        self._position = position
        self._number = number
        self._engine = Engine(board, topics.aggregate(level, stream.name), number)
        self._known: dict[str, Watched | None] = {}
        self._versions = (-1, -1)

    def position(self) -> Position:
        return self._position

    def warm(self, records: Sequence[Record]) -> None:
        for record in records:
            for watched, window in self._news(record):
                watched.ts = window["end"]

    def feed(self, records: Sequence[Record]) -> Output:
        clock_ms = max(self._position.clock_ms, records[0].timestamp_ms)
        begin = self._engine.place(records[0].offset - 1)
        self._keep_up(clock_ms, begin)
        self._engine.settle(begin, clock_ms)
        for record in records:
            clock_ms = max(clock_ms, record.timestamp_ms)
            for watched, window in self._news(record):
                self._engine.judge(watched, WindowView(window, watched), window["end"], self._engine.place(record.offset))
        self._position = Position(records[-1].offset + 1, clock_ms)
        out = Output()
        write(self._engine, out)
        return out

    def _news(self, record: Record) -> Sequence[tuple[Watched, Window]]:
        """Windows that are newer than all before of their device, and that ended just now. What is no window the store buries."""
        if record.key is None:
            return ()
        try:
            _, windows = aggregate.decode(record.value or b"")
            found = [(self._watched(window["device_id"]), window) for window in windows]
            oldest_ms = record.timestamp_ms - self._stream.lateness_ms
            return [(one, window) for one, window in found if one and window["end"] > max(one.ts, oldest_ms)]
        except (ValueError, KeyError, TypeError):
            return ()

    def _watched(self, device_id: str) -> Watched | None:
        if device_id not in self._known:
            self._known[device_id] = self._begin(device_id, None)
        return self._known[device_id]

    def _begin(self, device_id: str, known: Watched | None) -> Watched | None:
        device = self._registry.get(device_id)
        plan = self._plans.over(self._level, device.stream, device.kind) if device else None
        if device is None or plan is None:
            return None
        watched = known.renewed(device, plan) if known else Watched(device, plan)
        for rule in plan.all:
            alert = known.slots.get(rule.rule.id) if known else None
            alert = alert or self._board.alerts.get(slot_key(rule.rule.id, device_id))
            if alert is not None:
                self._engine.restore(watched, alert)
        return watched

    def _keep_up(self, clock_ms: int, place: Place) -> None:
        """After a change of rules or devices."""
        versions = (self._registry.version, self._plans.version)
        if versions == self._versions:
            return
        self._versions = versions
        before = self._known
        self._known = {device_id: self._begin(device_id, known) for device_id, known in before.items() if known}
        for alert in orphans(self._board.alerts.values(), place, self._answers):
            self._engine.close(alert, clock_ms, place, "the rule is gone")

    def _answers(self, alert: Alert) -> bool:
        device = self._registry.get(alert.subject)
        plan = self._plans.over(self._level, device.stream, device.kind) if device else None
        return plan is not None and alert.rule in plan.ids


class WindowView:
    """One window as conditions look at it. See `expression.View`."""

    def __init__(self, window: Window, watched: Watched) -> None:
        kind = watched.plan.all[0].kind
        assert kind
        self._window, self._params, self._metrics = window, watched.device.params, kind.by_name

    def get(self, name: str) -> Any:  # noqa: ARG002
        return None

    def said(self, name: str) -> Any:  # noqa: ARG002
        return None

    def param(self, name: str) -> Any:
        return self._params.get(name)

    def term(self, term: Term) -> Any:
        if term.name == "coverage":
            expected = self._window["expected"]
            return self._window["readings"] / expected if expected else None
        metric = str(term.arguments[0])
        part = self._window["metrics"].get(metric)
        if part is None:
            return None
        if term.name == "last":
            return _plain(part[1] if self._metrics[metric].nature is Nature.GAUGE else part[2])
        return _OF_PART[term.name](part, *term.arguments[1:])


def _place(place: int, otherwise: int) -> Callable[[Part], Any]:
    def find(part: Part) -> Any:
        return _plain(part[place] if len(part) > place else part[otherwise])

    return find


def _mean(part: Part) -> float:
    return float(part[_SUM] / part[0] if len(part) > _SUM else part[1])


def _p95(part: Part) -> float:
    return quantile(part[_SKETCH], _P95) if len(part) > _SKETCH else float(part[1])


def _share(part: Part, word: str) -> float | None:
    total = sum(part[1].values())
    return part[1].get(word, 0) / total if total else None


def _plain(value: Any) -> Any:
    return float(value) if type(value) is int else value


_OF_PART: Mapping[str, Callable[..., Any]] = {
    "mean": _mean,
    "min": _place(_MIN, 1),
    "max": _place(_MAX, 1),
    "p95": _p95,
    "increase": lambda part: _plain(part[1]),
    "share": _share,
    "count": lambda part: float(part[0]),
}
