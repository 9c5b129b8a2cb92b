"""A condition made ready: CEL for what it says, guards for what it costs.

A guard is a comparison with a constant that the condition cannot do without (`nh3_mg_m3 > 5.0` in `nh3_mg_m3 > 5.0 && ...`), or
with what is constant for a device (`param.depth_m - 0.5`). Where one does not hold, neither does the condition, and CEL, at 2 to
12 us an expression, is not asked: most readings are good ones.
"""

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import cel

from processors.rules import functions
from processors.rules.scope import Scope
from processors.rules.terms import OF_GROUP, Term, parts, window_ms
from processors.rules.tokens import Token, Wrong
from processors.rules.translate import Translated, translate

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_COMPARISON = 3  # tokens
_ARITHMETIC = frozenset("+-*/()")


class View(Protocol):
    """What a condition looks at: one device at one moment."""

    def get(self, name: str) -> Any:
        """A metric's good value; None where there is none."""
        ...

    def param(self, name: str) -> Any: ...

    def term(self, term: Term) -> Any: ...

    def bound(self, bound: "Bound") -> Any: ...


class Bound(NamedTuple):
    """What a metric is compared with: the same for all readings of a device."""

    cel: str
    params: tuple[str, ...]

    def of(self, params: Mapping[str, Any]) -> Any:
        """None where the device lacks a param."""
        values = {f"param__{name}": params.get(name) for name in self.params}
        return None if None in values.values() else cel.evaluate(self.cel, values)


class Guard(NamedTuple):
    name: str
    compare: Callable[[Any, Any], bool]
    value: Any
    term: Term | None = None
    bound: Bound | None = None


class Condition:
    """`holds` answers True, False, or None where the reading does not tell."""

    def __init__(self, source: str, scope: Scope) -> None:
        done = translate(source, scope)
        self.source = source
        self.metrics = done.metrics
        self.terms = done.terms
        self.params = done.params
        self.guards = tuple(_guards(done))
        self.window_ms = max((window_ms(term) for term in done.terms.values()), default=0)
        self.compares = any(part.name in OF_GROUP for term in done.terms.values() for part in parts(term))
        try:
            self._program = cel.compile(done.cel)
        except ValueError as error:
            raise Wrong(_first_line(error)) from error
        self._calls = bool(functions.TABLE.keys() & set(self._program.functions()))
        _rehearse(self._program, done, scope)

    def holds(self, view: View) -> bool | None:
        for name, compare, constant, guarded, bound in self.guards:
            value = view.get(name) if guarded is None else view.term(guarded)
            if bound is not None:
                constant = view.bound(bound)  # noqa: PLW2901
            if value is None or constant is None:
                return None
            if not compare(value, constant):
                return False
        variables: dict[str, Any] = {}
        for name in self.metrics:
            value = view.get(name)
            if value is None:
                return None
            variables[name] = float(value) if type(value) is int else value
        for name in self.params:
            value = view.param(name)
            if value is None:
                return None
            variables[f"param__{name}"] = value
        for name, term in self.terms.items():
            value = view.term(term)
            if value is None:
                return None
            variables[name] = value
        try:
            return bool(self._program.execute(self._context(variables)))
        except (RuntimeError, TypeError, ValueError):  # a division that has no result: nothing is known
            return None

    def _context(self, variables: dict[str, Any]) -> Any:
        return cel.Context(variables=variables, functions=dict(functions.TABLE)) if self._calls else variables


def _guards(done: Translated) -> list[Guard]:
    """Of the parts of a conjunction those that compare a metric or a term with a constant, or are a yes or no."""
    found = []
    for part in _conjuncts(done.tokens):
        guard = _guard(part, {*done.metrics, *done.terms})
        if guard:
            found.append(guard._replace(term=done.terms.get(guard.name)))
    return sorted(found, key=lambda guard: guard.term is not None)  # what costs least first


def _conjuncts(tokens: Sequence[Token]) -> list[list[Token]]:
    depth, found = 0, [list[Token]()]
    for token in tokens:
        depth += (token.text in "([") - (token.text in ")]") if token.sort == "mark" else 0
        if depth == 0 and token.text in {"||", "?"}:
            return []
        if depth == 0 and token.text == "&&":
            found.append([])
        else:
            found[-1].append(token)
    return found


def _guard(part: list[Token], metrics: Collection[str]) -> Guard | None:
    names = [token.text for token in part]
    if len(part) == 1 and names[0] in metrics:
        return Guard(names[0], operator.is_, True)
    if len(part) == _COMPARISON - 1 and names[0] == "!" and names[1] in metrics:
        return Guard(names[1], operator.is_, False)
    if len(part) < _COMPARISON:
        return None
    if names[0] in metrics and names[1] in _COMPARE:
        return _bounded(names[0], names[1], part[2:])
    if names[-1] in metrics and names[-2] in _COMPARE:
        return _bounded(names[-1], _TURNED[names[-2]], part[:-2])
    return None


def _bounded(name: str, mark: str, rest: Sequence[Token]) -> Guard | None:
    if len(rest) == 1 and rest[0].sort in {"number", "text"}:
        return Guard(name, _COMPARE[mark], _constant(rest[0]))
    if all(token.sort in {"number", "param"} or token.text in _ARITHMETIC for token in rest):
        params = tuple(token.text.removeprefix("param__") for token in rest if token.sort == "param")
        return Guard(name, _COMPARE[mark], 0.0, bound=Bound(" ".join(token.text for token in rest), params))
    return None


def _constant(token: Token) -> Any:
    return float(token.text) if token.sort == "number" else token.text[1:-1]


def _rehearse(program: cel.Program, done: Translated, scope: Scope) -> None:
    """CEL has no checker here: the expression is tried with values of the declared types, so that most of its parts are met."""
    sorts = [("float", value) for value in (-1e6, 0.5, 1e6)]
    for _, number in sorts:
        variables: dict[str, Any] = {name: scope.example(name, number) for name in done.metrics}
        variables |= {name: "" if term.name == "flag" else number for name, term in done.terms.items()}
        variables |= {f"param__{name}": number for name in done.params}
        try:
            result = program.execute(cel.Context(variables=variables, functions=dict(functions.TABLE)))
        except (RuntimeError, TypeError) as error:
            raise Wrong(_first_line(error)) from error
        except ValueError:  # a number for which a function has no answer
            continue
        if not isinstance(result, bool):
            raise Wrong(f"a condition is true or false, and this is {type(result).__name__}")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
