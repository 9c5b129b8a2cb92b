"""What most readings are done with: the rules of a kind as one Python function, which names those that deserve a closer look.

It is weaker than the rules' conditions and never stronger: of a condition it takes comparisons between metrics, params, terms and
constants, those last that look through a window; whatever else stands there counts as true. CEL, at 2 to 12 us an expression, is
asked only about the rules that are named, and its answer is the one that counts.
"""

from collections.abc import Mapping, Sequence
from math import nan
from typing import TYPE_CHECKING, Any, Protocol

from processors.rules import functions
from processors.rules.compiled import Compiled
from processors.rules.expression import Condition
from processors.rules.terms import Term
from processors.rules.tokens import Token

if TYPE_CHECKING:
    from processors.rules.sight import Sight

_COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
_ARITHMETIC = frozenset("+-*/(),")
_TRUE = "True"
_LATER = "sight.term"
_TERMS = {
    "span": "past.span({!r}, ts)",
    "still": "past.held_s({}, ts)",
    "same": "past.held_s({}, ts)",
    "flag": "sight.flags.get({!r}, '')",
}


class Sift(Protocol):
    """`before` and `ts` are the times of the reading before and of this one; `params` those of `params_of`."""

    def __call__(self, before: int, ts: int, sight: "Sight", params: Sequence[float]) -> tuple[Compiled, ...]: ...


def params_of(names: Sequence[str], params: Mapping[str, Any]) -> tuple[float, ...]:
    """Those that the function takes, in its order. One that a device lacks makes every comparison false."""
    found = (params.get(name) for name in names)
    return tuple(float(value) if isinstance(value, int | float) else nan for value in found)


def sieve(rules: Sequence[Compiled], params: Sequence[str], traced: Sequence[str]) -> Sift:
    """Of rules with a condition. `traced` are the metrics of which the past knows since when they are what they are."""
    lines = ["def sift(before, ts, sight, params):", " hits = ()", " good, past = sight.good, sight.past", " try:", "  pass"]
    fetched: dict[str, str] = {}
    terms: list[Term] = []
    for number, rule in enumerate(rules):
        writer = _Writer(params, traced, terms, suspect=rule.rule.with_suspect)
        assert rule.when
        test = writer.both([rule.when, rule.given])
        indent = "  "
        names = fetched
        if rule.rule.every:
            lines.append(f"  if before // {rule.rule.every} != ts // {rule.rule.every}:")
            indent, names = "   ", dict(fetched)
        for name, how in writer.variables.items():
            if name not in names:
                names[name] = how
                lines.append(f"{indent}{name} = {how}")
        lines.append(f"{indent}if {test}: hits += rules[{number}]")
    lines += [" except (ArithmeticError, ValueError, TypeError): return everything", " return hits"]
    space: dict[str, Any] = {
        "rules": [(rule,) for rule in rules], "everything": tuple(rules), "terms": terms, "functions": functions.TABLE
    }  # fmt: skip
    exec("\n".join(lines), space)  # noqa: S102  # made of names and numbers that were checked, as namedtuple does it
    made: Sift = space["sift"]
    return made


class _Writer:
    """Conditions as Python text. `variables` are what it needs, with how to come by them; `known` takes up its windows."""

    def __init__(self, params: Sequence[str], traced: Sequence[str], known: list[Term], *, suspect: bool) -> None:
        self._params, self._traced, self._known, self._suspect = params, traced, known, suspect
        self.variables: dict[str, str] = {}
        self._used: dict[str, str] = {}  # by the comparison under way
        self._terms: Mapping[str, Term] = {}
        self._metrics: Sequence[str] = ()

    def both(self, conditions: Sequence[Condition | None]) -> str:
        parts = []
        for condition in conditions:
            if condition:
                self._terms, self._metrics = condition.terms, condition.metrics
                parts.append(self._test(condition.tokens))
        return _both(parts)

    def _test(self, tokens: Sequence[Token]) -> str:
        tokens = _bare(tokens)
        if any(token.text == "?" and depth == 0 for token, depth in _depths(tokens)):
            return _TRUE
        choices = _split(tokens, "||")
        if len(choices) > 1:
            tests = [self._test(choice) for choice in choices]
            return _TRUE if _TRUE in tests else _joined(" or ", tests)
        parts = _split(tokens, "&&")
        if len(parts) > 1:
            return _both([self._test(part) for part in parts])
        return self._comparison(tokens)

    def _comparison(self, tokens: Sequence[Token]) -> str:
        self._used = {}
        denied = tokens[0].text == "!"
        if len(tokens) == 1 + denied and tokens[-1].text in self._metrics:
            test = f"{self._variable(tokens[-1].text)} is {not denied}"
            self.variables |= self._used
            return test
        marks = [n for n, (token, depth) in enumerate(_depths(tokens)) if depth == 0 and token.text in _COMPARISONS]
        if len(marks) != 1:
            return _TRUE
        left, right = self._value(tokens[: marks[0]]), self._value(tokens[marks[0] + 1 :])
        if not left or not right:
            return _TRUE
        self.variables |= {name: how for name, how in self._used.items() if _LATER not in how}
        known = [f"({name} := {how}) is not None" if _LATER in how else f"{name} is not None" for name, how in self._used.items()]
        return " and ".join([*known, f"{left} {tokens[marks[0]].text} {right}"])

    def _value(self, tokens: Sequence[Token]) -> str:
        """Empty for what has no place here."""
        if len(tokens) == 1 and tokens[0].sort == "text":
            return "" if "\\" in tokens[0].text else repr(tokens[0].text[1:-1])
        words = [self._word(token) for token in tokens]
        return " ".join(words) if words and all(words) else ""

    def _word(self, token: Token) -> str:
        name = token.text
        if token.sort == "number" or (token.sort == "mark" and name in _ARITHMETIC):
            return name
        if token.sort == "param":
            return f"params[{self._params.index(name.removeprefix('param__'))}]"
        if token.sort == "term":
            return self._term(self._terms[name])
        if token.sort == "name" and name in self._metrics:
            return self._variable(name)
        return f"functions[{name!r}]" if name in functions.TABLE else ""

    def _variable(self, metric: str) -> str:
        variable = f"raw_{metric}" if self._suspect else f"good_{metric}"
        self._used[variable] = f"sight.values.{metric}" if self._suspect else f"good.{metric}"
        return variable

    def _term(self, term: Term) -> str:
        how = _TERMS.get(term.name)
        if how is None:
            if self._suspect:  # it may see other values than a window does
                return ""
            if term not in self._known:
                self._known.append(term)
            variable = f"later_{self._known.index(term)}"
            self._used[variable] = f"{_LATER}(terms[{self._known.index(term)}])"
            return variable
        argument = int(term.arguments[0]) if term.name == "span" else term.arguments[0]  # type: ignore[arg-type]
        variable = f"{term.name}_{argument}"
        self._used[variable] = how.format(self._traced.index(str(argument)) if argument in self._traced else argument)
        return variable


def _both(tests: Sequence[str]) -> str:
    """What costs least first."""
    return _joined(" and ", sorted((test for test in tests if test != _TRUE), key=lambda test: _LATER in test))


def _joined(word: str, tests: Sequence[str]) -> str:
    return f"({word.join(tests)})" if tests else _TRUE


def _depths(tokens: Sequence[Token]) -> list[tuple[Token, int]]:
    """Each with how many brackets are open around it."""
    found, depth = [], 0
    for token in tokens:
        mark = token.sort == "mark"
        depth -= mark and token.text in ")]"
        found.append((token, depth))
        depth += mark and token.text in "(["
    return found


def _bare(tokens: Sequence[Token]) -> Sequence[Token]:
    """Without brackets around the whole."""
    while len(tokens) > 2 and tokens[0].text == "(" and not any(depth == 0 for _, depth in _depths(tokens)[1:-1]):  # noqa: PLR2004
        tokens = tokens[1:-1]
    return tokens


def _split(tokens: Sequence[Token], mark: str) -> list[list[Token]]:
    found: list[list[Token]] = [[]]
    for token, depth in _depths(tokens):
        if depth == 0 and token.text == mark:
            found.append([])
        else:
            found[-1].append(token)
    return found
