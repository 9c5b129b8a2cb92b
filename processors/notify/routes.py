"""Routes: which alerts go where, in which language, how often. A YAML file, checked when it is read."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from processors.rules.load import read_yaml
from processors.rules.model import Hours, Rule
from processors.rules.problems import Problem, RulesError
from processors.rules.seasons import CityClock
from processors.rules.spans import Span
from schemas.alert import Alert, Severity

DEFAULT = Path(__file__).parent / "routes.yaml"


class Route(BaseModel):
    """Empty fields let everything through. `after`: only what has called for so long unacknowledged, which is an escalation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")]
    to: Annotated[tuple[str, ...], Field(min_length=1)]  # apprise URLs, or webhook+http(s)://...
    streams: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    least: Severity = Severity.LOW
    hours: Hours | None = None
    language: Literal["zh", "en"] = "zh"
    group_by: tuple[Literal["rule", "zone", "site", "stream", "gateway"], ...] = ("stream", "zone")
    group_wait: Span = 0
    repeat: Span = 0  # until somebody acknowledges; 0: never
    after: Span = 0
    resolved: bool = True

    def takes(self, alert: Alert, rule: Rule | None, clock: CityClock, now_ms: int) -> bool:
        audience = rule.audience if rule else ()
        return (
            alert.severity.rank >= self.least.rank
            and (not self.streams or alert.stream in self.streams)
            and (not self.zones or alert.zone in self.zones)
            and (not self.audience or any(name in self.audience for name in audience))
            and clock.holds(None, self.hours, now_ms)
        )

    def group(self, alert: Alert) -> tuple[str, ...]:
        return (self.name, *(str(getattr(alert, name)) for name in self.group_by))


class Routes(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    routes: tuple[Route, ...] = ()

    @property
    def addresses(self) -> frozenset[str]:
        return frozenset(to for route in self.routes for to in route.to)


def load_routes(path: Path = DEFAULT) -> Routes:
    """RulesError with file, line and reason."""
    body, lines = read_yaml(path)
    try:
        return Routes.model_validate(body or {})
    except ValidationError as error:
        raise RulesError(
            [
                Problem(str(path), lines.of(one["loc"]), f"{'.'.join(map(str, one['loc']))}: {one['msg']}")
                for one in error.errors(include_url=False)
            ]
        ) from error
