"""The rules for one kind of device, made ready: which are in force at a moment, and what must be remembered for them."""

from collections.abc import Sequence

from processors.rules.compiled import Compiled
from processors.rules.past import STILL_CAP_MS
from processors.rules.seasons import CityClock
from schemas.instants import MINUTE_MS

_MINUTES = 256


class KindPlan:
    def __init__(self, rules: Sequence[Compiled], clock: CityClock) -> None:
        self._clock = clock
        self.silent = next((rule for rule in rules if rule.rule.silent), None)
        self.rules = tuple(rule for rule in rules if rule.when)
        self.all = tuple(rules)
        self.ids = frozenset(rule.rule.id for rule in rules)
        self.needs: dict[str, int] = {}
        for rule in rules:
            for name, span in rule.needs.items():
                self.needs[name] = max(self.needs.get(name, 0), span)
        self.traced = tuple(sorted({name for rule in rules for name in rule.traced}))
        self.recent = max((rule.recent for rule in rules), default=0)
        self._always = all(rule.season is None and rule.rule.hours is None for rule in self.rules)
        self._in_force: dict[int, tuple[Compiled, ...]] = {}
        self._same: dict[tuple[Compiled, ...], tuple[Compiled, ...]] = {}  # one object for each set of rules

    def in_force(self, ts: int) -> tuple[Compiled, ...]:
        """The rules for a moment; the same object for the same rules."""
        if self._always:
            return self.rules
        minute = ts // MINUTE_MS
        found = self._in_force.get(minute)
        if found is None:
            if len(self._in_force) > _MINUTES:
                self._in_force.clear()
            found = tuple(rule for rule in self.rules if self.is_in_force(rule, ts))
            found = self._in_force[minute] = self._same.setdefault(found, found)
        return found

    def is_in_force(self, rule: Compiled, ts: int) -> bool:
        return self._clock.holds(rule.season, rule.rule.hours, ts)

    def memory_ms(self, interval_ms: int) -> int:
        """How much a restart must read again for a device of that interval."""
        spans = [span + 3 * interval_ms if span else STILL_CAP_MS + 2 * interval_ms for span in self.needs.values()]
        if self.silent:
            spans.append(self.silence_ms(interval_ms)[1] + interval_ms)
        spans.append(3 * self.recent * interval_ms)
        return max(spans, default=0)

    def silence_ms(self, interval_ms: int) -> tuple[int, int]:
        """After how long a device is quiet, and after how long it is silent."""
        assert self.silent
        silent = self.silent.rule.silent
        assert silent
        fires = max(round(silent.intervals * interval_ms), silent.at_least)
        return min(round(silent.quiet * interval_ms), fires - 1), fires
