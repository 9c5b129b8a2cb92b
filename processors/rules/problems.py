"""What is wrong with a rule pack. Apart from who loads packs: whoever only says it need not know how they are compiled."""

from collections.abc import Sequence
from typing import NamedTuple


class Problem(NamedTuple):
    file: str
    line: int
    why: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.why}"


class RulesError(ValueError):
    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
