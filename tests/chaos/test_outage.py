"""The commands that measure, in small: an outage of InfluxDB, and a soak of half a minute."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.operation import FLOW
from tests.chaos.outage import measure

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]


def test_after_an_outage_of_influxdb_everything_arrives() -> None:
    figures, verdict = measure(8.0, 300.0, "confluent", 1, lambda _: None)
    assert (figures.lost, figures.wrong) == (0, 0)
    assert figures.readings == verdict.messages > 1_000
    assert figures.backlog > 1_000
    assert set(figures.memory_most_mb) == {f"{role}-1" for role in FLOW}


def test_a_soak_ends_with_its_verdict_and_leaves_its_figures(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HANAN_")}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", "soak", "--minutes", "0.5", "--every", "12", "--json"],
        cwd=ROOT,
        env=environment | {"HANAN_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["lost"], found["wrong"], found["ended_by_themselves"]) == (0, 0, [])
    assert sum(found["kills"].values()) >= 1
    assert {life["name"] for life in found["memory"]} >= {"collect-1", "store-2", "kafka", "influxdb"}
    assert Path(found["files"][0]).read_text().startswith("seconds,process,pid,resident_mb\n")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []  # nothing else is left
