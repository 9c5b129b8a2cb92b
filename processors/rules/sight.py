"""One device at one moment, as conditions look at it."""

from collections.abc import Callable, Mapping
from typing import Any

from processors.rules.company import Company
from processors.rules.functions import curve_at
from processors.rules.past import Past
from processors.rules.terms import Term

_NOTHING: Mapping[str, Any] = {}


class Sight:
    """See `expression.View`. One object a device, moved from reading to reading."""

    __slots__ = ("_known", "_params", "company", "flags", "get", "past", "ts", "values")

    def __init__(self, past: Past, params: Mapping[str, Any]) -> None:
        self.past = past
        self._params = params
        self._known: dict[Any, Any] = {}  # what has been worked out of this moment
        self.ts = 0
        self.values: Mapping[str, Any] = _NOTHING
        self.flags: Mapping[str, str] = _NOTHING
        self.get: Callable[[str], Any] = _NOTHING.get
        self.company: Company | None = None  # those of its group and kind, itself among them

    def move(self, ts: int, values: Mapping[str, Any], flags: Mapping[str, str]) -> None:
        self.ts, self.values, self.flags = ts, values, flags
        if self._known:
            self._known.clear()
        good = {name: value for name, value in values.items() if name not in flags} if flags else values
        self.get = good.get
        self.past.note(ts, good)

    def under(self, params: Mapping[str, Any], past: Past) -> "Sight":
        """The same moment, seen with other params or another past."""
        other = Sight(past, params)
        other.ts, other.values, other.flags, other.get = self.ts, self.values, self.flags, self.get
        return other

    def with_suspect(self) -> "Sight":
        """The same moment, flagged values included."""
        other = Sight(self.past, self._params)
        other.ts, other.values, other.flags, other.get = self.ts, self.values, self.flags, self.values.get
        other.company = self.company
        return other

    def param(self, name: str) -> Any:
        return self._params.get(name)

    def term(self, term: Term) -> Any:
        if term in self._known:
            return self._known[term]
        found = self._known[term] = _WORK_OUT[term.name](self, *term.arguments)
        return found

    def value(self, argument: str | Term) -> Any:
        return self.get(argument) if isinstance(argument, str) else self.term(argument)


def _window(choose: Callable[[list[float]], float]) -> Callable[[Sight, str, float], float | None]:
    def work_out(sight: Sight, name: str, span_s: float) -> float | None:
        values = sight.past.window(name, round(span_s * 1_000), sight.ts)
        return float(choose(values)) if values else None

    return work_out


def _change(sight: Sight, name: str, span_s: float) -> float | None:
    ends = sight.past.ends(name, round(span_s * 1_000), sight.ts)
    return None if ends is None else float(ends[1] - ends[0])


def _rate(sight: Sight, name: str, span_s: float) -> float | None:
    change = _change(sight, name, span_s)
    return None if change is None else change / (span_s / 60)


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
    "still": lambda sight, name: sight.past.held_s(name, sight.ts),
    "same": lambda sight, name: sight.past.held_s(name, sight.ts),
    "span": lambda sight, count: sight.past.span(int(count), sight.ts),
    "flag": lambda sight, name: sight.flags.get(name, ""),
    "curve": _curve,
    "others_median": _group(Company.median),
    "others_mean": _group(Company.mean),
    "others_most": _group(Company.most),
    "others_count": _group(lambda company, sight, argument: float(company.count(sight, argument))),
}
