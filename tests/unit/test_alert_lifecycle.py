"""The life of an alert, step by step, without anything around it."""

from processors.rules.board import obey
from processors.rules.lifecycle import Seen, observe, resolve, settle
from processors.rules.model import Rule
from schemas.alert import Alert, Change, Command, Severity, State, Verb, decode, encode
from schemas.instants import MINUTE_MS

T = 1_768_435_200_000


def rule(**more: object) -> Rule:
    text = {"summary": "x", "todo": "x"}
    base = {"id": "proof", "kinds": ["indoor"], "when": "temp_c < 20", "severity": "low", "zh": text, "en": text}
    return Rule.model_validate(base | more)


def lived(
    given: Rule, *seen: bool | None, clears: tuple[bool | None, ...] = (), severity: tuple[Severity, ...] = ()
) -> list[Alert]:
    alert, states = Alert("proof", "RM-001"), []
    for minute, holds in enumerate(seen):
        grade = severity[minute] if severity else given.severity
        clear = clears[minute] if clears else None
        alert = observe(alert, given, Seen(T + minute * MINUTE_MS, holds, clear, grade))
        states.append(alert)
    return states


def states(alerts: list[Alert]) -> list[str]:
    return [alert.state.value for alert in alerts]


def test_it_is_pending_until_it_was_true_for_long_enough() -> None:
    assert states(lived(rule(**{"for": "2m"}), True, True, True, False)) == ["pending", "pending", "firing", "resolved"]


def test_what_was_pending_comes_to_nothing_by_one_reading_that_denies_it() -> None:
    assert states(lived(rule(**{"for": "2m"}), True, True, False, True)) == ["pending", "pending", "normal", "pending"]


def test_a_reading_that_does_not_tell_changes_nothing() -> None:
    assert states(lived(rule(**{"for": "2m"}), True, None, True, None)) == ["pending", "pending", "firing", "firing"]


def test_a_clear_condition_does_not_end_what_still_holds() -> None:
    got = lived(rule(clear="temp_c > 21"), True, True, None, True, clears=(None, True, None, True))
    assert states(got) == ["firing"] * 4
    assert states(lived(rule(clear="temp_c > 21"), True, None, clears=(None, True))) == ["firing", "resolved"]


def test_it_keeps_firing_until_it_was_over_for_long_enough() -> None:
    got = lived(rule(keep_firing_for="2m"), True, False, True, False, False, False)
    assert states(got) == ["firing"] * 5 + ["resolved"]


def test_between_the_two_conditions_it_stays_as_it_is() -> None:
    got = lived(rule(clear="temp_c > 21"), True, False, False, False, clears=(None, False, False, True))
    assert states(got) == ["firing", "firing", "firing", "resolved"]


def test_severity_rises_at_once_and_falls_after_a_while() -> None:
    low, high = Severity.LOW, Severity.HIGH
    got = lived(rule(keep_firing_for="2m"), True, True, True, True, True, severity=(low, high, low, low, low))
    assert [alert.severity for alert in got] == [low, high, high, high, low]
    assert got[-1].worst is high


def test_an_alert_that_flaps_is_held_and_says_so() -> None:
    given = rule(flapping={"times": 3, "within": "30m", "hold": "5m"})
    got = lived(given, True, False, True, False, True, False, False, False, False, False, False)
    assert states(got) == ["firing", "resolved", "firing", "resolved", "firing"] + ["firing"] * 5 + ["resolved"]
    assert [alert.flapping for alert in got[:5]] == [False, False, False, False, True]


def test_its_id_depends_on_rule_device_and_onset_and_on_nothing_else() -> None:
    first, later = lived(rule(), True)[0], lived(rule(keep_firing_for="9m"), True, True)[1]
    assert first.id == later.id
    assert first.id != lived(rule(), False, True)[1].id


def test_it_can_be_written_and_read_back() -> None:
    alert = obey(lived(rule(), True)[0], Command(Verb.ACK, "proof/RM-001", "li", T + 1, text="on my way"), T + 1)
    assert decode(encode(alert)) == alert


def ack(at_ms: int = T + 1) -> Command:
    return Command(Verb.ACK, "proof/RM-001", "li", at_ms)


def test_an_acknowledgement_is_obeyed_once_and_ends_with_the_alert() -> None:
    fired = lived(rule(), True)[0]
    acked = settle(obey(fired, ack(), T + 2), "", T + 2)
    assert (acked.state, acked.notes[0].by) == (State.ACKNOWLEDGED, "li")
    assert obey(acked, ack(), T + 3) is acked
    again = observe(resolve(acked, T + MINUTE_MS), rule(), Seen(T + 2 * MINUTE_MS, holds=True))
    assert again.state is State.FIRING
    assert obey(again, ack(), T + 2 * MINUTE_MS) is again


def test_the_shelf_has_an_end() -> None:
    fired = lived(rule(), True)[0]
    shelved = settle(obey(fired, Command(Verb.SHELVE, fired.key, "li", T + 1, T + 9_000), T + 1), "", T + 1)
    assert shelved.state is State.SHELVED
    assert settle(shelved, "", T + 8_999) is shelved
    back = settle(shelved, "", T + 9_000)
    assert (back.state, back.change) == (State.FIRING, Change.RETURNED)


def test_what_is_inhibited_asks_for_nobody_and_comes_back() -> None:
    fired = lived(rule(), True)[0]
    held = settle(fired, "inhibited by gateway-down GW-1", T + 1)
    assert (held.state, held.why) == (State.SUPPRESSED, "inhibited by gateway-down GW-1")
    assert settle(held, "", T + 2).change is Change.RETURNED
    assert observe(held, rule(), Seen(T + MINUTE_MS, holds=False)).state is State.RESOLVED
