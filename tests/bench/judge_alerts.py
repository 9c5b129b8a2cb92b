"""Judges the packs over simulated weeks.

    python -m tests.bench.judge_alerts --seeds 101-104 --days 7 --faults 40 --start 2026-01-12

The city's messages go through the real validate and alert tasks, without Kafka; its truth is compared with the alerts.
"""

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from deploy.demo.city.city import City
from deploy.demo.city.district import load_district
from deploy.demo.city.faults.truth import Label
from processors.rules.load import Book, load_book
from processors.rules.world import World
from processors.validate import ValidateTask
from schemas import codec, topics
from schemas.alert import Alert, Change, Severity
from schemas.device import Device, Registry, encode
from schemas.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, parse_rfc3339
from schemas.ports import Position, Record
from schemas.streams import BY_NAME

TOLERANCE = 2  # intervals before a fault is over in which an alert may come, and after it
GRACE_MS = 3 * HOUR_MS  # after a fault's end in which an alert may still be about it: rooms warm slowly, sewers run empty
TEN_MIN_MS = 10 * MINUTE_MS
FLOOD = 10


class Raised(NamedTuple):
    rule: str
    subject: str
    at_ms: int
    end_ms: int
    severity: Severity
    zone: str
    gateway: str
    site: str


def run(seed: int, start_ms: int, days: float, faults: int, streams: Sequence[str]) -> dict[str, Any]:
    """One seed's week: everything that is needed to judge it."""
    city = City(load_district(), seed, start_ms, streams=streams)
    with closing(city):
        city.draw_faults(faults, days)
        book = load_book()
        world = World(book, city.devices)
        registry = Registry()
        for device in city.devices:
            registry.apply(device.device_id, encode(device))
        validators = {name: ValidateTask(BY_NAME[name], registry, 30 * DAY_MS, Position(0)) for name in streams}
        offsets: Counter[str] = Counter()
        end_ms = start_ms + round(days * DAY_MS)
        readings, began, alert_s = 0, time.process_time(), 0.0
        for minute_ms, minute in zip(range(start_ms, end_ms, MINUTE_MS), city.minutes(end_ms), strict=False):
            for stream in streams:
                records = list(records_of(stream, minute, minute_ms, offsets))
                made = validators[stream].feed(records).records
                wanted = topics.reading(stream)
                batch = [
                    codec.decode_reading(stream, out.value or b"") if out.key else out.timestamp_ms
                    for out in made
                    if out.topic == wanted
                ]
                readings += sum(not isinstance(each, int) for each in batch)
                before = time.process_time()
                world.read(stream, batch)
                alert_s += time.process_time() - before
        labels = city.truth()
        intervals = {fault.id: city.reporters[fault.device].interval_ms for fault in city.faults}
    return {
        "labels": labels, "alerts": raised(world.changes, end_ms), "devices": {d.device_id: d for d in city.devices},
        "book": book, "readings": readings, "cpu_s": time.process_time() - began, "alert_s": alert_s, "days": days,
        "start_ms": start_ms, "seed": seed, "intervals": intervals,
    }  # fmt: skip


def records_of(stream: str, minute: Sequence[Any], minute_ms: int, offsets: Counter[str]) -> Iterator[Record]:
    """What a collector makes of a minute: messages in order, and a tick every ten seconds."""
    topic = topics.raw(stream)
    events: list[tuple[int, Any]] = [(message.at_ms, message) for message in minute if message.topic.stream == stream]
    events += [(minute_ms + n * 10 * SECOND_MS, None) for n in range(6)]
    for at_ms, message in sorted(events, key=lambda event: event[0]):
        offset = offsets[topic]
        offsets[topic] += 1
        stamp = ((topics.RECEIVED_AT, b"%d" % at_ms),)
        if message is None:
            yield Record(topic, 0, offset, None, b"", stamp, at_ms)
        else:
            headers = ((topics.MQTT_TOPIC, str(message.topic).encode()), *stamp)
            yield Record(topic, 0, offset, message.topic.device_id.encode(), message.payload, headers, at_ms)


def raised(changes: Sequence[Alert], end_ms: int) -> list[Raised]:
    """Every time that somebody was called: an alert fired, or came back out of suppression. Informational ones are no alarms."""
    calls: dict[str, Raised] = {}
    done: list[Raised] = []
    for alert in changes:
        told = alert.change is Change.FIRED or (alert.change is Change.RETURNED and alert.state == "firing")
        if told and alert.severity is not Severity.INFORMATIONAL and alert.key not in calls:
            calls[alert.key] = Raised(
                alert.rule, alert.subject, alert.at_ms, end_ms, alert.severity, alert.zone, alert.gateway, alert.site
            )
        elif alert.change in (Change.RESOLVED, Change.SUPPRESSED) and alert.key in calls:
            done.append(calls.pop(alert.key)._replace(end_ms=alert.at_ms))
    return sorted([*done, *calls.values()], key=lambda each: each.at_ms)


def judge(result: dict[str, Any]) -> dict[str, Any]:
    """Each fault: found or missed, after how long. Each alert: about a fault, about a condition, or about nothing."""
    labels: list[Label] = result["labels"]
    alerts: list[Raised] = result["alerts"]
    devices: dict[str, Device] = result["devices"]
    by_device: dict[str, list[Label]] = defaultdict(list)
    faults: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        if label.kind == "fault":
            faults[label.id].append(label)
        for device in (label.device, *label.touches):
            by_device[device].append(label)
    false, right = [], 0
    first: dict[str, tuple[int, Raised]] = {}
    for alert in alerts:
        about = [label for device in _subjects(alert, devices) for label in by_device[device] if _near(alert, label)]
        if about:
            right += 1
        else:
            false.append(alert)
        for label in about:
            if label.kind == "fault" and (label.id not in first or alert.at_ms < first[label.id][0]):
                first[label.id] = (alert.at_ms, alert)
    outcome = []
    for id_, same in faults.items():
        label = same[0]
        found = first.get(id_)
        shows = label.shows_ms or label.from_ms
        delay = None
        if found:
            delay = max(0, found[0] - shows - patience_ms(result["book"], found[1], devices))
        outcome.append((label, found[1].rule if found else "", delay))
    return {"faults": outcome, "false": false, "right": right, "alerts": alerts}


def patience_ms(book: Book, alert: Raised, devices: dict[str, Device]) -> float:
    """What the rule itself waits for: its `for`, its intervals of silence, its time without a digit's change."""
    rule = book.rules[alert.rule]
    counted = book.rules[rule.count.of] if rule.count else rule
    device = devices.get(alert.subject)
    interval_ms = device.interval_s * 1_000 if device else MINUTE_MS
    if counted.silent:
        return (counted.silent.quiet if rule.count else counted.silent.intervals) * interval_ms
    still = [
        guard.value * 1_000
        for each in book.compiled
        if each.rule.id == rule.id and each.when
        for guard in each.when.guards
        if guard.term is not None and guard.term.name == "still"
    ]
    return float(rule.for_ms + max(still, default=0))


def _subjects(alert: Raised, devices: dict[str, Device]) -> Sequence[str]:
    by, _, name = alert.subject.partition(":")
    return [id_ for id_, device in devices.items() if getattr(device, by, "") == name] if name else [alert.subject]


def _near(alert: Raised, label: Label) -> bool:
    grace = 30 * MINUTE_MS if label.kind == "condition" else GRACE_MS
    return alert.at_ms < label.to_ms + grace and alert.end_ms >= label.from_ms


def loads(alerts: Sequence[Raised], start_ms: int, days: float) -> list[int]:
    """Alarms in each ten minutes."""
    counts = Counter((alert.at_ms - start_ms) // TEN_MIN_MS for alert in alerts)
    return [counts[n] for n in range(round(days * DAY_MS / TEN_MIN_MS))]


class Tally:
    """What all seeds together come to."""

    def __init__(self) -> None:
        self.by_kind: dict[str, list[tuple[bool, float]]] = defaultdict(list)
        self.totals: Counter[str] = Counter()
        self.false_rules: Counter[str] = Counter()
        self.ten: list[int] = []

    def take(self, result: dict[str, Any], found: dict[str, Any], *, verbose: bool) -> None:
        for label, rule, delay in found["faults"]:
            device = result["devices"][label.device]
            self.by_kind[label.name].append((bool(rule), (delay or 0) / result["intervals"][label.id]))
            if verbose:
                say(
                    f"  {label.name:24}{label.device:10}{(label.to_ms - label.from_ms) / HOUR_MS:6.1f}h sev {label.severity:.2f} "
                    f"{rule or 'MISSED':26}{(delay or 0) / MINUTE_MS:8.1f} min of {device.interval_s} s"
                )
        for alert in found["false"]:
            self.false_rules[alert.rule] += 1
            if verbose:
                hours, minutes = (alert.at_ms - result["start_ms"]) / HOUR_MS, (alert.end_ms - alert.at_ms) / MINUTE_MS
                say(f"  FALSE {alert.rule:26}{alert.subject:14} +{hours:.1f}h for {minutes:.0f} min")
        self.ten += loads(found["alerts"], result["start_ms"], result["days"])
        self.totals.update(right=found["right"], false=len(found["false"]), readings=result["readings"])
        say(
            f"seed {result['seed']}: {result['readings']:,} readings, {len(found['alerts'])} alarms, "
            f"{len(found['false'])} false; {result['cpu_s']:.0f} s CPU; by rule {dict(Counter(a.rule for a in found['alerts']))}"
        )

    def report(self) -> dict[str, Any]:
        kinds = {}
        for name, rows in sorted(self.by_kind.items()):
            delays = [delay for hit, delay in rows if hit]
            middle = round(median(delays), 1) if delays else None
            kinds[name] = {"faults": len(rows), "found": sum(hit for hit, _ in rows), "median_delay_intervals": middle}
            say(f"{name:26}{kinds[name]['found']:4} of {len(rows):3}   median {middle} intervals beyond the rule's own wait")
        every = [row for rows in self.by_kind.values() for row in rows]
        alarms = self.totals["right"] + self.totals["false"]
        summary = {
            "recall": sum(hit for hit, _ in every) / max(1, len(every)),
            "precision": self.totals["right"] / max(1, alarms),
            "median_delay_intervals": median([delay for hit, delay in every if hit] or [0.0]),
            "alarms": alarms,
            "alarms_in_ten_minutes": sum(self.ten) / max(1, len(self.ten)),
            "most_in_ten_minutes": max(self.ten, default=0),
            "share_of_time_in_flood": sum(n >= FLOOD for n in self.ten) / max(1, len(self.ten)),
        }
        for name, value in summary.items():
            say(f"{name:28}{value:.4g}")
        say(f"false by rule {dict(self.false_rules)}")
        return summary | {"kinds": kinds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="101")
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--start", default="2026-01-12")
    parser.add_argument("--streams", default="bike,waste,heat,drainage")
    parser.add_argument("--json", type=Path)
    parser.add_argument("-v", action="store_true")
    given = parser.parse_args()
    low, _, high = given.seeds.partition("-")
    start_ms = parse_rfc3339(f"{given.start}T00:00:00+08:00")
    tally = Tally()
    for seed in range(int(low), int(high or low) + 1):
        result = run(seed, start_ms, given.days, given.faults, given.streams.split(","))
        tally.take(result, judge(result), verbose=given.v)
    report = tally.report()
    if given.json:
        given.json.write_text(json.dumps(report, indent=2))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
