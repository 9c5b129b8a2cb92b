"""The life of one alert, as ISA-18.2 has it. Pure: an alert and what was seen go in, the alert as it is then comes out.

The same object comes out when nothing is to be written.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from processors.rules.model import Rule
from schemas.alert import Alert, Change, Severity, State


class Seen(NamedTuple):
    """What a reading, or the clock, says of a rule.

    holds    the condition: true, false, or None where the reading does not tell
    clears   the rule's own clear condition; None where it has none, or the reading does not tell
    """

    ts: int
    holds: bool | None
    clears: bool | None = None
    severity: Severity | None = None
    values: Mapping[str, Any] = {}


def observe(alert: Alert, rule: Rule, seen: Seen) -> Alert:
    if alert.is_open:
        return _while_open(alert, rule, seen)
    if alert.state is State.PENDING:
        if seen.holds is False:
            return drop(alert, seen.ts)
        return _fire(alert, rule, seen) if seen.holds and seen.ts - alert.onset_ms >= rule.for_ms else alert
    if not seen.holds:
        return alert
    severity = seen.severity or rule.severity
    fires = tuple(at for at in alert.fires if seen.ts - at < rule.flapping.within)
    begun = alert._replace(
        state=State.PENDING, change=Change.PENDING, n=0, at_ms=seen.ts, onset_ms=seen.ts, fired_ms=0, resolved_ms=0,
        severity=severity, worst=severity, why="", values=seen.values, flapping=False, clear_ms=0, easing_ms=0, acked=False,
        notes=(), fires=fires,
    )  # fmt: skip
    return begun if rule.for_ms else _fire(begun, rule, seen)


def _fire(alert: Alert, rule: Rule, seen: Seen) -> Alert:
    fires = tuple(at for at in alert.fires if seen.ts - at < rule.flapping.within)
    severity = seen.severity or rule.severity
    return alert._replace(
        state=State.FIRING, change=Change.FIRED, n=alert.n + 1, at_ms=seen.ts, fired_ms=seen.ts, severity=severity,
        worst=severity, values=seen.values, fires=(*fires, seen.ts), flapping=len(fires) + 1 >= rule.flapping.times,
    )  # fmt: skip


def _while_open(alert: Alert, rule: Rule, seen: Seen) -> Alert:
    over = seen.clears if rule.clear and not seen.holds else None if seen.holds is None else not seen.holds
    if over:
        since = alert.clear_ms or seen.ts
        hold_ms = max(rule.keep_firing_for, rule.flapping.hold if alert.flapping else 0)
        if seen.ts - since >= hold_ms:
            return resolve(alert, seen.ts)
        return alert if alert.clear_ms else alert._replace(clear_ms=since)
    if over is False and alert.clear_ms:
        alert = alert._replace(clear_ms=0)
    return _grade(alert, rule, seen) if seen.holds and seen.severity else alert


def _grade(alert: Alert, rule: Rule, seen: Seen) -> Alert:
    """Worse at once; milder when it has been so for as long as it would take to resolve."""
    severity = seen.severity
    assert severity is not None
    if severity is alert.severity:
        return alert._replace(easing_ms=0) if alert.easing_ms else alert
    if severity.rank < alert.severity.rank:
        since = alert.easing_ms or seen.ts
        if seen.ts - since < rule.keep_firing_for:
            return alert if alert.easing_ms else alert._replace(easing_ms=since)
    worst = max(alert.worst, severity, key=lambda each: each.rank)
    return alert._replace(
        severity=severity, worst=worst, change=Change.SEVERITY, n=alert.n + 1, at_ms=seen.ts, easing_ms=0, values=seen.values
    )


def drop(alert: Alert, ts: int) -> Alert:
    """What was pending has come to nothing; what is remembered of its slot is how often it fired."""
    return Alert(
        alert.rule, alert.subject, State.NORMAL, Change.DROPPED, at_ms=ts, onset_ms=alert.onset_ms, fires=alert.fires,
        until_ms=alert.until_ms,
    )  # fmt: skip


def resolve(alert: Alert, ts: int, why: str = "") -> Alert:
    return alert._replace(
        state=State.RESOLVED, change=Change.RESOLVED, n=alert.n + 1, at_ms=ts, resolved_ms=ts, why=why, clear_ms=0, easing_ms=0
    )


def settle(alert: Alert, suppressed: str, now_ms: int) -> Alert:
    """Puts an open alert where the shelf, an inhibition or a silence want it, or back where it asks for somebody."""
    if not alert.is_open:
        return alert
    if alert.until_ms > now_ms:
        state, change, why = State.SHELVED, Change.SHELVED, alert.why
    elif suppressed:
        state, change, why = State.SUPPRESSED, Change.SUPPRESSED, suppressed
    else:
        state, change, why = State.ACKNOWLEDGED if alert.acked else State.FIRING, Change.RETURNED, ""
    if state is alert.state:
        return alert
    return alert._replace(state=state, change=change, why=why, n=alert.n + 1, at_ms=max(now_ms, alert.at_ms))
