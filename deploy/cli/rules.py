"""`hanan rules`: the packs, checked and tested before they go into force."""

from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.cli.common import FAILED, Json, fail, print_json
from processors.rules.load import Book, load_book, pack_files
from processors.rules.problems import RulesError
from processors.rules.rehearse import run
from processors.rules.spans import text_of

app = typer.Typer(help="Rules for alerts: check, test and list them.", no_args_is_help=True)

Files = Annotated[list[Path] | None, typer.Argument(help="Packs; without, those that Hanan comes with.")]


def _files(given: list[Path] | None) -> list[Path]:
    return list(given) if given else pack_files()


def _book(files: list[Path]) -> Book:
    try:
        return load_book(files)
    except RulesError as error:
        fail(str(error), FAILED)


@app.command(epilog="Example: hanan rules check processors/rules/packs/heat.yaml")
def check(files: Files = None) -> None:
    """Refuse what names an unknown metric, does not compile or contradicts itself: file, line and reason, all at once."""
    paths = _files(files)
    book = _book(paths)
    Console().print(f"{len(book.rules)} rules in {len(paths)} packs are right", highlight=False)


@app.command("test", epilog="Example: hanan rules test --rule heat-room-cold")
def rehearse(
    files: Files = None,
    rule: Annotated[str, typer.Option(help="Only the tests of this rule.")] = "",
    as_json: Json = False,
) -> None:
    """Run the rules' own tests, which stand beside each pack in <pack>.tests.yaml; exit code 1 when one fails."""
    paths = _files(files)
    book = _book(paths)
    try:
        verdicts = list(run(book, paths, rule))
    except RulesError as error:
        fail(str(error), FAILED)
    covered: dict[str, set[bool]] = defaultdict(set)
    for verdict in verdicts:
        covered[verdict.case.rule].add(any("firing" in line for line in verdict.case.expect))
    bare = [] if rule else [id_ for id_ in book.rules if covered[id_] != {True, False}]
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if as_json:
        rows = [{"rule": v.case.rule, "name": v.case.name, "passed": v.passed, "got": v.got} for v in verdicts]
        print_json({"tests": rows, "not_covered": bare})
    else:
        console = Console()
        for verdict in failed:
            console.print(
                f"{verdict.file}:{verdict.line}: {verdict.case.rule}: {verdict.case.name}", style="red", highlight=False
            )
            console.print(f"  wanted  {'; '.join(verdict.case.expect) or 'nothing'}", highlight=False)
            console.print(f"  got     {'; '.join(verdict.got) or 'nothing'}", highlight=False)
        console.print(f"{len(verdicts) - len(failed)} of {len(verdicts)} tests pass", highlight=False)
        for id_ in bare:
            console.print(
                f"{id_} has not both a test in which it fires and one in which it does not", style="yellow", highlight=False
            )
    if failed or bare or not verdicts:
        raise typer.Exit(FAILED)


@app.command("list", epilog="Example: hanan rules list --stream heat")
def list_(
    files: Files = None,
    stream: Annotated[str, typer.Option(help="Only rules for this stream.")] = "",
    as_json: Json = False,
) -> None:
    """Show all rules: for what, when, how grave, and who is told."""
    book = _book(_files(files))
    kinds: dict[str, list[str]] = defaultdict(list)
    for each in book.compiled:
        if each.kind:
            kinds[each.rule.id].append(f"{each.stream}/{each.kind.name}")
    rules = [rule for id_, rule in book.rules.items() if not stream or any(k.startswith(f"{stream}/") for k in kinds[id_])]
    if as_json:
        print_json([rule.model_dump(mode="json", by_alias=True) | {"kinds": kinds[rule.id]} for rule in rules])
        return
    table = Table("rule", "for", "severity", "after", "what it says", "told")
    for rule in rules:
        grades = " to ".join([rule.severity.value, *(level.value for level in rule.levels)][:: max(1, len(rule.levels))])
        about = ", ".join(kinds[rule.id][:2]) + (f" and {len(kinds[rule.id]) - 2} more" if len(kinds[rule.id]) > 2 else "")  # noqa: PLR2004
        after = f"{rule.silent.intervals:g} intervals" if rule.silent else text_of(rule.for_ms)
        table.add_row(
            rule.id,
            about or f"each {rule.count.by}" if rule.count else about,
            grades,
            after,
            rule.en.summary,
            ", ".join(rule.audience),
        )
    Console().print(table)
