"""Rules that compare a device with the others of its site, zone or district: readings again, keyed by the group."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from processors.rules.board import Board
from processors.rules.engine import Engine, Watched
from processors.rules.sight import Sight
from processors.rules.watching import Plans, to_record
from processors.task import Output
from schemas import codec
from schemas.alert import GROUP, slot_key
from schemas.device import Registry
from schemas.ports import Position, Record
from schemas.streams import BY_NAME


class GroupTask:
    """One partition of `alert-group`: all devices of a group speak here, in the order in which they arrived."""

    def __init__(self, plans: Plans, registry: Registry, board: Board, number: int, position: Position) -> None:
        self._plans, self._registry, self._board, self._number = plans, registry, board, number
        self._position = position
        self._engine = Engine(board, GROUP, number)
        self._groups: dict[bytes, dict[str, Watched]] = defaultdict(dict)
        self._versions = (-1, -1)

    def position(self) -> Position:
        return self._position

    def warm(self, records: Sequence[Record]) -> None:
        for record in records:
            self._take(record, muted=True)

    def feed(self, records: Sequence[Record]) -> Output:
        clock_ms = max(self._position.clock_ms, records[0].timestamp_ms)
        self._keep_up()
        self._engine.settle(self._engine.place(records[0].offset - 1), clock_ms)
        for record in records:
            clock_ms = max(clock_ms, record.timestamp_ms)
            self._take(record, muted=False)
        self._position = Position(records[-1].offset + 1, clock_ms)
        out = Output()
        for alert in self._engine.changes:
            out.records.append(to_record(alert))
            if alert.n:
                out.counts["alerts", alert.stream, alert.change.value] += 1
        self._engine.changes.clear()
        return out

    def _keep_up(self) -> None:
        """A change of rules or devices begins their memory anew; their alerts stay as the topic has them."""
        versions = (self._registry.version, self._plans.version)
        if versions != self._versions:
            if self._versions != (-1, -1):
                self._groups.clear()
                self._engine = Engine(self._board, GROUP, self._number)
            self._versions = versions

    def _take(self, record: Record, *, muted: bool) -> None:
        stream = dict(record.headers).get("stream", b"").decode()
        if record.key is None or stream not in BY_NAME:
            return
        try:
            reading = codec.decode_reading(stream, record.value or b"")
        except (ValueError, KeyError, TypeError):
            return
        watched = self._groups[record.key].get(reading.device_id) or self._begin(record.key, reading.device_id)
        if watched is None or reading.ts_ms <= watched.ts:
            return
        moment = reading.ts_ms, reading.received_at_ms, reading.values, reading.flags
        if muted:
            self._engine.remember(watched, moment)
        else:
            self._engine.read(watched, moment, record.offset)

    def _begin(self, group: bytes, device_id: str) -> Watched | None:
        device = self._registry.get(device_id)
        plan = self._plans.compared(device.stream, device.kind) if device else None
        if device is None or plan is None:
            return None
        watched = Watched(device, plan)
        watched.sight.neighbours = partial(self._same_kind, group, device.kind)
        for rule in plan.all:
            alert = self._board.alerts.get(slot_key(rule.rule.id, device_id))
            if alert is not None:
                self._engine.restore(watched, alert)
        self._groups[group][device_id] = watched
        return watched

    def _same_kind(self, group: bytes, kind: str) -> list[Sight]:
        return [each.sight for each in self._groups[group].values() if each.device.kind == kind]
