"""What an operator does after a mishap, on real servers: letters sent back, InfluxDB filled from Kafka, the ledger asked."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient

from deploy import children, rewind
from deploy.audit import audit
from deploy.clock import wall_ms
from deploy.letters import Filter
from deploy.native.progress import QuietProgress
from deploy.registry_topic import read_registry
from deploy.replay import replay
from schemas.device import Device
from tests.factories import device
from tests.pipeline import Pipeline, running
from tests.servers import guarded_stack
from tests.waiting import eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
NOW = wall_ms()


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    with guarded_stack() as stack, running(stack) as started:
        yield started


def hanan(pipeline: Pipeline, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", *words],
        cwd=ROOT,
        env={"PATH": "", **pipeline.settings.as_environment()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def say(pipeline: Pipeline, device_id: str, *values: float) -> None:
    for number, value in enumerate(values):
        body = {"ts": NOW - 1_000 * number, "temp_c": value}
        pipeline.publish(f"hanan/heat/indoor/{device_id}/reading", json.dumps(body).encode())


def problems(pipeline: Pipeline) -> list[str]:
    pipeline.drained()
    return [problem for account in audit(pipeline.settings, None, None, {}) for problem in account.problems]


def sent_back(pipeline: Pipeline, *, again: bool = False, **wanted: str) -> int:
    done = replay(pipeline.settings, Filter(**wanted), QuietProgress(), again=again)  # type: ignore[arg-type]
    pipeline.drained()
    return done.sent.total()


def register(pipeline: Pipeline, one: Device) -> None:
    pipeline.register(one)
    eventually(lambda: one.device_id in {known.device_id for known in read_registry(pipeline.settings)})


def test_dead_letters_go_back_once_they_can_live(pipeline: Pipeline) -> None:
    say(pipeline, "NEW-001", 20.0, 20.5, 21.0)
    pipeline.publish("hanan/heat/indoor/NEW-001/reading", b"gibberish")
    pipeline.drained()
    assert len(pipeline.dead(device_id="NEW-001")) == 4

    # Too early: they die again, as new letters of new records, and only those are sent back by the next attempt
    assert sent_back(pipeline, device_id="NEW-001", reason="unknown_device") == 3
    assert len(pipeline.dead(device_id="NEW-001")) == 7
    assert sent_back(pipeline, device_id="NEW-001", reason="unknown_device") == 3
    assert len(pipeline.dead(device_id="NEW-001")) == 10

    register(pipeline, device("NEW-001"))
    assert sent_back(pipeline, device_id="NEW-001", reason="unknown_device") == 3
    assert sorted(row["temp_c"] for row in pipeline.rows("heat_indoor", "NEW-001")) == [20.0, 20.5, 21.0]
    assert sent_back(pipeline, device_id="NEW-001", reason="unknown_device") == 0
    assert problems(pipeline) == []


def test_sending_back_again_changes_nothing(pipeline: Pipeline) -> None:
    before = pipeline.rows("heat_indoor", "NEW-001")
    assert sent_back(pipeline, device_id="NEW-001", reason="unknown_device", again=True) == 3  # messages, of nine letters
    assert pipeline.rows("heat_indoor", "NEW-001") == before
    assert problems(pipeline) == []
    (account,) = [one for one in audit(pipeline.settings, None, None, {}) if one.stream == "heat"]
    assert account.replayed == 12
    assert account.repeats >= 3


def test_the_command_shows_what_it_would_do_and_exports_the_bytes(pipeline: Pipeline, tmp_path: Path) -> None:
    said = hanan(pipeline, "dead", "replay", "--device", "NEW-001", "--reason", "not_json", "--dry-run")
    assert (said.returncode, said.stdout.splitlines()[0]) == (0, "1 messages would go back to raw.heat"), said.stderr
    told = json.loads(hanan(pipeline, "dead", "replay", "--reason", "unknown_device", "--dry-run", "--json").stdout)
    assert told["messages"] == 0
    assert told["skipped"] == {"were sent back before": 9}
    out = tmp_path / "letters.jsonl"
    assert hanan(pipeline, "dead", "export", "--reason", "not_json", "--out", str(out)).returncode == 0
    (row,) = map(json.loads, out.read_text().splitlines())
    assert base64.b64decode(row["payload_base64"]) == b"gibberish"
    assert (row["reason"], row["device_id"]) == ("not_json", "NEW-001")
    listed = json.loads(hanan(pipeline, "dead", "list", "--reason", "unknown_device", "--json").stdout)
    assert all(letter["sent_back"] for letter in listed["letters"])
    assert hanan(pipeline, "dead", "replay", "--reason", "nonsense").returncode == 2


def stop(pipeline: Pipeline, name: str) -> None:
    assert children.stop(pipeline.operation._roles.pop(name)) == 0


def start(pipeline: Pipeline, name: str) -> None:
    pipeline.operation._roles[name] = children.spawn_role(pipeline.settings, name)


def test_an_influxdb_that_lost_everything_is_filled_from_kafka(pipeline: Pipeline) -> None:
    """And not while the role is at work."""
    began_ms = wall_ms()
    say(pipeline, "HI-0002", *(20 + n / 10 for n in range(50)))
    pipeline.drained()
    before = pipeline.rows("heat_indoor", "HI-0002")
    assert len(before) == 50
    places = pipeline.places
    with InfluxDBClient(places.influx_url, places.influx_admin_token, org=places.influx_org) as influx:
        influx.delete_api().delete("2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "", "readings")
    assert pipeline.rows("heat_indoor", "HI-0002") == []
    lost = problems(pipeline)
    assert any("53 readings are not in InfluxDB: indoor HI-0002 at" in problem for problem in lost), lost

    refused = hanan(pipeline, "rewind", "store", "--from", "1h")
    assert refused.returncode == 1
    assert "hanan-store is at work (store-1); stop these processes" in refused.stderr
    stop(pipeline, "store-1")
    dry = json.loads(hanan(pipeline, "rewind", "store", "--from", "1h", "--dry-run", "--json").stdout)
    assert dry["records"]["heat"] >= 53
    planned = rewind.plan(pipeline.settings, "store", began_ms)
    assert 50 <= planned.records["heat"] < dry["records"]["heat"]
    assert hanan(pipeline, "rewind", "store", "--from", "1h").returncode == 0
    start(pipeline, "store-1")
    pipeline.drained()
    assert pipeline.rows("heat_indoor", "HI-0002") == before
    assert problems(pipeline) == []


def test_validate_taken_back_judges_as_it_did(pipeline: Pipeline) -> None:
    before, letters = pipeline.rows("heat_indoor", "HI-0002"), len(pipeline.dead())
    stop(pipeline, "validate-1")
    assert hanan(pipeline, "rewind", "validate", "--from", "1h").returncode == 0
    again = hanan(pipeline, "rewind", "validate", "--from", "1h")
    assert "nothing to do: validate has read nothing received since" in again.stdout
    start(pipeline, "validate-1")
    pipeline.drained()
    assert pipeline.rows("heat_indoor", "HI-0002") == before
    assert len(pipeline.dead()) == letters
    assert problems(pipeline) == []


def test_the_ledger_of_a_system_at_work(pipeline: Pipeline) -> None:
    said = hanan(pipeline, "reconcile")
    assert said.returncode == 0, said.stdout
    assert "every sum closes" in said.stdout
    assert hanan(pipeline, "rewind", "collect", "--from", "1h").returncode == 2
    assert hanan(pipeline, "rewind", "store", "--from", "yesterday").returncode == 2
