"""What the devices of one kind in a group say, asked once in each of their intervals: the others of each are all but itself.

So a comparison costs a reading the same however many there are to compare it with; it is with what they said when the first of
them spoke in this interval. When they are asked depends on nothing but the log: a restarted task asks at the same records.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING

from processors.rules.terms import Term

if TYPE_CHECKING:
    from processors.rules.sight import Sight

Question = str | Term
FRESH = 3  # of its intervals in which what a device said still counts


class Answers:
    """To one question, in order of size. `of` has them by device."""

    __slots__ = ("of", "total", "values")

    def __init__(self, of: dict[int, float]) -> None:
        self.of = of
        self.values = sorted(of.values())
        self.total = sum(self.values)


_NOBODY = Answers({})


class Company:
    def __init__(self, questions: Iterable[Question]) -> None:
        self.sights: list[Sight] = []
        self._answers: dict[Question, Answers] = dict.fromkeys(questions, _NOBODY)
        self.next_ms = 0  # when the next interval begins

    def hear(self, sight: "Sight", ts: int, now_ms: int) -> None:
        """One of them is about to speak, the first in an interval: all are asked."""
        interval_ms = sight.past.interval_ms
        self.next_ms = (now_ms // interval_ms + 1) * interval_ms
        fresh = [one for one in self.sights if ts - one.ts <= FRESH * one.past.interval_ms]
        for question in self._answers:
            said = ((id(one), one.value(question)) for one in fresh)
            self._answers[question] = Answers({who: float(value) for who, value in said if value is not None})

    def count(self, sight: "Sight", question: Question) -> int:
        answers = self._answers[question]
        return len(answers.values) - (id(sight) in answers.of)

    def mean(self, sight: "Sight", question: Question) -> float | None:
        answers, count = self._answers[question], self.count(sight, question)
        return (answers.total - answers.of.get(id(sight), 0.0)) / count if count else None

    def most(self, sight: "Sight", question: Question) -> float | None:
        count = self.count(sight, question)
        return self._ranked(sight, question, count - 1) if count else None

    def median(self, sight: "Sight", question: Question) -> float | None:
        count = self.count(sight, question)
        if not count:
            return None
        return (self._ranked(sight, question, (count - 1) // 2) + self._ranked(sight, question, count // 2)) / 2

    def _ranked(self, sight: "Sight", question: Question, rank: int) -> float:
        """Of the others."""
        answers = self._answers[question]
        own = answers.of.get(id(sight))
        passed = own is not None and rank >= bisect_left(answers.values, own)
        return answers.values[rank + passed]
