"""Silence: judged by the partition's clock against what each device was last heard to say that was current.

A device is written down under the second in which it is due and looked at only then; a reading costs nothing here, and ten times
as many devices cost each of them no more.
"""

from collections import defaultdict
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from processors.rules.lifecycle import Seen, drop, observe
from schemas.alert import Alert, Place, State
from schemas.instants import SECOND_MS

if TYPE_CHECKING:
    from processors.rules.engine import Engine, Watched


class Deadlines:
    def __init__(self) -> None:
        self._seconds: list[int] = []  # those under which somebody is written down; a heap
        self._written: dict[int, list[tuple[int, str]]] = defaultdict(list)
        self._due: dict[str, int] = {}  # the entry that counts, of each device
        self._watched: dict[str, Watched] = {}

    def watch(self, watched: "Watched", since_ms: int) -> None:
        """Begins to expect a device; one that was never heard is expected from `since_ms`."""
        id_ = watched.device.device_id
        self._watched[id_] = watched
        if not watched.heard_ms:
            watched.heard_ms = since_ms
        self._push(watched)

    def forget(self, device_id: str) -> None:
        self._watched.pop(device_id, None)

    def _push(self, watched: "Watched") -> None:
        alert = _alert(watched)
        if not alert.is_open:
            self._expect(watched, watched.heard_ms + (watched.silent_ms if alert.state is State.PENDING else watched.quiet_ms))

    def _expect(self, watched: "Watched", due_ms: int) -> None:
        id_ = watched.device.device_id
        if id_ not in self._due or due_ms < self._due[id_]:
            self._write(due_ms, id_)

    def _write(self, due_ms: int, id_: str) -> None:
        self._due[id_] = due_ms
        second = due_ms // SECOND_MS
        if second not in self._written:
            heappush(self._seconds, second)
        self._written[second].append((due_ms, id_))

    def pass_to(self, engine: "Engine", now_ms: int, place: Place) -> None:
        """All that is due by now."""
        while self._seconds and self._seconds[0] * SECOND_MS <= now_ms:
            second = heappop(self._seconds)
            entries = sorted(self._written.pop(second))
            for due_ms, device_id in entries:
                if self._due.get(device_id) != due_ms:
                    continue
                if due_ms > now_ms:
                    self._write(due_ms, device_id)
                    continue
                watched = self._watched.get(device_id)
                if watched is not None and not watched.busy and watched.heard_ms + watched.quiet_ms > now_ms:
                    self._write(watched.heard_ms + watched.quiet_ms, device_id)
                    continue
                del self._due[device_id]
                if watched is not None:
                    self._judge(engine, watched, now_ms, place)
            if second in self._written:
                return  # what is left of it is due later

    def _judge(self, engine: "Engine", watched: "Watched", now_ms: int, place: Place) -> None:
        rule = watched.plan.silent
        if rule is None:
            return
        quiet, silent = watched.quiet_ms, watched.silent_ms
        alert = _alert(watched)
        quiet_for = now_ms - watched.heard_ms
        if alert.place.topic == place.topic and alert.place.offset >= place.offset:  # a replay of what it has seen already
            self._expect(watched, now_ms + 1)
            return
        if alert.is_open:
            return
        if quiet_for < (silent if alert.state is State.PENDING else quiet):
            self._push(watched)
            return
        # One that was never heard may be excused for all that is known
        excused = rule.unless is not None and (watched.ts < 0 or rule.unless.holds(watched.sight))
        if excused or not watched.plan.is_in_force(rule, now_ms):
            if excused:
                watched.excused = True  # and not expected until it speaks again
            else:
                self._expect(watched, now_ms + silent)
            if alert.state is State.PENDING:
                engine.take(watched, drop(alert, now_ms), place, now_ms)
            return
        values = {"silent_s": quiet_for / 1_000}
        if alert.state is not State.PENDING:
            self.miss(engine, watched, now_ms, place)
        if quiet_for >= silent:
            engine.take(watched, observe(_alert(watched), rule.rule, Seen(now_ms, holds=True, values=values)), place, now_ms)
        self._push(watched)

    def miss(self, engine: "Engine", watched: "Watched", now_ms: int, place: Place) -> None:
        """Pending. The onset is when it was last heard, in every run."""
        assert watched.plan.silent
        rule = watched.plan.silent.rule.model_copy(update={"for_ms": 1})
        values = {"silent_s": (now_ms - watched.heard_ms) / 1_000}
        begun = observe(_alert(watched), rule, Seen(watched.heard_ms, holds=True, values=values))
        engine.take(watched, begun._replace(at_ms=now_ms), place, now_ms)

    def heard(self, engine: "Engine", watched: "Watched", place: Place) -> None:
        """A current reading of a device that was being missed."""
        rule = watched.plan.silent
        if rule is None:
            return
        alert = watched.slots.get(rule.rule.id)
        if alert is None or alert.state in (State.NORMAL, State.RESOLVED) or alert.place.offset >= place.offset:
            return
        engine.take(watched, observe(alert, rule.rule, Seen(watched.heard_ms, holds=False)), place, watched.heard_ms)
        self._push(watched)


def _alert(watched: "Watched") -> Alert:
    assert watched.plan.silent
    id_ = watched.plan.silent.rule.id
    return watched.slots.get(id_) or Alert(id_, watched.device.device_id)
