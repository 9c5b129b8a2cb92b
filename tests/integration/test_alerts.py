"""From a reading to a person on real servers: told once, whatever is restarted, killed or played again."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deploy import children
from deploy.clock import wall_ms
from deploy.roles import groups
from processors.io.kafka_admin import Admin
from processors.io.kafka_read import read_all
from schemas import topics
from schemas.alert import CLOCK_KEY, DELIVERY, decode
from schemas.streams import BY_NAME
from tests.factories import device
from tests.pipeline import Pipeline, running
from tests.servers import guarded_stack
from tests.waiting import eventually
from tests.webhook import Webhook, webhook

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
RULE = "waste-container-fire"
BINS = [device(f"BIN-90{n}", "waste", "bin", site=f"S{n}", params={"volume_m3": 1.1}) for n in range(4)]
PATIENCE_S = 120
ROUTES = """
routes:
  - {name: crew, to: ["secret:crew"], streams: [waste], least: high, group_by: [site], language: en}
  - {name: others, to: ["log://"], streams: [bike]}
"""


@pytest.fixture(scope="module")
def hook() -> Iterator[Webhook]:
    with webhook() as started:
        yield started


@pytest.fixture(scope="module")
def pipeline(hook: Webhook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    routes = tmp_path_factory.mktemp("routes") / "routes.yaml"
    routes.write_text(ROUTES)
    with guarded_stack(alert_routes=routes) as stack:
        secret = stack.settings.home / "secrets" / "notify" / "crew"
        secret.parent.mkdir(parents=True)
        secret.write_text(f"webhook+{hook.url}\n")
        with running(stack, *BINS) as started:
            yield started


def hanan(pipeline: Pipeline, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", *words],
        cwd=ROOT,
        env={"PATH": "", "USER": "tester", "COLUMNS": "200", **pipeline.settings.as_environment()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


_said_ms = [0]


def say(pipeline: Pipeline, number: int, temp_c: float, ts_ms: int = 0) -> bytes:
    """Two in the same millisecond would be one reading and its repeat."""
    _said_ms[0] = max(wall_ms(), _said_ms[0] + 1)
    status = "burning" if temp_c > 90 else "ok"
    body = json.dumps({"ts": ts_ms or _said_ms[0], "temp_c": temp_c, "fill": 0.4, "status": status}).encode()
    pipeline.publish(f"hanan/waste/bin/{BINS[number].device_id}/reading", body)
    return body


def read_up(pipeline: Pipeline) -> None:
    """The alert role has read all that was sent, up to the ticks of the last moment."""
    pipeline.drained()
    with closing(Admin(pipeline.places.kafka_bootstrap)) as admin:
        wanted = [topics.reading(name) for name in BY_NAME]
        eventually(lambda: max(admin.lag(groups.ALERT, wanted).values()) <= 2, PATIENCE_S, 0.2, "the alert role has read all")


def start(pipeline: Pipeline, name: str) -> None:
    pipeline.operation._roles[name] = children.spawn_role(pipeline.settings, name)
    eventually(lambda: name in {one.name for one in children.running(pipeline.settings.home)}, 60, 0.1, f"{name} runs")


def stop(pipeline: Pipeline, name: str, *, kill: bool = False) -> None:
    child = pipeline.operation._roles.pop(name)
    if kill:
        child.kill()
    children.stop(child)


def members(pipeline: Pipeline, group: str, *names: str) -> bool:
    with closing(Admin(pipeline.places.kafka_bootstrap)) as admin:
        return admin.members(group) == sorted(names)


def changes(pipeline: Pipeline) -> list[tuple[str, int, str]]:
    """All changes in the topic, each once: subject, number, what."""
    records = read_all(pipeline.places.kafka_bootstrap, [topics.ALERT])
    known = [decode(record.value) for record in records if record.value and record.key != CLOCK_KEY]
    return sorted({(f"{one.id} {one.subject}", one.n, one.change.value) for one in known if one.rule == RULE and one.n})


def points(pipeline: Pipeline) -> list[dict[str, Any]]:
    flux = f"""from(bucket: "alerts") |> range(start: 2000-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)
        |> filter(fn: (r) => r._measurement == "alert" and r.rule == "{RULE}")
        |> pivot(rowKey: ["_time", "rule", "subject"], columnKey: ["_field"], valueColumn: "_value")"""
    return pipeline.query(flux)


def deliveries(pipeline: Pipeline) -> int:
    return len(list(read_all(pipeline.places.kafka_bootstrap, [DELIVERY])))


def test_a_fire_is_told_once_and_stored(pipeline: Pipeline, hook: Webhook) -> None:
    say(pipeline, 0, 12.0)
    say(pipeline, 0, 120.0)
    eventually(lambda: hook.received, PATIENCE_S, 0.05, "the webhook hears of it")
    (told,) = hook.alerts()
    assert (told["rule"], told["subject"], told["change"], told["route"]) == (RULE, "BIN-900", "fired", "crew")
    assert told["summary"]["en"] == "The container BIN-900 burns: 120 Cel"
    (point,) = eventually(lambda: points(pipeline), PATIENCE_S, 0.2, "the point is stored")
    assert (point["id"], point["state"], point["change"], point["gateway"]) == (told["id"], "firing", "fired", "-")
    listed = json.loads(hanan(pipeline, "alerts", "list", "--json").stdout)
    assert [one["id"] for one in listed] == [told["id"]]
    shown = json.loads(hanan(pipeline, "alerts", "show", told["id"], "--json").stdout)
    assert [(body["route"], body["n"], body["tries"]) for body in shown["deliveries"]] == [("crew", 1, 1)]


def test_restarts_kills_and_rebalances_tell_nothing_again(pipeline: Pipeline, hook: Webhook) -> None:
    before = changes(pipeline)
    stop(pipeline, "alert-1")
    say(pipeline, 0, 121.0)
    start(pipeline, "alert-1")
    read_up(pipeline)
    start(pipeline, "alert-2")  # shares the partitions
    start(pipeline, "notify-2")
    eventually(lambda: members(pipeline, groups.ALERT, "alert-1", "alert-2"), PATIENCE_S, 0.1, "both are members")
    say(pipeline, 0, 122.0)
    read_up(pipeline)
    stop(pipeline, "alert-1", kill=True)
    stop(pipeline, "notify-1", kill=True)
    say(pipeline, 0, 123.0)
    read_up(pipeline)
    eventually(lambda: members(pipeline, groups.ALERT, "alert-2"), PATIENCE_S, 0.1, "the dead one is forgotten")
    eventually(lambda: members(pipeline, "hanan-notify", "notify-2"), PATIENCE_S, 0.1, "the dead one is forgotten")
    assert changes(pipeline) == before
    say(pipeline, 1, 130.0)  # and those who are left do what they should
    eventually(lambda: len(hook.received) > 1, PATIENCE_S, 0.05, "the webhook hears of the second")
    assert [(told["subject"], told["n"]) for told in hook.alerts()] == [("BIN-900", 1), ("BIN-901", 1)]
    eventually(lambda: len(points(pipeline)) == 2, PATIENCE_S, 0.2, "both are stored")
    eventually(lambda: deliveries(pipeline) == 2, PATIENCE_S, 0.2, "both deliveries are written down")


def test_a_replay_and_repeats_tell_nothing_again(pipeline: Pipeline, hook: Webhook) -> None:
    body = say(pipeline, 2, 140.0)
    eventually(lambda: len(hook.received) == 3, PATIENCE_S, 0.05, "the webhook hears of the third")
    say(pipeline, 2, 15.0)
    eventually(lambda: hook.alerts()[-1]["change"] == "resolved", PATIENCE_S, 0.05, "and of its end")
    before, told = changes(pipeline), len(hook.received)
    pipeline.publish("hanan/waste/bin/BIN-902/reading", body)  # again
    say(pipeline, 3, 150.0, wall_ms() - 3_600_000)  # an hour late
    for role in ("validate", "alert"):
        name = f"{role}-{1 if role == 'validate' else 2}"
        stop(pipeline, name)
        assert hanan(pipeline, "rewind", role, "--from", "1h").returncode == 0
        start(pipeline, name)
        read_up(pipeline)
    assert changes(pipeline) == before
    assert len(hook.received) == told


def test_people_are_heard_and_named(pipeline: Pipeline, hook: Webhook) -> None:
    said = hanan(pipeline, "alerts", "ack", f"{RULE}/BIN-900", "--by", "li", "-m", "crew is on its way")
    assert said.returncode == 0, said.stderr
    (one,) = [one for one in json.loads(hanan(pipeline, "alerts", "list", "--json").stdout) if one["subject"] == "BIN-900"]
    assert (one["state"], one["notes"][0]["by"], one["notes"][0]["text"]) == ("acknowledged", "li", "crew is on its way")
    again = hanan(pipeline, "alerts", "ack", one["id"])
    assert (again.returncode, again.stderr.strip()) == (1, f"{RULE}/BIN-900 is acknowledged already, by li")
    assert hanan(pipeline, "alerts", "shelve", f"{RULE}/BIN-901", "--for", "1h").returncode == 0
    assert hanan(pipeline, "alerts", "comment", one["id"], "a cigarette", "--by", "wang").returncode == 0
    assert hanan(pipeline, "alerts", "silence", "--site", "S3", "--for", "1h", "--by", "zhao").returncode == 0
    history = json.loads(hanan(pipeline, "alerts", "history", "--rule", RULE, "--json").stdout)
    people = [(one["subject"], one["change"], one["by"]) for one in history if one["by"]]
    assert people == [("BIN-900", "acknowledged", "li"), ("BIN-901", "shelved", "tester"), ("BIN-900", "commented", "wang")]
    told = len(hook.received)
    say(pipeline, 3, 160.0)
    say(pipeline, 0, 20.0)
    eventually(lambda: len(hook.received) == told + 1, PATIENCE_S, 0.05, "the end of the first")
    assert (hook.alerts()[-1]["subject"], hook.alerts()[-1]["change"]) == ("BIN-900", "resolved")
    states = {one["subject"]: one["state"] for one in json.loads(hanan(pipeline, "alerts", "list", "--json").stdout)}
    assert states == {"BIN-901": "shelved", "BIN-903": "suppressed"}
    assert "site=S3" in hanan(pipeline, "alerts", "silences").stdout


def test_where_an_alert_would_go(pipeline: Pipeline, hook: Webhook) -> None:
    told = len(hook.received)
    would = hanan(pipeline, "alerts", "route", "--rule", RULE, "--device", "BIN-900")
    assert would.returncode == 0, would.stderr
    assert would.stdout.startswith("crew -> secret:crew\n  at once\n  [CRITICAL] The container BIN-900 burns")
    nobody = hanan(pipeline, "alerts", "route", "--rule", "waste-bin-full", "--device", "BIN-900")
    assert "nobody would be told" in nobody.stdout
    assert len(hook.received) == told
