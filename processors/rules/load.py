"""Packs from their files. What is wrong is said with file, line and reason, and all of it at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from processors.rules.compiled import Compiled, Location, compile_pack
from processors.rules.model import Pack, Rule
from processors.rules.problems import Problem, RulesError

DEFAULT = Path(__file__).parent / "packs"
TESTS = ".tests.yaml"


@dataclass(frozen=True, eq=False)
class Book:
    """All rules in force."""

    compiled: tuple[Compiled, ...]

    @property
    def rules(self) -> Mapping[str, Rule]:
        return {each.rule.id: each.rule for each in self.compiled}

    def of_kind(self, stream: str, kind: str) -> list[Compiled]:
        return [each for each in self.compiled if each.kind and each.stream == stream and each.kind.name == kind]

    def counts(self) -> list[Compiled]:
        return [each for each in self.compiled if each.rule.count]


def pack_files(folder: Path = DEFAULT) -> list[Path]:
    return sorted(path for path in folder.glob("*.yaml") if not path.name.endswith(TESTS))


def load_book(files: Sequence[Path] | None = None) -> Book:
    """RulesError names everything that is wrong with any of the files."""
    problems: list[Problem] = []
    compiled: list[Compiled] = []
    places: dict[str, Problem] = {}
    if files is not None and not files:
        problems.append(Problem("packs", 1, "there are none"))
    for path in pack_files() if files is None else files:
        loaded = _load(path, problems)
        if loaded is None:
            continue
        pack, lines = loaded
        wrong: list[Location] = []
        compiled += compile_pack(pack, wrong)
        problems += [Problem(str(path), lines.of(where), why) for where, why in wrong]
        for number, rule in enumerate(pack.rules):
            here = Problem(str(path), lines.of(("rules", number, "id")), f"there is a rule {rule.id} already")
            if (before := places.setdefault(rule.id, here)) is not here:
                problems.append(here._replace(why=f"{here.why}, in {before.file}:{before.line}"))
            places[f"{rule.id} "] = here
    problems += _references(compiled, places)
    if problems:
        raise RulesError(sorted(problems))
    return Book(tuple(compiled))


def _references(compiled: Sequence[Compiled], places: Mapping[str, Problem]) -> Iterator[Problem]:
    """Rules named by other rules must exist; a file checked alone is let off."""
    known = {each.rule.id for each in compiled}
    for each in {one.rule.id: one for one in compiled}.values():
        rule, here = each.rule, places[f"{each.rule.id} "]
        named = (*(rule.inhibits.rules if rule.inhibits else ()), *((rule.count.of,) if rule.count else ()))
        for name in named:
            if name not in known:
                yield here._replace(why=f"{rule.id} names {name}, and there is no such rule")


class Lines:
    """The line of each key and item of a YAML file."""

    def __init__(self, root: yaml.Node | None) -> None:
        self._root = root

    def of(self, path: Sequence[str | int]) -> int:
        node, line = self._root, 1
        for step in path:
            found = _step(node, step)
            if found is None:
                break
            line, node = found
        return line


def _step(node: yaml.Node | None, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item.start_mark.line + 1, item
    return None


def read_yaml(path: Path) -> tuple[Any, Lines]:
    """RulesError for a file that cannot be read or is no YAML."""
    try:
        text = path.read_text(encoding="utf-8")
        return yaml.safe_load(text), Lines(yaml.compose(text, Loader=yaml.SafeLoader))
    except OSError as error:
        raise RulesError([Problem(str(path), 1, error.strerror or "cannot be read")]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise RulesError([Problem(str(path), mark.line + 1 if mark else 1, why)]) from error


def _load(path: Path, problems: list[Problem]) -> tuple[Pack, Lines] | None:
    try:
        body, lines = read_yaml(path)
    except RulesError as error:
        problems.extend(error.problems)
        return None
    try:
        return Pack.model_validate(body), lines
    except ValidationError as error:
        for one in error.errors(include_url=False):
            if one["type"] == "too_short" and len(error.errors()) > 1:
                continue  # what is short by what is wrong elsewhere
            where = ".".join(str(part) for part in one["loc"])
            why = one["msg"].removeprefix("Value error, ")
            problems.append(Problem(str(path), lines.of(one["loc"]), f"{where}: {why}" if where else why))
        return None
