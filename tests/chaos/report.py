"""What a part of the suite found, for people and for machines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from deploy.soak.crew import Gone
from deploy.soak.memory import Life
from deploy.soak.oracle import Verdict, shown
from deploy.soak.strikes import Recovery, summary
from tests.chaos.cases import Outcome


@dataclass
class Report:
    """`skipped` says why a part did not run."""

    part: str
    verdict: Verdict = field(default_factory=Verdict)
    kills: Counter[str] = field(default_factory=Counter)
    recoveries: Sequence[Recovery] = ()
    outcomes: Sequence[Outcome] = ()
    gone: Sequence[Gone] = ()
    ledger: Sequence[str] = ()
    lives: Sequence[Life] = ()  # of processes that were never killed
    skipped: str = ""
    seconds: float = 0.0

    @property
    def problems(self) -> list[str]:
        """Why this is not what was promised."""
        found = [f"lost: {lost}" for lost in shown(self.verdict.lost)]
        found += [f"wrong: {wrong}" for wrong in shown(self.verdict.wrong)]
        found += [f"{gone.name} ended by itself with code {gone.code}" for gone in self.gone]
        return found + [f"the ledger: {problem}" for problem in self.ledger]

    def lines(self) -> list[str]:
        if self.skipped:
            return [f"{self.part}: skipped, {self.skipped}"]
        v = self.verdict
        killed = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        age = f" (the oldest {v.oldest_excused_ms / 1_000:.1f} s before its kill)" if v.excused else ""
        repeats = f"sent again to Kafka {v.repeated_by_collect:,}, judged again {v.repeated_by_validate:,}"
        return [
            f"{self.part}: {self.kills.total()} kills in {self.seconds:.0f} s" + (f" ({killed})" if killed else ""),
            f"  {v.messages:,} messages acknowledged: {v.readings:,} readings to be stored, {v.letters:,} to be dead letters",
            f"  LOST {len(v.lost)}, WRONG {len(v.wrong)}, lost by the broker's own memory {len(v.excused)}{age}",
            f"  duplicates absorbed {v.duplicates:,} ({repeats}); verdicts equal to an uninterrupted run's {v.judged:,}",
            f"  windows equal to what the readings make {v.windows:,}"
            + (f"; of {v.windows_skipped} kinds of device not looked at, for late readings" if v.windows_skipped else ""),
            *(
                f"  flows again: {name:12} {count:4} x  p50 {p50:5.1f} s  max {most:5.1f} s, after the restart {later:5.1f} s"
                for name, count, p50, most, later in summary(self.recoveries)
            ),
            *(
                f"  {one.name:36} flows {one.recovery_s:5.1f} s after it; MB at most: "
                + ", ".join(f"{role} {mb:.0f}" for role, mb in one.peaks_mb.items())
                for one in self.outcomes
            ),
            *(
                f"  memory {one.name:12} {one.seconds / 60:5.1f} min  {one.first_mb:4.0f} MB at first,"
                f" {one.most_mb:4.0f} at most, {one.last_mb:4.0f} at last"
                + ("" if one.slope_mb_h is None else f", {one.slope_mb_h:+6.1f} MB/h in its second half")
                for one in self.lives
            ),
            *(f"  PROBLEM {problem}" for problem in self.problems),
        ]

    def as_json(self) -> dict[str, Any]:
        verdict, waits = self.verdict, sorted(one.after_kill_s for one in self.recoveries)
        return {
            "part": self.part,
            "skipped": self.skipped,
            "seconds": round(self.seconds),
            "kills": dict(self.kills),
            "messages": verdict.messages,
            "readings": verdict.readings,
            "letters": verdict.letters,
            "lost": len(verdict.lost),
            "wrong": len(verdict.wrong),
            "lost_by_broker": len(verdict.excused),
            "lost_by_broker_oldest_s": verdict.oldest_excused_ms / 1_000,
            "repeated_by_collect": verdict.repeated_by_collect,
            "repeated_by_validate": verdict.repeated_by_validate,
            "judged": verdict.judged,
            "windows": verdict.windows,
            "windows_skipped": verdict.windows_skipped,
            "flows_again": {
                name: [count, round(p50, 1), round(most, 1)] for name, count, p50, most, _ in summary(self.recoveries)
            },
            "recovery_p50_s": round(median(waits), 1) if waits else None,
            "recovery_max_s": round(waits[-1], 1) if waits else None,
            "cases": {one.name: round(one.recovery_s, 1) for one in self.outcomes},
            "memory_mb": {one.name: {role: round(mb) for role, mb in one.peaks_mb.items()} for one in self.outcomes},
            "memory": [one._asdict() for one in self.lives],
            "problems": self.problems,
        }
