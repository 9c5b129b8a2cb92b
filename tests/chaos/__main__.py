"""The long form: `python -m tests.chaos --kills 200 [--broker rabbitmq] [--client kafka-python]`. See docs/promises.md."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from deploy import logs
from deploy.soak.strikes import PAIRS
from deploy.soak.trial import TrialError
from tests.chaos.cases import CASES
from tests.chaos.parts import PARTS, Choice
from tests.chaos.report import Report


def main(
    kills: Annotated[int, typer.Option(min=1, help="SIGKILLs over all roles, servers and the publisher.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the messages and of the schedule.")] = 1,
    broker: Annotated[str, typer.Option(help="mosquitto | rabbitmq")] = "mosquitto",
    client: Annotated[str, typer.Option(help="confluent | kafka-python")] = "confluent",
    rate: Annotated[float, typer.Option(help="Messages a second.")] = 150.0,
    workers: Annotated[int, typer.Option(min=1, help="Processes of each role.")] = 2,
    lasting: Annotated[float, typer.Option(help="Seconds that each trouble of the cases lasts.")] = 25.0,
    pairs: Annotated[float, typer.Option(min=0, max=1, help="Share of strikes that hit two at once.")] = PAIRS,
    patience: Annotated[float, typer.Option(min=6, help="Seconds of silence after which a group gives partitions away.")] = 10.0,
    spare: Annotated[
        bool, typer.Option("--spare", help="Kill all but the first process of each role, and show its memory.")
    ] = False,
    minutes: Annotated[float, typer.Option(help="No more kills after so long; the verdict then is of those there were.")] = 600.0,
    parts: Annotated[str, typer.Option(help=f"Of {', '.join(PARTS)}.")] = ",".join(PARTS),
    cases: Annotated[str, typer.Option(help=f"Of {', '.join(CASES)}.")] = ",".join(CASES),
    as_json: Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")] = None,
) -> None:
    """Kill things, and hold what InfluxDB has against what was acknowledged. Exit code 1 when anything is lost or wrong."""
    logs.quiet()
    chosen = tuple(cases.split(","))
    choice = Choice(
        kills, seed, broker, client, rate, workers, lasting, chosen, 60 * minutes, pairs, round(1_000 * patience), spare
    )
    began = time.monotonic()

    def say(line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:6.0f} s  {line}\n")

    reports = []
    for part in parts.split(","):
        try:
            report = PARTS[part](choice, say)
        except TrialError as error:
            report = Report(part, ledger=[str(error)])
        reports.append(report)
        sys.stdout.write("\n".join(report.lines()) + "\n")
        sys.stdout.flush()
    if as_json:
        as_json.write_text(json.dumps({"choice": vars(choice), "reports": [report.as_json() for report in reports]}, indent=2))
    bad = [report.part for report in reports if report.problems]
    sys.stdout.write(f"{'NOT what is promised: ' + ', '.join(bad) if bad else 'as promised'}; {broker}, {client}, seed {seed}\n")
    raise typer.Exit(1 if bad else 0)


if __name__ == "__main__":
    typer.run(main)
