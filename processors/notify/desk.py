"""What is to be told to whom, worked out from what is so now and what was told already; so a restart tells nothing twice.

An outage of a route does not pile up: when it is back, people hear what is so then. What was true and over within the outage,
and was never told, is not told afterwards.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from processors.notify.routes import Route, Routes
from processors.rules.model import Rule
from processors.rules.seasons import CityClock
from schemas import codec
from schemas.alert import Alert, Change, Severity, State

_FIRST_RETRY_MS, _LAST_RETRY_MS = 5_000, 300_000


class Told(NamedTuple):
    """What was handed over on a route of one alert: its change number then, its severity, when, and after how many tries."""

    n: int
    severity: Severity
    at_ms: int
    resolved: bool = False
    tries: int = 1


class Notice(NamedTuple):
    """One message: all alerts of a group that are due on a route."""

    route: Route
    to: str
    group: tuple[str, ...]
    alerts: tuple[Alert, ...]


def told_key(route: str, to: str, alert: Alert) -> str:
    """`to` is part of it, so that of two addresses the one that works is not told twice while the other is tried again.

    Addresses hold passwords: only their hash is written down.
    """
    return f"{route}/{blake2b(to.encode(), digest_size=4).hexdigest()}/{alert.id}"


class Desk:
    def __init__(self, routes: Routes, rules: Mapping[str, Rule], clock: CityClock) -> None:
        self.routes, self.rules, self._clock = routes, rules, clock
        self.alerts: dict[str, Alert] = {}
        self.told: dict[str, Told] = {}
        self._unresolved: set[str] = set()  # ids of which somebody was told, and not yet that it is over
        self._seen_ms: dict[tuple[str, ...], int] = {}  # since when a group has something to tell
        self._retry: dict[tuple[str, str], tuple[int, int]] = {}  # route and address: when again, and how many tries by now

    def take(self, alert: Alert) -> None:
        """What is normal or pending is nobody's business."""
        if alert.is_open or alert.state is State.RESOLVED:
            self.alerts[alert.key] = alert
        else:
            self.drop(alert.key)

    def drop(self, slot: str) -> None:
        self.alerts.pop(slot, None)

    def take_told(self, key: str, value: bytes | None) -> None:
        if value is None:
            self.told.pop(key, None)
            return
        body = codec.loads(value)
        self._remember(key, Told(body["n"], Severity(body["severity"]), body["at_ms"], body["resolved"], body["tries"]))

    def _remember(self, key: str, told: Told) -> Told:
        self.told[key] = told
        if not told.resolved:
            self._unresolved.add(key.rpartition("/")[2])
        return told

    def due(self, now_ms: int) -> list[Notice]:
        """All that should be handed over now."""
        groups: dict[tuple[Route, str, tuple[str, ...]], list[Alert]] = defaultdict(list)
        for alert in self.alerts.values():
            if alert.state is not State.FIRING and alert.id not in self._unresolved:
                continue
            for route in self.routes.routes:
                for to in route.to:
                    if self._wants(alert, route, to, now_ms):
                        groups[route, to, route.group(alert)].append(alert)
        notices = []
        waiting = {(to, *group) for _, to, group in groups}
        self._seen_ms = {key: ms for key, ms in self._seen_ms.items() if key in waiting}
        for (route, to, group), alerts in groups.items():
            since = self._seen_ms.setdefault((to, *group), now_ms)
            if now_ms >= max(since + route.group_wait, self._retry.get((route.name, to), (0, 0))[0]):
                notices.append(Notice(route, to, group, tuple(sorted(alerts, key=lambda a: (-a.severity.rank, a.onset_ms)))))
        return notices

    def _wants(self, alert: Alert, route: Route, to: str, now_ms: int) -> bool:
        told = self.told.get(told_key(route.name, to, alert))
        if alert.state is State.RESOLVED:
            return told is not None and not told.resolved and route.resolved
        if alert.state is not State.FIRING or not route.takes(alert, self.rules.get(alert.rule), self._clock, now_ms):
            return False
        if route.after and now_ms - alert.fired_ms < route.after:
            return False
        if told is None or alert.severity.rank > told.severity.rank:
            return True
        if alert.change is Change.RETURNED and told.n < alert.n:  # from the shelf, or a silence is over: it asks again
            return True
        return bool(route.repeat) and now_ms - told.at_ms >= route.repeat

    def handed_over(self, notice: Notice, now_ms: int) -> list[tuple[str, bytes]]:
        """Notes it, and returns what is to be written down."""
        _, tries = self._retry.pop((notice.route.name, notice.to), (0, 0))
        self._seen_ms.pop((notice.to, *notice.group), None)
        written = []
        for alert in notice.alerts:
            key = told_key(notice.route.name, notice.to, alert)
            told = self._remember(key, Told(alert.n, alert.severity, now_ms, alert.state is State.RESOLVED, tries + 1))
            body = told._asdict() | {"route": notice.route.name, "id": alert.id, "slot": alert.key}
            written.append((key, codec.dumps(body)))
        return written

    def failed(self, notice: Notice, now_ms: int) -> int:
        """Returns in how many milliseconds it will be tried again."""
        place = (notice.route.name, notice.to)
        tries = self._retry.get(place, (0, 0))[1] + 1
        wait_ms = min(_LAST_RETRY_MS, _FIRST_RETRY_MS << min(tries - 1, 10))
        self._retry[place] = (now_ms + wait_ms, tries)
        return wait_ms

    def outdated(self) -> Sequence[str]:
        """What was told of alerts that nobody keeps any more: a slot that has another alert now, or is empty."""
        known = {alert.id for alert in self.alerts.values()}
        gone = [key for key in self.told if key.rpartition("/")[2] not in known]
        for key in gone:
            del self.told[key]
        self._unresolved = {key.rpartition("/")[2] for key, told in self.told.items() if not told.resolved}
        return gone
