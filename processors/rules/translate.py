"""From what a rule says to what CEL is told: names looked up, settings put in, terms taken out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from processors.rules import functions
from processors.rules.scope import Scope
from processors.rules.terms import Argument, Term
from processors.rules.tokens import Token, Wrong, number, tokens
from schemas.metric import Aggregation, Nature

_WORDS = frozenset({"true", "false", "in"})
_EQUAL = frozenset({"==", "!="})
_OF_WINDOW = {
    "g": {Nature.GAUGE},
    "c": {Nature.COUNTER},
    "t": {Nature.STATE},
    "l": {Nature.GAUGE, Nature.COUNTER, Nature.STATE},
}


@dataclass
class Translated:
    cel: str = ""
    tokens: list[Token] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    params: list[str] = field(default_factory=list)
    terms: dict[str, Term] = field(default_factory=dict)


def translate(source: str, scope: Scope) -> Translated:
    """Wrong, with a reason, for names that there are not."""
    if not source.strip():
        raise Wrong("the condition is empty")
    done = Translated()
    reader = _Reader(tokens(source), scope)
    while reader.left:
        done.tokens.append(_next(reader, done, scope))
    _check_words(done.tokens, scope)
    done.cel = " ".join(token.text for token in done.tokens)
    return done


class _Reader:
    def __init__(self, given: Sequence[Token], scope: Scope) -> None:
        self._tokens, self._at, self.scope = given, 0, scope

    @property
    def left(self) -> bool:
        return self._at < len(self._tokens)

    def take(self, expected: str = "") -> Token:
        if not self.left:
            raise Wrong(f"ends where {expected or 'something'} should follow")
        token = self._tokens[self._at]
        if expected and token.text != expected:
            raise Wrong(f"{token.text!r} where {expected!r} should stand")
        self._at += 1
        return token

    def calls(self) -> bool:
        return self.left and self._tokens[self._at].text == "("

    def term(self, name: str) -> Term:
        self.take("(")
        signature, arguments = self.scope.terms[name], list[Argument]()
        for place, wanted in enumerate(signature):
            if place:
                self.take(",")
            arguments.append(self._of_window(name, wanted, arguments) if self.scope.over else self._argument(name, wanted))
        self.take(")")
        return Term(name, tuple(arguments))

    def _argument(self, name: str, wanted: str) -> Argument:
        token = self.take()
        if wanted in "dn":
            return self._number(name, token)
        if token.sort != "name":
            raise Wrong(f"{name} takes a name, not {token.text}")
        if wanted == "p":
            return self._param(name, token.text.removeprefix("param."))
        if wanted == "x" and token.text in self.scope.terms and self.calls():
            return self.term(token.text)
        metric = self.scope.metric(token.text)
        if metric is None:
            raise Wrong(unknown(token.text, self.scope))
        if wanted != "s" and metric.type not in {"float", "int"}:
            raise Wrong(f"{name} takes a number, and {token.text} is a {metric.type}")
        return token.text

    def _of_window(self, name: str, wanted: str, before: Sequence[Argument]) -> Argument:
        token = self.take()
        if wanted == "w":
            state = self.scope.metric(str(before[0]))
            word = token.text[1:-1]
            if token.sort != "text" or state is None or word not in (state.states or ("true", "false")):
                raise Wrong(f"{name} takes a word that {before[0]} may say, not {token.text}")
            return word
        metric = self.scope.metric(token.text)
        if metric is None:
            raise Wrong(unknown(token.text, self.scope))
        if metric.nature not in _OF_WINDOW[wanted] or (name == "p95" and Aggregation.P95 not in metric.aggregations):
            raise Wrong(f"windows have no {name} of {token.text}, which is a {metric.nature.value}")
        return token.text

    def _number(self, name: str, token: Token) -> float:
        if token.sort == "name" and token.text.startswith("setting."):
            token = setting(token.text, self.scope)
        if token.sort != "number":
            raise Wrong(f"{name} takes a number or a duration here, not {token.text}")
        return float(token.text)

    def _param(self, name: str, param: str) -> str:
        if not self.scope.has_param(param):
            raise Wrong(f"{name}: {self.scope.kind.name} has no param {param}")
        return param


def _next(reader: _Reader, done: Translated, scope: Scope) -> Token:
    token = reader.take()
    if token.sort != "name" or token.text in _WORDS:
        return token
    name = token.text
    if reader.calls():
        if name in scope.terms:
            term = reader.term(name)
            variable = next((known for known, same in done.terms.items() if same == term), f"term__{len(done.terms)}")
            done.terms[variable] = term
            return Token("term", variable)
        if name not in functions.TABLE:
            raise Wrong(f"there is no function {name}; there are {', '.join(sorted([*functions.TABLE, *scope.terms]))}")
        return token
    if name.startswith("setting."):
        return setting(name, scope)
    if name.startswith("param."):
        param = name.removeprefix("param.")
        if not scope.has_param(param):
            raise Wrong(f"{scope.kind.name} has no param {param}")
        if param not in done.params:
            done.params.append(param)
        return Token("param", f"param__{param}")
    if scope.metric(name) is None:
        raise Wrong(unknown(name, scope))
    if scope.over:
        raise Wrong(f"{name} is many values over {scope.over}; ask for one of {', '.join(scope.terms)}")
    if name not in done.metrics:
        done.metrics.append(name)
    return token


def setting(name: str, scope: Scope) -> Token:
    """A setting stands for its value."""
    name = name.removeprefix("setting.")
    if name not in scope.settings:
        raise Wrong(f"the pack has no setting {name}")
    value = scope.settings[name]
    if isinstance(value, bool):
        return Token("name", "true" if value else "false")
    return Token("text", f'"{value}"') if isinstance(value, str) else Token("number", number(value))


def unknown(name: str, scope: Scope) -> str:
    return f"{scope.kind.name} has no metric {name}; it has {', '.join(scope.kind.by_name)}"


def _check_words(given: Sequence[Token], scope: Scope) -> None:
    """A state that is compared with a word it never says would be false for ever, and CEL would not mind."""
    for name, mark, word in zip(given, given[1:], given[2:], strict=False):
        metric = scope.metric(name.text) if name.sort == "name" else None
        if metric is None or not metric.states:
            continue
        if mark.text in _EQUAL and word.sort == "text" and word.text[1:-1] not in metric.states:
            raise Wrong(f"{name.text} is never {word.text}; it is one of {', '.join(metric.states)}")
        if mark.text == "in":
            listed = given[given.index(word) + 1 :]
            for each in listed[: next((n for n, token in enumerate(listed) if token.text == "]"), 0)]:
                if each.sort == "text" and each.text[1:-1] not in metric.states:
                    raise Wrong(f"{name.text} is never {each.text}; it is one of {', '.join(metric.states)}")
