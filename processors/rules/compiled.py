"""Rules ready for use: each condition compiled for each kind of device it is for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from processors.rules.expression import Condition
from processors.rules.model import Pack, Rule, Season
from processors.rules.scope import Scope
from processors.rules.terms import Term, parts
from processors.rules.tokens import Wrong
from schemas.alert import Severity
from schemas.kind import Kind
from schemas.streams import find_kind

_TRACED = frozenset({"still", "same"})
MAX_WINDOW_MS = 6 * 3_600_000  # each restart must read this much again


class Location(NamedTuple):
    """Where in a pack something stands, as a path of keys and places."""

    path: tuple[str | int, ...]
    why: str


@dataclass(frozen=True, eq=False)
class Compiled:
    """A rule for one kind. `needs` are the metrics whose past it asks for, with how long."""

    rule: Rule
    stream: str
    kind: Kind | None  # None for a count
    when: Condition | None = None
    given: Condition | None = None
    clear: Condition | None = None
    unless: Condition | None = None
    levels: tuple[tuple[Severity, Condition], ...] = ()
    season: Season | None = None
    needs: Mapping[str, int] = field(default_factory=dict)
    traced: tuple[str, ...] = ()  # the metrics of which it asks since when they are what they are
    recent: int = 0  # how many readings back the longest span(n) looks
    window_ms: int = 0

    @property
    def conditions(self) -> Iterator[Condition]:
        yield from (one for one in (self.when, self.given, self.clear, self.unless) if one)
        yield from (condition for _, condition in self.levels)


def compile_pack(pack: Pack, problems: list[Location]) -> list[Compiled]:
    """All rules of the pack that are right; what is wrong with the others goes to `problems`."""
    done: list[Compiled] = []
    for place, rule in enumerate(pack.rules):
        path = ("rules", place)
        if rule.season and rule.season not in pack.seasons:
            problems.append(Location((*path, "season"), f"the pack has no season {rule.season}"))
            continue
        if rule.count:
            done.append(Compiled(rule, pack.stream, None, season=pack.seasons.get(rule.season)))
            continue
        for number, named in enumerate(rule.kinds):
            stream, _, kind_name = named.rpartition("/")
            stream = stream or pack.stream
            kind = find_kind(stream, kind_name)
            if kind is None:
                problems.append(Location((*path, "kinds", number), f"there is no kind {stream}/{kind_name}"))
                continue
            compiled = _compile(pack, rule, stream, kind, path, problems)
            if compiled:
                done.append(compiled)
    return done


def _compile(
    pack: Pack, rule: Rule, stream: str, kind: Kind, path: tuple[str | int, ...], problems: list[Location]
) -> Compiled | None:
    scope = Scope(kind, pack.values, rule.over)
    before = len(problems)

    def condition(source: str, *where: str | int) -> Condition | None:
        if not source:
            return None
        try:
            made = Condition(source, scope)
        except Wrong as wrong:
            problems.append(Location((*path, *where), f"{source}: {wrong}"))
            return None
        if made.window_ms > MAX_WINDOW_MS:
            problems.append(Location((*path, *where), f"looks back further than {MAX_WINDOW_MS // 3_600_000}h"))
        if made.compares and not rule.compare:
            problems.append(Location((*path, *where), "others_... needs compare: site, zone or district"))
        return made

    when, given, clear = condition(rule.when, "when"), condition(rule.given, "given"), condition(rule.clear, "clear")
    unless = condition(rule.silent.unless, "silent", "unless") if rule.silent else None
    levels = [(level, condition(source, "levels", level.value)) for level, source in rule.levels.items()]
    problems += [Location((*path, "show"), f"{kind.name} has no metric {m}") for m in rule.show if m not in kind.by_name]
    if len(problems) > before:
        return None
    ordered = sorted(((level, made) for level, made in levels if made), key=lambda pair: -pair[0].rank)
    conditions = [one for one in (when, given, clear, unless, *(made for _, made in ordered)) if one]
    terms = [part for one in conditions for term in one.terms.values() for part in parts(term) if not rule.over]
    return Compiled(
        rule, stream, kind, when, given, clear, unless, tuple(ordered), pack.seasons.get(rule.season),
        needs=_needs(terms),
        traced=tuple(str(term.arguments[0]) for term in terms if term.name in _TRACED),
        recent=max((int(term.arguments[0]) for term in terms if term.name == "span"), default=0),  # type: ignore[arg-type]
        window_ms=max((one.window_ms for one in conditions), default=0),
    )  # fmt: skip


def _needs(terms: Sequence[Term]) -> dict[str, int]:
    """Of each metric how much of its past; 0 where only since when it is what it is."""
    needs: dict[str, int] = {}
    for term in terms:
        if term.name in _TRACED:
            needs.setdefault(str(term.arguments[0]), 0)
        elif len(term.arguments) > 1 and term.name != "curve":
            metric = str(term.arguments[0])
            needs[metric] = max(needs.get(metric, 0), round(float(term.arguments[1]) * 1_000))  # type: ignore[arg-type]
    return needs
