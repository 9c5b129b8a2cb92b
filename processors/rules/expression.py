"""A condition made ready for CEL, which is asked of one device at one moment."""

from typing import Any, Protocol

import cel

from processors.rules import functions
from processors.rules.scope import Scope
from processors.rules.terms import OF_GROUP, Term, parts, window_ms
from processors.rules.tokens import Wrong
from processors.rules.translate import Translated, translate


class View(Protocol):
    """What a condition looks at: one device at one moment, or over one window."""

    def get(self, name: str) -> Any:
        """A metric's good value; None where there is none."""
        ...

    def said(self, name: str) -> Any:
        """A metric's value, suspect or not."""
        ...

    def param(self, name: str) -> Any: ...

    def term(self, term: Term) -> Any: ...


class Condition:
    """`holds` answers True, False, or None where the reading does not tell."""

    def __init__(self, source: str, scope: Scope) -> None:
        done = translate(source, scope)
        self.source = source
        self.metrics = done.metrics
        self.terms = done.terms
        self.params = done.params
        self.tokens = tuple(done.tokens)
        self.window_ms = max((window_ms(term) for term in done.terms.values()), default=0)
        self.compares = any(part.name in OF_GROUP for term in done.terms.values() for part in parts(term))
        try:
            self._program = cel.compile(done.cel)
        except ValueError as error:
            raise Wrong(_first_line(error)) from error
        self._calls = bool(functions.TABLE.keys() & set(self._program.functions()))
        _rehearse(self._program, done, scope)

    def holds(self, view: View) -> bool | None:
        """What is not known is left out: CEL decides where the rest does, as in `false && unknown`."""
        variables: dict[str, Any] = {}
        for name in self.metrics:
            value = view.get(name)
            if value is not None:
                variables[name] = float(value) if type(value) is int else value
        for name in self.params:
            value = view.param(name)
            if value is not None:
                variables[f"param__{name}"] = value
        for name, term in self.terms.items():
            value = view.term(term)
            if value is not None:
                variables[name] = value
        try:
            return bool(self._program.execute(self._context(variables)))
        except (RuntimeError, TypeError, ValueError):  # unknown, or a division that has no result
            return None

    def _context(self, variables: dict[str, Any]) -> Any:
        return cel.Context(variables=variables, functions=dict(functions.TABLE)) if self._calls else variables


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
