"""Rules that compare a device with the others of its site, zone or district: readings again, keyed by the group."""

from collections import defaultdict
from collections.abc import Sequence

from processors.rules.board import Board
from processors.rules.company import Company
from processors.rules.engine import Engine, Watched
from processors.rules.watching import DEVICE, Plans, orphans, write
from processors.task import Output
from schemas.alert import GROUP, Alert, Place, slot_key
from schemas.device import Registry
from schemas.moment import NotAMoment
from schemas.ports import Position, Record


class GroupTask:
    """One partition of `alert-group`: all devices of a group speak here, in the order in which they arrived."""

    def __init__(self, plans: Plans, registry: Registry, board: Board, number: int, position: Position) -> None:
        self._plans, self._registry, self._board, self._number = plans, registry, board, number
        self._position = position
        self._engine = Engine(board, GROUP, number)
        self._groups: dict[bytes, dict[bytes, Watched]] = defaultdict(dict)
        self._companies: dict[tuple[bytes, str, str], Company] = {}
        self._versions = (-1, -1)

    def position(self) -> Position:
        return self._position

    def warm(self, records: Sequence[Record]) -> None:
        for record in records:
            self._take(record, muted=True)

    def feed(self, records: Sequence[Record]) -> Output:
        clock_ms = max(self._position.clock_ms, records[0].timestamp_ms)
        begin = self._engine.place(records[0].offset - 1)
        self._keep_up(clock_ms, begin)
        self._engine.settle(begin, clock_ms)
        for record in records:
            if record.timestamp_ms > clock_ms:  # noqa: PLR1730 - for each record, and max() costs four times as much
                clock_ms = record.timestamp_ms
            self._take(record, muted=False)
        self._position = Position(records[-1].offset + 1, clock_ms)
        out = Output()
        write(self._engine, out)
        return out

    def _keep_up(self, clock_ms: int, place: Place) -> None:
        """After a change of rules or devices: what was seen stays as far as it is still asked for, and so do alerts."""
        versions = (self._registry.version, self._plans.version)
        if versions == self._versions:
            return
        began, self._versions = self._versions != (-1, -1), versions
        if began:
            self._renew(clock_ms, place)
        for alert in orphans(self._board.alerts.values(), place, self._answers):
            self._engine.close(alert, clock_ms, place, "the rule is gone")

    def _renew(self, clock_ms: int, place: Place) -> None:
        before, self._groups = self._groups, defaultdict(dict)
        self._companies.clear()
        for group, members in before.items():
            for device_id, known in members.items():
                watched = self._begin(group, device_id, known)
                for alert in known.slots.values():
                    if watched is None or alert.rule not in watched.plan.ids:
                        self._engine.end(known, alert, clock_ms, place, "the rule is gone")

    def _answers(self, alert: Alert) -> bool:
        """One that was not heard yet is left alone as long as its rule is there."""
        device = self._registry.get(alert.subject)
        plan = self._plans.compared(device.stream, device.kind) if device else None
        return self._engine.has_ended(alert) or (plan is not None and alert.rule in plan.ids)

    def _take(self, record: Record, *, muted: bool) -> None:
        _, _, offset, group, value, headers, timestamp_ms = record
        if group is None or not headers or headers[0][0] != DEVICE:
            return
        device_id = headers[0][1]
        watched = self._groups[group].get(device_id) or self._begin(group, device_id)
        if watched is None:
            return
        try:
            moment = watched.plan.parse(value or b"")
        except NotAMoment:
            return
        if moment.ts <= watched.ts:
            return
        company = watched.sight.company
        if company is not None and timestamp_ms >= company.next_ms:
            company.hear(watched.sight, moment.ts, timestamp_ms)
        if muted:
            self._engine.remember(watched, moment)
        else:
            self._engine.read(watched, moment, offset)

    def _begin(self, group: bytes, device_id: bytes, known: Watched | None = None) -> Watched | None:
        device = self._registry.get(device_id.decode(errors="replace"))
        plan = self._plans.compared(device.stream, device.kind) if device else None
        if device is None or plan is None or group not in self._plans.keys(device):
            return None
        watched = known.renewed(device, plan) if known else Watched(device, plan)
        company = self._companies.setdefault((group, device.stream, device.kind), Company(plan.questions))
        company.sights.append(watched.sight)
        watched.sight.company = company
        for rule in plan.all:
            alert = known.slots.get(rule.rule.id) if known else None
            alert = alert or self._board.alerts.get(slot_key(rule.rule.id, device.device_id))
            if alert is not None:
                self._engine.restore(watched, alert)
        self._groups[group][device_id] = watched
        return watched
