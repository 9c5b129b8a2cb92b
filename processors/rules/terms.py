"""What a condition may ask beside the values of the reading: windows of its past, curves, flags, its neighbours.

A term is taken out of the expression before CEL sees it and worked out beforehand; CEL finds a plain number in its place. So a
condition stays CEL, and no value crosses between the languages that is not needed.
"""

from collections.abc import Mapping
from typing import NamedTuple, Union

Argument = Union[str, float, "Term"]


class Term(NamedTuple):
    name: str
    arguments: tuple[Argument, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(str(argument) for argument in self.arguments)})"


# What each takes: m a numeric metric, s any metric, x a metric or a term, p a param with a curve, d a duration, n a count
WINDOWS: Mapping[str, str] = {
    "mean": "md",  # of the values of the last d
    "least": "md",
    "most": "md",
    "spread": "md",  # most less least
    "change": "md",  # the last value less the first of the last d
    "rate": "md",  # the same, a minute
}
TERMS: Mapping[str, str] = {
    **WINDOWS,
    "still": "m",  # seconds since it last moved by a digit
    "same": "s",  # seconds for which a state has been this one
    "span": "n",  # how many of its intervals the last n readings took, the longest gap counted as one
    "flag": "s",  # the flag of a metric, or ""
    "curve": "px",  # a curve of the registry at a value
    "others_median": "x",  # of the other devices of the group, as far as they have said anything lately
    "others_mean": "x",
    "others_most": "x",
    "others_count": "x",
}
# In rules over windows: g a gauge, c a counter, l any metric with a last value, t a state, w one of its words
OF_WINDOW: Mapping[str, str] = {
    "mean": "g",
    "min": "g",
    "max": "g",
    "p95": "g",
    "last": "l",
    "increase": "c",
    "share": "tw",  # of the time that is known
    "count": "l",  # good values
    "coverage": "",  # readings for each that was due
}
OF_TEXT = frozenset({"flag"})
OF_GROUP = frozenset({"others_median", "others_mean", "others_most", "others_count"})


def parts(term: Term) -> list[Term]:
    """The term and those inside it."""
    inner = [argument for argument in term.arguments if isinstance(argument, Term)]
    return [term, *(each for one in inner for each in parts(one))]


def window_ms(term: Term) -> int:
    """How much of the past it needs."""
    spans = [round(float(each.arguments[1]) * 1_000) for each in parts(term) if _looks_back(each)]  # type: ignore[arg-type]
    return max(spans, default=0)


def _looks_back(term: Term) -> bool:
    return term.name in WINDOWS and len(term.arguments) == len(WINDOWS[term.name])
