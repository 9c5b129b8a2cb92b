"""The judge of the packs: what counts as found, false, late and a flood; and two days of the city that the packs must stand."""

from deploy.demo.city.faults.truth import Label
from processors.rules.load import load_book
from schemas.alert import Alert, Change, Severity, State
from schemas.instants import HOUR_MS, MINUTE_MS, parse_rfc3339
from tests.bench.judge_alerts import judge
from tests.bench.verdict import Call, Tally, Verdict, calls_of, verdict_on
from tests.bench.weeks import Order, Truth
from tests.factories import NOW_MS, device

BOOK = load_book()
DEVICES = {f"DL-{n:03d}": device(f"DL-{n:03d}", "drainage", "level", gateway="GW-1", interval_s=60) for n in range(30)}
DAY = 24 * 60 * MINUTE_MS


def fault(name: str, number: int, since_h: float, until_h: float, *, id_: str = "f1", touches: tuple[str, ...] = ()) -> Label:
    since, until = NOW_MS + round(since_h * HOUR_MS), NOW_MS + round(until_h * HOUR_MS)
    return Label(id_, "fault", name, f"DL-{number:03d}", since, until, since, 0.8, touches)


def call(rule: str, number: int, at_h: float, until_h: float = 24) -> Call:
    return Call(rule, f"DL-{number:03d}", NOW_MS + round(at_h * HOUR_MS), NOW_MS + round(until_h * HOUR_MS))


def verdict(labels: list[Label], calls: list[Call]) -> Verdict:
    return verdict_on(Truth(labels, DEVICES), sorted(calls, key=lambda one: one.at_ms), BOOK, NOW_MS, NOW_MS + DAY)


def found(labels: list[Label], *calls: Call) -> list[str]:
    return [outcome.rule for outcome in verdict(labels, list(calls)).faults]


def test_a_fault_is_found_by_a_rule_that_says_what_it_is_while_it_lasts() -> None:
    one = [fault("device-silent", 1, 2, 8)]
    assert found(one, call("device-silent", 1, 3)) == ["device-silent"]
    assert found(one, call("drain-level-apart", 1, 3)) == [""]
    assert found(one, call("device-silent", 2, 3)) == [""]
    assert found(one, call("device-silent", 1, 1)) == [""], "was open before"
    assert found(one, call("device-silent", 1, 9)) == [""], "came when it was over"
    assert found([fault("pipe-blockage", 1, 2, 8, touches=("DL-002",))], call("drain-sewer-backed-up", 2, 3))[0]


def test_an_alarm_about_nothing_is_false_and_what_lingers_of_a_fault_is_not() -> None:
    labels = [
        fault("device-silent", 1, 2, 8),
        Label("c1", "condition", "pipe-full", "DL-003", NOW_MS, NOW_MS + HOUR_MS, NOW_MS, 0.5),
    ]
    calls = [call("device-silent", 1, 10.9), call("device-silent", 1, 11.1), call("device-silent", 2, 3), call("x", 3, 1.4)]
    assert verdict(labels, calls).false == [calls[2], calls[1]]


def test_delay_counts_from_when_it_shows_less_the_rules_own_wait() -> None:
    (outcome,) = verdict([fault("device-silent", 1, 2, 8)], [call("device-silent", 1, 2 + 10 / 60)]).faults
    assert outcome.late_ms == 3.5 * MINUTE_MS


def test_informational_alerts_and_suppressed_ones_call_nobody() -> None:
    fired = Alert("r", "DL-001", State.FIRING, Change.FIRED, 1, NOW_MS, severity=Severity.LOW)
    shut = fired._replace(state=State.SUPPRESSED, change=Change.SUPPRESSED, at_ms=NOW_MS + 5)
    changes = [
        fired._replace(subject="DL-002", severity=Severity.INFORMATIONAL),
        fired._replace(subject="DL-003", state=State.SUPPRESSED, change=Change.SUPPRESSED),
        fired, shut, shut._replace(state=State.FIRING, change=Change.RETURNED, at_ms=NOW_MS + 9),
    ]  # fmt: skip
    assert [(one.subject, one.at_ms - NOW_MS, one.end_ms - NOW_MS) for one in calls_of(changes, NOW_MS + 100)] == [
        ("DL-001", 0, 5),
        ("DL-001", 9, 100),
    ]


def test_a_flood_counts_unless_a_gateway_is_down_and_then_the_alarms_are_counted() -> None:
    burst = [call("device-silent", n, 5 + n / 60, 6) for n in range(25)]  # one a minute
    tally = Tally()
    tally.take(verdict([], burst))
    assert tally.floods == [20]
    behind = [fault("gateway-down", n, 4.9, 6, id_="f1") for n in range(25)]
    excused = Tally()
    excused.take(verdict(behind, burst))
    assert excused.floods == []
    assert excused.a_gateway == [25]


def test_two_days_of_transfer_stations() -> None:
    order = Order(7, parse_rfc3339("2026-07-06T00:00:00+08:00"), 2, 8, ("waste",))
    outcome = judge(order).verdict
    assert len(outcome.faults) == 8
    missed = [label.name for label, rule, _, _ in outcome.faults if not rule]
    assert (missed, [(one.rule, one.subject) for one in outcome.false]) == ([], [])
