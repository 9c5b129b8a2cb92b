"""`hanan soak`: does it hold, and does its memory."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.cli.common import FAILED, Json, clear_errors, fail, print_json
from deploy.native.progress import progress_to
from deploy.soak.oracle import shown
from deploy.soak.run import Soak
from deploy.soak.run import soak as run_soak
from deploy.soak.trial import Plan, TrialError

EPILOG = "Example: hanan soak --minutes 30"


def soak(
    minutes: Annotated[float, typer.Option(min=0.5, help="How long.")] = 30.0,
    rate: Annotated[float, typer.Option(min=1, help="Messages a second.")] = 150.0,
    every: Annotated[float, typer.Option(min=0, help="About so many seconds between kills; 0 kills nothing.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Of the messages and the kills.")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Keep its data and logs, in <home>/soak.")] = False,
    as_json: Json = False,
) -> None:
    """Steady load on servers and roles of its own, with random kills; ends with the verdict and a plot of memory.

    Exit code 1 when a reading is lost or wrong, or a role ended by itself. What runs already is left alone.
    """
    with clear_errors() as settings:
        try:
            with progress_to(sys.stderr) as progress:
                found = run_soak(settings, minutes, Plan(rate, seed=seed), every, progress, progress.note, keep=keep)
        except TrialError as error:
            fail(str(error))
        if as_json:
            print_json(_as_json(found))
        else:
            _show(found)
        if not found.good:
            raise typer.Exit(FAILED)


def _as_json(found: Soak) -> dict[str, object]:
    verdict = found.verdict
    return {
        "minutes": found.minutes,
        "kills": dict(found.kills),
        "messages": verdict.messages,
        "readings": verdict.readings,
        "lost": len(verdict.lost),
        "wrong": len(verdict.wrong),
        "lost_by_broker": len(verdict.excused),
        "duplicates": verdict.duplicates,
        "ended_by_themselves": list(found.gone),
        "memory": [life._asdict() for life in found.lives],
        "files": [str(path) for path in found.files],
    }


def _show(found: Soak) -> None:
    console = Console(highlight=False)
    table = Table(
        "process", "lived", "MB at first", "at most", "at last", "slope MB/h", title="memory, of the longest life of each"
    )
    for life in found.lives:
        slope = "-" if life.slope_mb_h is None else f"{life.slope_mb_h:+.1f}"
        row = (f"{life.seconds / 60:.1f} min", f"{life.first_mb:.0f}", f"{life.most_mb:.0f}", f"{life.last_mb:.0f}", slope)
        table.add_row(life.name, *row)
    console.print(table)
    for line in found.picture:
        console.print(line)
    verdict = found.verdict
    console.print(f"\n{found.kills.total()} kills in {found.minutes:.0f} minutes; {verdict.readings:,} readings acknowledged")
    for name, count, p50, longest, _ in found.recoveries:
        console.print(f"  readings flow again after {name:12} {count:3} x  p50 {p50:.1f} s  max {longest:.1f} s")
    console.print(
        f"lost {len(verdict.lost)}, wrong {len(verdict.wrong)}, lost by the broker's own memory {len(verdict.excused)}, "
        f"duplicates absorbed {verdict.duplicates:,}"
    )
    for problem in [*shown(verdict.lost), *shown(verdict.wrong), *found.gone]:
        console.print(f"[red]{problem}[/red]")
    console.print("[dim]" + ", ".join(str(path) for path in found.files) + "[/dim]")
