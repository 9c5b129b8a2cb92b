"""`hanan up` as a person uses it: one command, a look, Ctrl-C, and nothing is left; and again, on the data that are there."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import children
from deploy.native import process
from deploy.native.stack import Stack
from deploy.operation import FLOW
from deploy.settings import Settings
from schemas.streams import BY_NAME
from tests.servers import fresh_settings
from tests.waiting import eventually

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    given = fresh_settings(tmp_path_factory.mktemp("up"))
    yield given
    children.stop_found(given.home)
    Stack(given).stop()


def hanan(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, **settings.as_environment()}
    command = [sys.executable, "-m", "deploy.cli.main", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def say(settings: Settings, *arguments: str) -> tuple[int, str]:
    asked = hanan(settings, *arguments)
    out, _ = asked.communicate(timeout=60)
    return asked.returncode, out


def stored(settings: Settings) -> dict[str, int]:
    _, out = say(settings, "status", "--json")
    return {row["stream"]: row["stored"] for row in json.loads(out)["streams"]}


def nothing_runs(settings: Settings) -> bool:
    return not children.running(settings.home) and not any(
        process.find(settings.home, name) for name in process.names(settings.home)
    )


def test_all_four_streams_flow_and_ctrl_c_leaves_nothing(settings: Settings) -> None:
    started = hanan(settings, "up", "--json")
    try:
        eventually(lambda: set(stored(settings)) == set(BY_NAME) and all(stored(settings).values()), 200, 0.5, "all flow")
        assert say(settings, "doctor", "--json")[0] == 0
        broker = json.loads(say(settings, "status", "--json")[1])["mqtt_broker"]
        assert (broker["answers"], broker["dropped"]) == (True, 0)
        assert say(settings, "up")[0] == 1  # once is enough
    finally:
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=90)
    assert started.returncode == 0, err
    summary = json.loads(out)
    assert summary["drained"]
    assert summary["problem"] == ""
    assert summary["alarms"] == []
    assert all(row["stored"] >= 1 and row["dead"] == 0 for row in summary["streams"])
    assert nothing_runs(settings)
    assert say(settings, "status")[0] == 3


def test_it_ends_by_itself_and_says_how(settings: Settings) -> None:
    started = hanan(settings, "up", "--for", "3s", "--feed", "none", "--json")
    out, err = started.communicate(timeout=120)
    assert started.returncode == 0, err
    assert json.loads(out)["drained"]
    assert nothing_runs(settings)


def test_a_role_that_dies_ends_it_with_a_line_that_says_where_to_look(settings: Settings) -> None:
    started = hanan(settings, "up", "--feed", "none", "--json")
    role = eventually(
        lambda: next((one for one in children.running(settings.home) if one.role == "store"), None), 120, 0.2, "the store role"
    )
    eventually(lambda: len(json.loads(say(settings, "status", "--json")[1])["roles"]) == len(FLOW), 60, 0.2, "all roles answer")
    process.send(role.process, signal.SIGKILL)
    out, _ = started.communicate(timeout=120)
    assert started.returncode == 1
    assert "store-1 ended with exit code -9" in json.loads(out)["problem"]
    assert nothing_runs(settings)


def test_up_that_is_killed_leaves_no_role_and_down_clears_the_rest(settings: Settings) -> None:
    started = hanan(settings, "up", "--feed", "none")
    eventually(lambda: len(children.running(settings.home)) == len(FLOW), 120, 0.2, "the roles")
    started.kill()
    started.communicate(timeout=10)
    eventually(lambda: not children.running(settings.home), 60, 0.2, "the roles end with their parent")
    assert say(settings, "down")[0] == 0
    assert nothing_runs(settings)


@pytest.mark.parametrize("arguments", [["up", "--for", "soon"], ["run", "juggle"], ["reconcile", "--from", "yesterday"]])
def test_what_is_asked_wrongly_is_one_line_and_exit_code_2(settings: Settings, arguments: list[str]) -> None:
    asked = hanan(settings, *arguments)
    _, err = asked.communicate(timeout=60)
    assert asked.returncode == 2
    assert len(err.strip().splitlines()) == 1
