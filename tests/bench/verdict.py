"""Alerts held against the truth: which fault was found, how long after it showed, and which alarm was about nothing."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

from deploy.demo.city.faults.truth import Label
from processors.rules.load import Book
from schemas.alert import Alert, Change, Severity
from schemas.device import Device
from schemas.instants import HOUR_MS, MINUTE_MS, SECOND_MS
from tests.bench.weeks import Truth

GRACE_MS = 3 * HOUR_MS  # after a fault's end in which an alarm may still be about it: rooms warm slowly, sewers run empty
CONDITION_GRACE_MS = 30 * MINUTE_MS
TEN_MIN_MS = 10 * MINUTE_MS
FLOOD = 10
TARGETS = {
    "recall": (0.95, 1),
    "precision": (0.95, 1),
    "median_delay_intervals": (2, -1),
    "alarms_in_ten_minutes": (0.5, -1),
    "longest_flood_min": (10, -1),
}

_SILENT = ("device-silent", "bike-station-silent")
_STUCK = ("value-stuck-level", "value-stuck-nh3", "value-stuck-flow", "value-stuck-plant")
_APART = (
    "heat-balance", "heat-plant-balance", "heat-room-apart", "heat-room-cold", "heat-valve-stuck", "waste-gas-apart",
    "waste-nh3", "waste-leachate-high", "drain-level-apart", "drain-tank-apart", "drain-pump-no-start", "drain-tank-high",
    "drain-sewer-backed-up", "drain-soil-apart",
)  # fmt: skip

# By which rules whoever is called would be led to the fault; an alarm of another rule does not find it
SAYS: Mapping[str, tuple[str, ...]] = {
    "dock-controller-dead": ("bike-dock-controller",),
    "broken-bikes": ("bike-broken-many",),
    "count-over-capacity": ("bike-over-capacity",),
    "supply-failing": ("bike-supply-low",),
    "compactor-jam": ("waste-compactor-fault",),
    "hydraulic-leak": ("waste-hydraulic-leak",),
    "nh3-release": ("waste-nh3",),
    "weighbridge-drift": ("waste-weighbridge-drift",),
    "container-fire": ("waste-container-fire",),
    "leachate-pump-fault": ("waste-leachate-pump", "waste-leachate-high"),
    "pipe-burst": ("heat-pipe-burst",),
    "exchanger-fouling": ("heat-exchanger-fouled",),
    "circulation-pump-trip": ("heat-circulation-pump",),
    "valve-stuck": ("heat-valve-stuck",),
    "underheated-building": ("heat-room-cold",),
    "pipe-blockage": ("drain-sewer-backed-up", "drain-basin-inflow"),
    "inlet-blocked": ("drain-basin-inflow", "drain-sewer-backed-up"),
    "pump-no-start": ("drain-pump-no-start", "drain-pump-fault", "drain-tank-high"),
    "gauge-clogged": ("drain-rain-gauge-clogged",),
    "underpass-flooding": ("drain-underpass-water",),
    "sensor-stuck": _STUCK,
    "sensor-drift": _APART,
    "device-silent": _SILENT,
    "clock-jump": _SILENT,
    "gateway-down": ("gateway-down",),
    "garbled-payload": ("messages-lost", *_SILENT),
}


class Call(NamedTuple):
    """Somebody was called: from when to when, by which rule, about what."""

    rule: str
    subject: str
    at_ms: int
    end_ms: int


class Outcome(NamedTuple):
    """Of a fault: which rule found it first, "" none; `late_ms` is how long after it showed, less the rule's own wait."""

    label: Label
    rule: str
    late_ms: float
    interval_ms: int


@dataclass
class Verdict:
    start_ms: int
    faults: list[Outcome]
    calls: list[Call]
    false: list[Call]
    ten: list[int]  # alarms in each ten minutes
    gateway_ten: frozenset[int]  # the ten minutes in which a gateway was down
    a_gateway: list[int]  # alarms about what is behind each gateway while it was down

    def heading(self) -> str:
        missed = sum(not outcome.rule for outcome in self.faults)
        return f"{len(self.faults)} faults, {missed} missed; {len(self.calls)} alarms, {len(self.false)} false"

    def lines(self) -> Iterator[str]:
        for label, rule, late_ms, interval_ms in self.faults:
            begun, lasted = (label.from_ms - self.start_ms) / HOUR_MS, (label.to_ms - label.from_ms) / HOUR_MS
            yield (
                f"{label.name:22}{label.device:10}+{begun:5.1f}h for {lasted:4.1f}h sev {label.severity:.2f} "
                f"{rule or 'MISSED':26}{late_ms / interval_ms:6.1f} intervals"
            )
        for call in self.false:
            begun, lasted = (call.at_ms - self.start_ms) / HOUR_MS, (call.end_ms - call.at_ms) / MINUTE_MS
            yield f"FALSE {call.rule:26}{call.subject:14} +{begun:.1f}h for {lasted:.0f} min"
        yield f"by rule {dict(Counter(call.rule for call in self.calls).most_common())}"


def calls_of(changes: Sequence[Alert], end_ms: int) -> list[Call]:
    """An alert that fired, or came back out of suppression. Informational ones are no alarms."""
    open_: dict[str, Call] = {}
    done: list[Call] = []
    for alert in changes:
        told = alert.change is Change.FIRED or (alert.change is Change.RETURNED and alert.state == "firing")
        if told and alert.severity is not Severity.INFORMATIONAL and alert.key not in open_:
            open_[alert.key] = Call(alert.rule, alert.subject, alert.at_ms, end_ms)
        elif alert.change in (Change.RESOLVED, Change.SUPPRESSED) and alert.key in open_:
            done.append(open_.pop(alert.key)._replace(end_ms=alert.at_ms))
    return sorted([*done, *open_.values()], key=lambda call: call.at_ms)


def verdict_on(truth: Truth, calls: list[Call], book: Book, start_ms: int, end_ms: int) -> Verdict:
    devices = truth.devices
    by_device: dict[str, list[Label]] = defaultdict(list)
    faults: dict[str, list[Label]] = defaultdict(list)
    for label in truth.labels:
        if label.kind == "fault":
            faults[label.id].append(label)
        for device in (label.device, *label.touches):
            by_device[device].append(label)
    false: list[Call] = []
    first: dict[str, Call] = {}
    for call in calls:
        about = [label for device in _subjects(call, devices) for label in by_device[device]]
        if not any(_right(call, label) for label in about):
            false.append(call)
        for label in about:
            if label.kind == "fault" and call.rule in SAYS[label.name] and label.from_ms <= call.at_ms < label.to_ms:
                first.setdefault(label.id, call)
    outcomes = [_outcome(same[0], first.get(id_), devices, book) for id_, same in faults.items()]
    down = [same for same in faults.values() if same[0].name == "gateway-down"]
    places = range((end_ms - start_ms) // TEN_MIN_MS)
    counts = Counter((call.at_ms - start_ms) // TEN_MIN_MS for call in calls)
    return Verdict(
        start_ms, outcomes, calls, false, [counts[n] for n in places],
        frozenset(n for same in down for n in places if _during(same[0], start_ms + n * TEN_MIN_MS)),
        [_behind(same, calls, devices) for same in down],
    )  # fmt: skip


def _outcome(label: Label, call: Call | None, devices: Mapping[str, Device], book: Book) -> Outcome:
    interval_ms = devices[label.device].interval_s * SECOND_MS
    if call is None:
        return Outcome(label, "", 0.0, interval_ms)
    late_ms = call.at_ms - (label.shows_ms or label.from_ms) - patience_ms(book, call.rule, interval_ms)
    return Outcome(label, call.rule, max(0.0, late_ms), interval_ms)


def patience_ms(book: Book, rule_id: str, interval_ms: int) -> float:
    """What the rule itself waits for: its `for`, its intervals of silence, its time without a digit's change."""
    rule = book.rules[rule_id]
    counted = book.rules[rule.count.of] if rule.count else rule
    if counted.silent:
        return (counted.silent.quiet if rule.count else counted.silent.intervals) * interval_ms
    still = [
        float(bound.text) * SECOND_MS
        for each in book.compiled
        if each.rule.id == rule_id and each.when
        for term, bound in zip(each.when.tokens, each.when.tokens[2:], strict=False)
        if term.sort == "term" and each.when.terms[term.text].name == "still" and bound.sort == "number"
    ]
    return rule.for_ms + max(still, default=0.0)


def _subjects(call: Call, devices: Mapping[str, Device]) -> Sequence[str]:
    by, _, name = call.subject.partition(":")
    return [id_ for id_, device in devices.items() if getattr(device, by, "") == name] if name else [call.subject]


def _right(call: Call, label: Label) -> bool:
    grace_ms = CONDITION_GRACE_MS if label.kind == "condition" else GRACE_MS
    return call.at_ms < label.to_ms + grace_ms and call.end_ms >= label.from_ms


def _during(label: Label, at_ms: int) -> bool:
    return label.from_ms - TEN_MIN_MS < at_ms < label.to_ms + TEN_MIN_MS


def _behind(labels: Sequence[Label], calls: Sequence[Call], devices: Mapping[str, Device]) -> int:
    """Alarms about silence while a gateway was down; others behind it may go on about what they said before."""
    behind, since, until = {label.device for label in labels}, labels[0].from_ms, labels[0].to_ms + TEN_MIN_MS
    about_silence = (*_SILENT, "gateway-down", "messages-lost")
    return sum(
        call.rule in about_silence and since <= call.at_ms < until and not behind.isdisjoint(_subjects(call, devices))
        for call in calls
    )


@dataclass
class Tally:
    """What all weeks together come to."""

    outcomes: list[Outcome] = field(default_factory=list)
    alarms: int = 0
    false: Counter[str] = field(default_factory=Counter)
    ten: list[int] = field(default_factory=list)
    floods: list[int] = field(default_factory=list)  # minutes of each flood that no gateway excuses
    a_gateway: list[int] = field(default_factory=list)

    def take(self, verdict: Verdict) -> None:
        self.outcomes += verdict.faults
        self.alarms += len(verdict.calls)
        self.false.update(call.rule for call in verdict.false)
        self.ten += verdict.ten
        self.a_gateway += verdict.a_gateway
        run = 0
        for n, count in enumerate([*verdict.ten, 0]):
            if count >= FLOOD and n not in verdict.gateway_ten:
                run += 10
            elif run:
                self.floods.append(run)
                run = 0

    def summary(self) -> dict[str, Any]:
        late = [outcome.late_ms / outcome.interval_ms for outcome in self.outcomes if outcome.rule]
        return {
            "faults": len(self.outcomes),
            "recall": sum(bool(outcome.rule) for outcome in self.outcomes) / max(1, len(self.outcomes)),
            "precision": 1 - self.false.total() / max(1, self.alarms),
            "median_delay_intervals": median(late or [0.0]),
            "alarms": self.alarms,
            "alarms_in_ten_minutes": sum(self.ten) / max(1, len(self.ten)),
            "most_in_ten_minutes": max(self.ten, default=0),
            "share_of_time_in_flood": sum(n >= FLOOD for n in self.ten) / max(1, len(self.ten)),
            "floods": len(self.floods),
            "longest_flood_min": max(self.floods, default=0),
            "alarms_a_gateway": sum(self.a_gateway) / max(1, len(self.a_gateway)),
            "most_alarms_a_gateway": max(self.a_gateway, default=0),
            "kinds": self.kinds(),
            "false": dict(self.false.most_common()),
        }

    def kinds(self) -> dict[str, dict[str, Any]]:
        by_name: dict[str, list[Outcome]] = defaultdict(list)
        for outcome in self.outcomes:
            by_name[outcome.label.name].append(outcome)
        return {
            name: {
                "faults": len(same),
                "found": sum(bool(outcome.rule) for outcome in same),
                "median_delay_intervals": round(median([o.late_ms / o.interval_ms for o in same if o.rule] or [0.0]), 1),
                "median_delay_min": round(median([o.late_ms / MINUTE_MS for o in same if o.rule] or [0.0]), 1),
            }
            for name, same in sorted(by_name.items())
        }

    @property
    def good(self) -> bool:
        summary = self.summary()
        return all((summary[name] - target) * sign >= 0 for name, (target, sign) in TARGETS.items())

    def table(self) -> str:
        """As docs/alerts.md shows it."""
        summary = self.summary()
        lines = ["| fault | found | median delay, intervals | minutes |", "|---|---|---|---|"]
        for name, row in summary["kinds"].items():
            found, late, minutes = f"{row['found']} of {row['faults']}", row["median_delay_intervals"], row["median_delay_min"]
            lines.append(f"| `{name}` | {found} | {late:g} | {minutes:g} |")
        lines += ["", "| | | target |", "|---|---|---|"]
        for name, value in summary.items():
            if isinstance(value, int | float):
                target, sign = TARGETS.get(name, (None, 0))
                wanted = "" if target is None else f"{'at least' if sign > 0 else 'at most'} {target}"
                lines.append(f"| {name.replace('_', ' ')} | {value:.4g} | {wanted} |")
        lines += ["", "False alarms by rule: " + (", ".join(f"`{r}` {n}" for r, n in summary["false"].items()) or "none") + "."]
        return "\n".join(lines)
