"""What all tasks of a process must know of each other's alerts: who inhibits whom; and of people: who silenced what until when.

It is read from the topics `alert` and `alert-command`, as everybody's are, and so knows of other processes too.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from processors.rules.load import Book
from schemas import alert as alerts
from schemas.alert import Alert, Change, Command, Severity, Verb
from schemas.instants import MINUTE_MS

_KEPT_COMMANDS = 50  # of a slot; what is older has been obeyed or was meant for an earlier alert
LINGER_MS = 10 * MINUTE_MS  # after its end an inhibition still holds: those behind it need a moment to be heard again


class _Inhibitor(NamedTuple):
    alert_id: str
    ended_ms: int  # 0: goes on


def group_of(alert: Alert, by: str) -> str:
    """The name of its gateway, site, ...; "" where it has none."""
    if by == "district":
        return "district"
    if by == "device":
        return alert.subject
    kind, _, name = alert.subject.partition(":")
    return name if name and kind == by else str(getattr(alert, by))


class Board:
    def __init__(self) -> None:
        self.version = 0
        self.alerts: dict[str, Alert] = {}
        self.commands: dict[str, list[Command]] = defaultdict(list)  # by slot, in the order they were read
        self.silences: dict[str, Command] = {}
        self.problems: list[str] = []
        self._inhibitors: dict[tuple[str, str], _Inhibitor] = {}
        self._of: Mapping[str, list[tuple[str, str]]] = {}  # inhibited rule -> inhibitors and by what they go
        self._by: Mapping[str, str] = {}

    def take_book(self, book: Book) -> None:
        of: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._by = {id_: rule.inhibits.by for id_, rule in book.rules.items() if rule.inhibits}
        for id_, rule in book.rules.items():
            for inhibited in rule.inhibits.rules if rule.inhibits else ():
                of[inhibited].append((id_, self._by[id_]))
        self._of = of
        self._inhibitors = {}
        for alert in self.alerts.values():
            self._note(alert)
        self.version += 1

    def take_alert(self, key: bytes, value: bytes | None) -> Alert | None:
        """A record of the topic `alert`; returns what it says."""
        slot = key.decode(errors="replace")
        if key == alerts.CLOCK_KEY:
            return None
        if value is None:
            self.alerts.pop(slot, None)
            return None
        try:
            alert = alerts.decode(value)
        except (ValueError, KeyError, TypeError) as error:
            self.problems.append(f"alert {slot}: {error!r}")
            return None
        self.alerts[slot] = alert
        self._note(alert)
        return alert

    def _note(self, alert: Alert) -> None:
        by = self._by.get(alert.rule)
        if by is None:
            return
        place = alert.rule, group_of(alert, by)
        known = self._inhibitors.get(place)
        if alert.is_open and not alert.why:
            if known is None or known.ended_ms:  # the first one; of several that came at once it is as good as any
                self._inhibitors[place] = _Inhibitor(alert.id, 0)
                self.version += 1
        elif known and known.alert_id == alert.id and not known.ended_ms:
            self._inhibitors[place] = known._replace(ended_ms=alert.at_ms)
            self.version += 1

    def take_command(self, key: bytes, value: bytes | None) -> None:
        name = key.decode(errors="replace")
        self.version += 1
        if value is None:
            self.silences.pop(name, None)
            return
        try:
            command = alerts.decode_command(value)
        except (ValueError, KeyError, TypeError) as error:
            self.problems.append(f"command {name}: {error!r}")
            return
        if command.verb is Verb.SILENCE:
            self.silences[name] = command
        elif command.verb is Verb.UNSILENCE:
            self.silences.pop(name, None)
        else:
            known = self.commands[command.target]
            known.append(command)
            del known[:-_KEPT_COMMANDS]

    def suppresses(self, alert: Alert, now_ms: int) -> str:
        """Why this alert should not call now; "" when it should."""
        for inhibitor, by in self._of.get(alert.rule, ()):
            group = group_of(alert, by)
            held = self._inhibitors.get((inhibitor, group)) if group else None
            if held and held.alert_id != alert.id and (not held.ended_ms or now_ms < held.ended_ms + LINGER_MS):
                return f"inhibited by {inhibitor} {group}"
        for silence in self.silences.values():
            if silence.at_ms <= now_ms < silence.until_ms and _matches(silence.match, alert):
                return f"silenced by {silence.by}: {silence.text}" if silence.text else f"silenced by {silence.by}"
        return ""


def _matches(match: Mapping[str, str], alert: Alert) -> bool:
    for name, wanted in match.items():
        if name == "severity":
            if alert.severity.rank > Severity(wanted).rank:
                return False
        elif str(getattr(alert, name, "")) != wanted:
            return False
    return True


def obey(alert: Alert, command: Command, now_ms: int) -> Alert:
    """What a command makes of the alert it names; the same object when it is obeyed already, or was meant for an earlier one."""
    outlasts = command.verb is Verb.SHELVE and command.until_ms > now_ms
    if command.at_ms < alert.onset_ms and not outlasts:
        return alert
    if any(note.verb == command.verb and note.at_ms == command.at_ms for note in alert.notes):
        return alert
    note = alerts.Note(command.verb, command.by, command.at_ms, command.text, command.until_ms)
    noted = alert._replace(notes=(*alert.notes, note), n=alert.n + 1)
    if command.verb is Verb.COMMENT:
        return noted._replace(change=Change.COMMENTED)
    if command.verb is Verb.SHELVE:
        return noted._replace(until_ms=command.until_ms)
    if command.verb is Verb.UNSHELVE:
        return noted._replace(until_ms=0)
    if not alert.is_open or alert.acked:
        return alert
    return noted._replace(acked=True, change=Change.ACKNOWLEDGED)
