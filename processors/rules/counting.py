"""Rules that count devices under another rule, by gateway, site, zone or stream: alerts in, alerts out.

The input is the topic that all alerts are written to, so what is counted outlives every process. A record that is older than what
is known of its slot already says nothing new, and a replay changes nothing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from processors.rules.board import Board, group_of, obey
from processors.rules.compiled import Compiled
from processors.rules.lifecycle import Seen, observe, resolve, settle
from processors.rules.watching import Plans, put
from processors.task import Output
from schemas import alert as alerts
from schemas import topics
from schemas.alert import Alert, Place, State, slot_key
from schemas.device import Registry
from schemas.ports import Position, Record

_COUNTS = frozenset({State.PENDING, State.FIRING, State.ACKNOWLEDGED, State.SHELVED, State.SUPPRESSED})


class CountTask:
    def __init__(self, plans: Plans, registry: Registry, board: Board, position: Position) -> None:
        self._plans, self._registry, self._board = plans, registry, board
        self._position = position
        self._members: dict[tuple[str, str], set[str]] = defaultdict(set)  # rule and group -> subjects that count
        self._places: dict[str, Place] = {}
        self._own: dict[str, Alert] = {}
        self._totals: Mapping[tuple[str, str], int] = {}
        self._totals_version = (-1, -1)
        for alert in board.alerts.values():
            self._learn(alert)

    def position(self) -> Position:
        return self._position

    def warm(self, records: Sequence[Record]) -> None:
        """All that is to be remembered is in the alerts themselves."""

    def feed(self, records: Sequence[Record]) -> Output:
        clock_ms = self._position.clock_ms
        changed: dict[str, Alert] = {}
        self._count_devices(changed, Place(topics.ALERT, records[0].partition, records[0].offset - 1))
        for record in records:
            clock_ms = max(clock_ms, record.timestamp_ms)
            alert = self._decode(record)
            if alert is None or self._is_count(alert.rule):
                continue
            self._learn(alert)  # what the table said already is judged all the same: nobody has judged it yet
            for rule in self._plans.book.counts():
                assert rule.rule.count
                if rule.rule.count.of == alert.rule:
                    self._judge(rule, alert, Place(topics.ALERT, record.partition, record.offset), changed)
        self._position = Position(records[-1].offset + 1, clock_ms)
        self._settle(clock_ms, changed, Place(topics.ALERT, records[-1].partition, records[-1].offset))
        out = Output()
        put(changed.values(), out)
        return out

    @staticmethod
    def _decode(record: Record) -> Alert | None:
        if record.key is None or record.key == alerts.CLOCK_KEY:
            return None
        if record.value is None:  # it came to nothing, and nothing is remembered
            rule, _, subject = record.key.decode(errors="replace").partition("/")
            return Alert(rule, subject, at_ms=record.timestamp_ms, place=Place(topics.ALERT, -1, record.offset))
        try:
            return alerts.decode(record.value)
        except (ValueError, KeyError, TypeError):
            return None

    def _learn(self, alert: Alert) -> None:
        """Who counts. What was read from the table may lie ahead of the records, which then say nothing new."""
        if self._is_count(alert.rule):
            if alert.key not in self._own:
                self._own[alert.key] = alert
            return
        known = self._places.get(alert.key)
        if known and known.topic == alert.place.topic and known.offset >= alert.place.offset:
            return
        self._places[alert.key] = alert.place
        for rule in self._plans.book.counts():
            count = rule.rule.count
            assert count
            if count.of != alert.rule:
                continue
            device = self._registry.get(alert.subject)
            group = getattr(device, count.by, "district") if device else group_of(alert, count.by)
            members = self._members[rule.rule.id, group]
            if alert.state in _COUNTS:
                members.add(alert.subject)
            else:
                members.discard(alert.subject)

    def _is_count(self, rule: str) -> bool:
        found = self._plans.book.rules.get(rule)
        return found is not None and found.count is not None

    def _count_devices(self, changed: dict[str, Alert], place: Place) -> None:
        """After a change of rules or devices: who is to be counted, and who counts already."""
        versions = (self._registry.version, self._plans.version)
        if versions == self._totals_version:
            return
        self._totals_version = versions
        self._members.clear()
        self._places.clear()
        for alert in self._board.alerts.values():
            self._learn(alert)
        for key, alert in list(self._own.items()):
            if not self._is_count(alert.rule):
                del self._own[key]
                if alert.is_open:
                    changed[key] = resolve(alert, self._position.clock_ms, "the rule is gone")._replace(place=place)
        totals: dict[tuple[str, str], int] = defaultdict(int)
        for rule in self._plans.book.counts():
            count = rule.rule.count
            assert count
            kinds = {
                (each.stream, each.kind.name) for each in self._plans.book.compiled if each.rule.id == count.of and each.kind
            }
            for device in self._registry:
                if (device.stream, device.kind) in kinds:
                    totals[rule.rule.id, getattr(device, count.by, "district")] += 1
        self._totals = totals

    def _judge(self, rule: Compiled, member: Alert, place: Place, changed: dict[str, Alert]) -> None:
        count = rule.rule.count
        assert count
        device = self._registry.get(member.subject)
        group = getattr(device, count.by, "district") if device else group_of(member, count.by)
        if not group:
            return
        subject = f"{count.by}:{group}"
        own = self._own.get(slot_key(rule.rule.id, subject)) or Alert(rule.rule.id, subject)
        if own.place.topic == topics.ALERT and own.place.offset >= place.offset:
            return
        number, total = len(self._members[rule.rule.id, group]), self._totals.get((rule.rule.id, group), 0)
        share = number / total if total else 0.0
        holds = number >= count.at_least and share >= count.share
        seen = Seen(member.at_ms, holds, share <= count.clear_share, values={"devices": number, "of": total})
        lasting = rule.rule if not own.is_open else rule.rule.model_copy(update={"clear": "by share"})
        after = observe(own, lasting, seen)
        if after is own or (own.state is State.NORMAL and after.state is State.NORMAL):
            return
        if device is not None:
            gateway = group if count.by == "gateway" else ""
            zone = device.zone if count.by in ("zone", "site", "gateway") else ""
            after = after._replace(
                stream=device.stream, zone=zone, site=device.site if count.by == "site" else "", gateway=gateway
            )
        after = after._replace(name=group, place=place)
        self._own[after.key] = changed[after.key] = after

    def _settle(self, now_ms: int, changed: dict[str, Alert], place: Place) -> None:
        for key, alert in list(self._own.items()):
            if not alert.is_open:
                continue
            after = alert
            for command in self._board.commands.get(key, ()):
                after = obey(after, command, now_ms)
            after = settle(after, self._board.suppresses(after, now_ms), now_ms)
            if after is not alert:
                self._own[key] = changed[key] = after._replace(place=place)
