"""Silence: judged by the partition's clock against what each device was last heard to say that was current.

A device is written down under the second in which it is due and looked at only then; a reading costs nothing here, and ten times
as many devices cost each of them no more.
"""

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from processors.rules.lifecycle import Seen, drop, observe
from schemas.alert import Alert, Place, State
from schemas.instants import SECOND_MS

if TYPE_CHECKING:
    from processors.rules.engine import Engine, Watched


class Deadlines:
    """`due_ms` of a device is under which it is written down; what else is written of it is outdated."""

    def __init__(self) -> None:
        self._seconds: list[int] = []  # those under which somebody is written down; a heap
        self._written: dict[int, list[tuple[int, str]]] = {}  # of each second who is due when; heaps
        self._watched: dict[str, Watched] = {}

    def watch(self, watched: "Watched", since_ms: int) -> None:
        """Begins to expect a device; one that was never heard is expected from `since_ms`."""
        id_ = watched.device.device_id
        before = self._watched.get(id_)
        if before is not None:
            watched.due_ms = before.due_ms
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
        if not watched.due_ms or due_ms < watched.due_ms:
            self._write(watched, due_ms)

    def _write(self, watched: "Watched", due_ms: int) -> None:
        watched.due_ms = due_ms
        second = due_ms // SECOND_MS
        entries = self._written.get(second)
        if entries is None:
            entries = self._written[second] = []
            heappush(self._seconds, second)
        heappush(entries, (due_ms, watched.device.device_id))

    def pass_to(self, engine: "Engine", now_ms: int, place: Place) -> None:
        """All that is due by now; whatever that leads to is due later."""
        seconds, known = self._seconds, self._watched
        while seconds and seconds[0] * SECOND_MS <= now_ms:
            entries = self._written[seconds[0]]
            while entries and entries[0][0] <= now_ms:
                due_ms, device_id = heappop(entries)
                watched = known.get(device_id)
                if watched is None or watched.due_ms != due_ms:
                    continue
                again_ms = watched.heard_ms + watched.quiet_ms
                if again_ms > now_ms and not watched.busy:  # most have spoken meanwhile
                    self._write(watched, again_ms)
                    continue
                watched.due_ms = 0
                self._judge(engine, watched, now_ms, place)
            if entries:
                return
            del self._written[heappop(seconds)]

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
