"""The names that a condition may use: the metrics of a kind, its params, the settings of the pack."""

from collections.abc import Mapping
from typing import Any

from processors.rules.terms import OF_WINDOW, TERMS
from schemas.kind import Kind
from schemas.metric import Metric

Settings = Mapping[str, float | str | bool]


class Scope:
    def __init__(self, kind: Kind, settings: Settings, over: str = "") -> None:
        """`over`: of which windows a rule asks; "" for readings."""
        self.kind = kind
        self.over = over
        self.terms = OF_WINDOW if over else TERMS
        self.settings = settings
        self._params = {param.name for param in kind.params}

    def metric(self, name: str) -> Metric | None:
        return self.kind.by_name.get(name)

    def has_param(self, name: str) -> bool:
        return name in self._params

    def example(self, name: str, number: float) -> Any:
        """A value of the metric's type."""
        metric = self.kind.by_name[name]
        if metric.type == "word":
            return metric.states[0]
        return number > 0 if metric.type == "bool" else number
