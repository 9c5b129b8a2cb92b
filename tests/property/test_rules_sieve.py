"""The sieve may name a rule too often and never too seldom: of every rule, whatever CEL says holds has passed it."""

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from processors.rules.compiled import Compiled
from processors.rules.load import load_book
from processors.rules.past import Past
from processors.rules.plan import KindPlan
from processors.rules.seasons import CityClock
from processors.rules.sieve import params_of, sieve
from processors.rules.sight import Sight
from schemas.instants import MINUTE_MS
from schemas.moment import said
from tests.factories import NOW_MS, Said

RULES = [rule for rule in load_book().compiled if rule.when and not rule.rule.compare]
PLANS = {rule: KindPlan([rule], CityClock("Asia/Shanghai")) for rule in RULES}
LEVELS = (0.0, 0.05, 0.5, 1.0, 2.0, 5.0, 12.0, 20.0, 60.0, 300.0, 6_000.0)


def value(random: Random, rule: Compiled, name: str) -> Any:
    assert rule.kind
    metric = rule.kind.by_name[name]
    if random.random() < 0.05:
        return None
    if metric.type == "word":
        return random.choice(metric.states)
    return random.random() < 0.5 if metric.type == "bool" else random.choice(LEVELS) * random.choice((1.0, 1.0, 1.1))


def params(random: Random, rule: Compiled) -> dict[str, Any]:
    assert rule.kind
    curve = ((-30.0, 60.0), (10.0, 30.0))
    wanted = [param.name for param in rule.kind.params]
    return {
        name: curve if name.endswith("curve") else random.choice((0.2, 2.0, 5.0, 20.0))
        for name in wanted
        if random.random() < 0.95
    }


@given(which=st.sampled_from(RULES), random=st.randoms(use_true_random=False))
def test_what_holds_has_passed(which: Compiled, random: Random) -> None:
    plan = PLANS[which]
    known = params(random, which)
    sight = Sight(Past(plan.shape, MINUTE_MS), known)
    force = plan._whole
    assert which.when
    assert which.kind
    held = {name: value(random, which, name) for name in which.kind.by_name}
    for step in range(random.choice((1, 10, 70))):
        ts = NOW_MS + step * 5 * MINUTE_MS
        for name in held:
            if random.random() < 0.4:
                held[name] = value(random, which, name)
        values = {name: each for name, each in held.items() if each is not None}
        flags = {name: "stuck" for name in values if random.random() < 0.05}
        sight.move(Said(ts, ts, said(which.kind, values), flags))
        view = sight.with_suspect() if which.rule.with_suspect else sight
        holds = which.when.holds(view) and (which.given is None or which.given.holds(view))
        passed = force.sift(-1, ts, sight, params_of(plan.params, known))
        assert not holds or passed == (which,), (values, flags, known)


def test_most_calm_readings_pass_none() -> None:
    """Or the sieve would be for nothing: a rule whose every part it cannot express lets all pass."""
    loose = []
    for rule in RULES:
        plan = PLANS[rule]
        random, passed = Random(rule.rule.id), 0
        for _ in range(200):
            sight, known = Sight(Past(plan.shape, MINUTE_MS), {}), params(random, rule)
            assert rule.kind
            drawn = {name: value(random, rule, name) for name in rule.kind.by_name}
            sight.move(Said(NOW_MS, NOW_MS, said(rule.kind, drawn), {}))
            passed += bool(plan._whole.sift(-1, NOW_MS, sight, params_of(plan.params, known)))
        if passed == 200:
            loose.append(rule.rule.id)
    assert not loose


def test_out_of_season_there_is_nothing_to_look_at() -> None:
    sight = Sight(Past(PLANS[RULES[0]].shape, MINUTE_MS), {})
    assert sieve((), (), ())(0, NOW_MS, sight, ()) == ()
