"""All four recordings as fast as they go, through the running pipeline; then the ledger, to the last reading."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.audit import audit
from deploy.cli.feed import default_data
from deploy.demo.recordings import NAMES, present, recorded_devices
from deploy.native.stack import Stack
from deploy.reconcile import Account
from schemas.metric import LOGGER_SENTINELS
from schemas.streams import BY_NAME
from tests.pipeline import Pipeline, running
from tests.servers import guarded_stack

ROOT = Path(__file__).parents[2]
DATA = default_data()

pytestmark = [
    pytest.mark.servers,
    pytest.mark.recordings,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        not DATA.is_dir() or set(present(DATA)) != set(NAMES), reason=f"the recordings are not in {DATA}; set HANAN_DATA"
    ),
]


@pytest.fixture(scope="module", params=["confluent", "kafka-python"])
def played(request: pytest.FixtureRequest) -> Iterator[tuple[Pipeline, dict[str, Account]]]:
    """With a retention that keeps all fifteen months, so that as much as can be stored is."""
    given = {"readings_retention_days": 600, "kafka_client": request.param}
    with guarded_stack(**given) as stack, running(stack, *recorded_devices(DATA)) as pipeline:
        yield pipeline, _play(stack, pipeline)


def _play(stack: Stack, pipeline: Pipeline) -> dict[str, Account]:
    ledger = stack.settings.home / "feed.json"
    command = [sys.executable, "-m", "deploy.cli.main", "feed", "--data", str(DATA), "--speed", "max", "--ledger", str(ledger)]
    environment = {"PATH": "", **stack.settings.as_environment()}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    pipeline.drained()
    return {account.stream: account for account in audit(stack.settings, None, None, json.loads(ledger.read_text()))}


def test_every_sum_closes(played: tuple[Pipeline, dict[str, Account]]) -> None:
    _, accounts = played
    assert {name: account.problems for name, account in accounts.items()} == {name: [] for name in accounts}
    for account in accounts.values():
        assert account.sent == account.acknowledged == account.raw
        assert account.readings_in == account.stored + account.repeats + sum(account.dead.values())
        assert account.stored > 0


def test_the_dirt_of_the_recordings_ends_where_it_should(played: tuple[Pipeline, dict[str, Account]]) -> None:
    _, accounts = played
    assert accounts["bike"].dead["not_json"] == 1  # the file that says 404 Not Found
    assert accounts["bike"].dead["beyond_retention"] == 60  # two stations in thirty snapshots report the second 86400
    assert accounts["bike"].repeats > 3_000  # most stations had nothing new to say within the hour
    assert accounts["waste"].repeats == 2_808
    assert set(accounts["drainage"].dead) == {"no_metric"}  # hours without any value


def test_no_sentinel_of_the_heat_logs_is_stored_as_a_value(played: tuple[Pipeline, dict[str, Account]]) -> None:
    pipeline, accounts = played
    assert accounts["heat"].suspect == accounts["heat"].stored  # every row of every log has one
    floats = {metric.name for kind in BY_NAME["heat"].kinds for metric in kind.metrics if metric.type == "float"}
    values = f"""
        from(bucket: "readings") |> range(start: 2000-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)
          |> filter(fn: (r) => r._measurement =~ /^heat_/ and r._field =~ /^({"|".join(sorted(floats))})$/)
    """
    assert pipeline.query(values + "|> count()")
    sentinels = " or ".join(f"r._value == {sentinel}" for sentinel in LOGGER_SENTINELS)
    assert pipeline.query(values + f"|> filter(fn: (r) => {sentinels}) |> count()") == []
