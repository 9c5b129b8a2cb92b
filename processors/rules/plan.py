"""The rules for one kind of device, made ready: which are in force at a moment, and what must be remembered for them."""

from collections.abc import Sequence
from typing import NamedTuple

from processors.rules.company import FRESH
from processors.rules.compiled import Compiled
from processors.rules.past import SHORT_MS, STEP_MS, STILL_CAP_MS, Shape
from processors.rules.seasons import CityClock
from processors.rules.sieve import Sift, sieve
from processors.rules.terms import OF_GROUP, Term, parts
from schemas.instants import MINUTE_MS
from schemas.moment import parser

_MINUTES = 256


class Force(NamedTuple):
    """The rules for a moment, and what tells which of them deserve a closer look."""

    rules: tuple[Compiled, ...]
    sift: Sift


class KindPlan:
    def __init__(self, rules: Sequence[Compiled], clock: CityClock) -> None:
        self._clock = clock
        self.silent = next((rule for rule in rules if rule.rule.silent), None)
        self.rules = tuple(rule for rule in rules if rule.when)
        self.all = tuple(rules)
        self.ids = frozenset(rule.rule.id for rule in rules)
        assert rules[0].kind
        self.parse = parser(rules[0].kind)  # of their readings
        self.needs: dict[str, int] = {}
        for rule in rules:
            for name, span in rule.needs.items():
                self.needs[name] = max(self.needs.get(name, 0), span)
        self.recent = max((rule.recent for rule in rules), default=0)
        self.shape = Shape(self.needs, sorted({name for rule in rules for name in rule.traced}), self.recent)
        conditions = [condition for rule in self.rules for condition in (rule.when, rule.given) if condition]
        self.params = tuple(sorted({name for condition in conditions for name in condition.params}))
        terms = [part for rule in self.rules for one in rule.conditions for term in one.terms.values() for part in parts(term)]
        asked = {argument for term in terms if term.name in OF_GROUP for argument in term.arguments}
        self.questions = tuple(sorted((each for each in asked if isinstance(each, str | Term)), key=str))
        self._always = all(rule.season is None and rule.rule.hours is None for rule in self.rules)
        self._whole = self._forced(self.rules)
        self._in_force: dict[int, Force] = {}
        self._same = {self.rules: self._whole}  # one object for each set of rules

    def _forced(self, rules: tuple[Compiled, ...]) -> Force:
        return Force(rules, sieve(rules, self.params, self.shape.traced))

    def in_force(self, ts: int) -> Force:
        """For a moment; the same object for the same rules."""
        if self._always:
            return self._whole
        minute = ts // MINUTE_MS
        found = self._in_force.get(minute)
        if found is None:
            if len(self._in_force) > _MINUTES:
                self._in_force.clear()
            rules = tuple(rule for rule in self.rules if self.is_in_force(rule, ts))
            if rules not in self._same:
                self._same[rules] = self._forced(rules)
            found = self._in_force[minute] = self._same[rules]
        return found

    def is_in_force(self, rule: Compiled, ts: int) -> bool:
        return self._clock.holds(rule.season, rule.rule.hours, ts)

    def memory_ms(self, interval_ms: int) -> int:
        """How much a restart must read again for a device of that interval."""
        spans = [self._kept_ms(span, interval_ms) for span in self.needs.values()]
        if self.silent:
            spans.append(self.silence_ms(interval_ms)[1] + interval_ms)
        spans.append(3 * self.recent * interval_ms)
        return max(spans, default=0) + ((FRESH + 1) * interval_ms if self.questions else 0)

    @staticmethod
    def _kept_ms(span: int, interval_ms: int) -> int:
        if not span:
            return STILL_CAP_MS + 2 * interval_ms
        return span + 3 * interval_ms if span <= SHORT_MS else span + 3 * max(interval_ms, STEP_MS)

    def silence_ms(self, interval_ms: int) -> tuple[int, int]:
        """After how long a device is quiet, and after how long it is silent."""
        assert self.silent
        silent = self.silent.rule.silent
        assert silent
        fires = max(round(silent.intervals * interval_ms), silent.at_least)
        return min(round(silent.quiet * interval_ms), fires - 1), fires
