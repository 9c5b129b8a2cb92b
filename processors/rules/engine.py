"""The rules of one partition at work: readings and time go in, alerts that changed come out.

Every change names the record that led to it. On a replay a slot passes over what its alert has seen already, so nothing fires or
clears a second time; see docs/alerts.md for why that is enough.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from processors.rules.board import Board, obey
from processors.rules.compiled import Compiled
from processors.rules.deadlines import Deadlines
from processors.rules.expression import View
from processors.rules.lifecycle import Seen, drop, observe, resolve, settle
from processors.rules.past import Past
from processors.rules.plan import KindPlan
from processors.rules.sieve import params_of
from processors.rules.sight import Sight
from schemas.alert import Alert, Change, Place, Severity, State
from schemas.device import Device
from schemas.moment import Moment

_IDLE = frozenset({State.NORMAL, State.RESOLVED})


class Watched:
    """A device with rules. `heard_ms` is when its last current reading was received; `slots` are those that are not normal."""

    __slots__ = (
        "busy", "device", "due_ms", "excused", "groups", "heard_ms", "params", "plan", "quiet_ms", "sight", "silent_ms", "slots",
        "suspect", "ts",
    )  # fmt: skip

    def __init__(self, device: Device, plan: KindPlan, groups: tuple[bytes, ...] = ()) -> None:
        self.device, self.plan = device, plan
        self.groups = groups  # the keys under which others compare themselves with it
        self.params = params_of(plan.params, device.params)
        self.excused = False  # from being missed, until it speaks again
        self.ts = -1
        self.heard_ms = 0
        self.due_ms = 0  # when it will be looked at; see Deadlines
        self.quiet_ms, self.silent_ms = plan.silence_ms(device.interval_s * 1_000) if plan.silent else (0, 0)
        self.sight = Sight(Past(plan.shape, device.interval_s * 1_000), device.params)
        self.suspect: Sight | None = None
        self.slots: dict[str, Alert] = {}
        self.busy = False  # one of them is pending or open

    def renewed(self, device: Device, plan: KindPlan, groups: tuple[bytes, ...] = ()) -> "Watched":
        """The same device under changed rules or with changed params. What was seen of it stays; its alerts are the caller's."""
        other = Watched(device, plan, groups)
        other.ts, other.heard_ms, other.excused = self.ts, self.heard_ms, self.excused
        past = self.sight.past if plan is self.plan else self.sight.past.reshaped(plan.shape)
        other.sight = self.sight.under(device.params, past)
        return other

    def put(self, alert: Alert) -> None:
        if alert.state is State.NORMAL and not alert.fires and not alert.until_ms:
            self.slots.pop(alert.rule, None)
        else:
            self.slots[alert.rule] = alert
        self.busy = any(slot.state not in _IDLE for slot in self.slots.values())


class Engine:
    """`topic` and `number` say which partition's offsets it is told."""

    def __init__(self, board: Board, topic: str, number: int, deadlines: Deadlines | None = None) -> None:
        self.board = board
        self.topic, self.number = topic, number
        self.changes: list[Alert] = []
        self.deadlines = deadlines
        self._open: dict[str, Watched] = {}  # slots that are open, for those who settle them
        self._settled = (-1, -1)

    def place(self, offset: int) -> Place:
        return Place(self.topic, self.number, offset)

    def restore(self, watched: Watched, alert: Alert) -> None:
        """What the topic says of a slot, before anything is read."""
        watched.slots[alert.rule] = alert
        watched.busy |= alert.state not in _IDLE
        if alert.is_open:
            self._open[alert.key] = watched

    # Readings

    def remember(self, watched: Watched, moment: Moment) -> None:
        """A current reading, muted."""
        watched.ts, watched.heard_ms = moment.ts, moment.received_at
        watched.sight.move(moment)

    def read(self, watched: Watched, moment: Moment, offset: int) -> None:
        """A current reading."""
        before = watched.ts
        watched.ts = ts = moment.ts
        watched.heard_ms = moment.received_at
        sight = watched.sight
        sight.move(moment)
        force = watched.plan.in_force(ts)
        hits = force.sift(before, ts, sight, watched.params)
        if not hits and not watched.busy:
            return
        watched.suspect = None
        if watched.busy:
            self._read_all(watched, force.rules, hits, before, self.place(offset))
            if self.deadlines:
                self.deadlines.heard(self, watched, self.place(offset))
        else:
            for rule in hits:
                self._look(watched, rule, self.place(offset))

    def judge(self, watched: Watched, view: View, ts: int, place: Place) -> None:
        """What is said of a device at once and rarely, so that all its rules are asked."""
        before, watched.ts = watched.ts, ts
        rules = watched.plan.in_force(ts).rules
        self._read_all(watched, rules, rules, before, place, view)

    def _read_all(
        self, watched: Watched, rules: Sequence[Compiled], hits: Collection[Compiled], before: int, place: Place,
        seen: View | None = None,
    ) -> None:  # fmt: skip
        """For a device of which something is pending or open."""
        ts = watched.ts
        for rule in rules:
            alert = watched.slots.get(rule.rule.id)
            if alert is None or alert.state in _IDLE:
                if rule in hits:
                    self._look(watched, rule, place, seen)
                continue
            every = rule.rule.every
            if not (every and before // every == ts // every) and not _is_behind(place, alert):
                view = seen or (_suspect(watched) if rule.rule.with_suspect else watched.sight)
                if rule.given is None or rule.given.holds(view):
                    self._observe(watched, rule, view, rule.when.holds(view), place)  # type: ignore[union-attr]  # plan: all have one
        if len(rules) < len(watched.plan.rules):
            ids = {rule.rule.id for rule in rules}
            for alert in list(watched.slots.values()):
                if alert.rule not in ids and alert.rule in watched.plan.ids and not _is_silence(watched, alert):
                    self.end(watched, alert, ts, place, "out of season")

    def _look(self, watched: Watched, rule: Compiled, place: Place, seen: View | None = None) -> None:
        """More closely, at a rule that may hold and of which nothing is known."""
        alert = watched.slots.get(rule.rule.id)
        if alert is not None and _is_behind(place, alert):
            return
        view = seen or (_suspect(watched) if rule.rule.with_suspect else watched.sight)
        if rule.when.holds(view) and (rule.given is None or rule.given.holds(view)):  # type: ignore[union-attr]
            self._observe(watched, rule, view, holds=True, place=place)

    def _observe(self, watched: Watched, rule: Compiled, view: View, holds: bool | None, place: Place) -> None:
        alert = watched.slots.get(rule.rule.id) or Alert(rule.rule.id, watched.device.device_id)
        clears = rule.clear.holds(view) if rule.clear and alert.is_open else None
        severity = _severity(rule, view) if holds else None
        values = values_of(rule, view) if holds else {}
        self.take(watched, observe(alert, rule.rule, Seen(watched.ts, holds, clears, severity, values)), place, watched.ts)

    def end(self, watched: Watched, alert: Alert, ts: int, place: Place, why: str) -> None:
        if alert.is_open:
            self.take(watched, resolve(alert, ts, why), place, ts)
        elif alert.state is State.PENDING:
            self.take(watched, drop(alert, ts), place, ts)

    # What comes of it

    def close(self, alert: Alert, now_ms: int, place: Place, why: str) -> None:
        """Ends one that nothing is left to watch over."""
        ended = resolve(alert, now_ms, why) if alert.is_open else drop(alert, now_ms)
        self._open.pop(alert.key, None)
        self.changes.append(ended._replace(place=place))

    def has_ended(self, alert: Alert) -> bool:
        """In this batch, of which the table does not know yet."""
        return any(change.key == alert.key for change in self.changes)

    def take(self, watched: Watched, alert: Alert, place: Place, now_ms: int) -> None:
        """Writes the alert down if it is another than before."""
        before = watched.slots.get(alert.rule)
        if alert is before or (before is None and alert.state is State.NORMAL):
            return
        if alert.change is Change.FIRED and alert.state is State.FIRING:
            alert = settle(alert, self.board.suppresses(described(alert, watched.device), now_ms), now_ms)
        alert = described(alert, watched.device)._replace(place=place)
        watched.put(alert)
        if alert.is_open:
            self._open[alert.key] = watched
        else:
            self._open.pop(alert.key, None)
        self.changes.append(alert)

    def settle(self, place: Place, now_ms: int) -> None:
        """What people said, who inhibits whom, and whose time on the shelf is over; asked once a second at most."""
        if self._settled == (self.board.version, now_ms // 1_000):
            return
        self._settled = (self.board.version, now_ms // 1_000)
        for key, watched in list(self._open.items()):
            alert = before = watched.slots[key.partition("/")[0]]
            for command in self.board.commands.get(key, ()):
                alert = obey(alert, command, now_ms)
            alert = settle(alert, self.board.suppresses(alert, now_ms), now_ms)
            if alert is not before:
                told = Change.ACKNOWLEDGED if alert.state is State.ACKNOWLEDGED and not before.acked else alert.change
                self.take(watched, alert._replace(change=told, at_ms=max(alert.at_ms, now_ms)), place, now_ms)


def _is_behind(place: Place, alert: Alert) -> bool:
    """Whether the alert has seen that record, or a later one, already."""
    return alert.place.offset >= place.offset and alert.place.topic == place.topic


def _is_silence(watched: Watched, alert: Alert) -> bool:
    return watched.plan.silent is not None and watched.plan.silent.rule.id == alert.rule


def _suspect(watched: Watched) -> Sight:
    if watched.suspect is None:
        watched.suspect = watched.sight.with_suspect() if watched.sight.flags else watched.sight
    return watched.suspect


def _severity(rule: Compiled, view: View) -> Severity:
    for severity, condition in rule.levels:  # the gravest first
        if condition.holds(view):
            return severity
    return rule.rule.severity


def values_of(rule: Compiled, view: View) -> Mapping[str, Any]:
    """What a person will want to see: the rule's choice, else all that the condition looked at."""
    assert rule.when
    names = rule.rule.show or rule.when.metrics
    found: dict[str, Any] = {name: value for name in names if (value := view.said(name)) is not None}
    for term in rule.when.terms.values():
        value = view.term(term)
        if value is not None:
            found[str(term)] = round(value, 3) if isinstance(value, float) else value
    return found


def described(alert: Alert, device: Device) -> Alert:
    """With what the registry says of its device now."""
    return alert._replace(
        stream=device.stream, kind=device.kind, zone=device.zone, site=device.site, gateway=device.gateway,
        name=device.name or device.device_id,
    )  # fmt: skip
