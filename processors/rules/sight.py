"""One device at one moment, as conditions look at it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from processors.rules.company import Company
from processors.rules.functions import curve_at
from processors.rules.past import Past
from processors.rules.terms import Term
from schemas.moment import Moment, without

_NOTHING: Mapping[str, Any] = {}


class Sight:
    """See `expression.View`. One object a device, moved from reading to reading.

    values  those of the reading; `good` are those of them that are not suspect
    """

    __slots__ = ("_known", "_params", "company", "flags", "good", "past", "ts", "values")

    def __init__(self, past: Past, params: Mapping[str, Any]) -> None:
        self.past = past
        self._params = params
        self._known: dict[Any, Any] = {}  # what has been worked out of this moment
        self.ts = 0
        self.values: Any = None
        self.good: Any = None
        self.flags: Mapping[str, str] = _NOTHING
        self.company: Company | None = None  # those of its group and kind, itself among them

    def move(self, moment: Moment) -> None:
        self.ts = ts = moment.ts
        self.values = good = moment.values
        flags = moment.flags
        if flags:
            self.flags, good = flags, without(good, flags)
        elif self.flags:
            self.flags = _NOTHING
        self.good = good
        if self._known:
            self._known.clear()
        self.past.note(ts, good)

    def under(self, params: Mapping[str, Any], past: Past) -> "Sight":
        """The same moment, seen with other params or another past."""
        other = Sight(past, params)
        other.ts, other.values, other.flags, other.good = self.ts, self.values, self.flags, self.good
        return other

    def with_suspect(self) -> "Sight":
        """The same moment, flagged values included."""
        other = Sight(self.past, self._params)
        other.ts, other.values, other.flags, other.good = self.ts, self.values, self.flags, self.values
        other.company = self.company
        return other

    def get(self, name: str) -> Any:
        return getattr(self.good, name, None)

    def said(self, name: str) -> Any:
        return getattr(self.values, name, None)

    def param(self, name: str) -> Any:
        return self._params.get(name)

    def term(self, term: Term) -> Any:
        if term in self._known:
            return self._known[term]
        found = self._known[term] = _WORK_OUT[term.name](self, *term.arguments)
        return found

    def value(self, argument: str | Term) -> Any:
        return self.get(argument) if isinstance(argument, str) else self.term(argument)


def _window(choose: Callable[[Sequence[float]], float]) -> Callable[[Sight, str, float], float | None]:
    def work_out(sight: Sight, name: str, span_s: float) -> float | None:
        values = sight.past.window(name, round(span_s * 1_000), sight.ts)
        return float(choose(values)) if values else None

    return work_out


def _change(sight: Sight, name: str, span_s: float) -> float | None:
    values = sight.past.window(name, round(span_s * 1_000), sight.ts)
    return float(values[-1] - values[0]) if values else None


def _rate(sight: Sight, name: str, span_s: float) -> float | None:
    change = _change(sight, name, span_s)
    return None if change is None else change / (span_s / 60)


def _held_s(sight: Sight, name: str) -> float | None:
    return sight.past.held_s(sight.past.traced.index(name), sight.ts)


def _curve(sight: Sight, name: str, argument: str | Term) -> float | None:
    points, x = sight.param(name), sight.value(argument)
    return None if x is None or not isinstance(points, tuple | list) else curve_at(points, x)


def _group(
    choose: Callable[[Company, Sight, str | Term], float | None],
) -> Callable[[Sight, str | Term], float | None]:
    def work_out(sight: Sight, argument: str | Term) -> float | None:
        return None if sight.company is None else choose(sight.company, sight, argument)

    return work_out


_WORK_OUT: Mapping[str, Callable[..., Any]] = {
    "mean": _window(lambda values: sum(values) / len(values)),
    "least": _window(min),
    "most": _window(max),
    "spread": _window(lambda values: max(values) - min(values)),
    "change": _change,
    "rate": _rate,
    "still": _held_s,
    "same": _held_s,
    "span": lambda sight, count: sight.past.span(int(count), sight.ts),
    "flag": lambda sight, name: sight.flags.get(name, ""),
    "curve": _curve,
    "others_median": _group(Company.median),
    "others_mean": _group(Company.mean),
    "others_most": _group(Company.most),
    "others_count": _group(lambda company, sight, argument: float(company.count(sight, argument))),
}
