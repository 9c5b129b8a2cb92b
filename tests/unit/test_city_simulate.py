"""`hanan simulate` at the terminal: files, refusals, and that it goes no further than the clock."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from deploy.cli.simulate import _up_to_now, simulate
from deploy.demo.city.faults.schedule import KINDS
from deploy.registry_file import load_devices
from schemas.instants import HOUR_MS, parse_rfc3339
from tests.memory import ManualClock

START = "2026-06-08T05:00:00+08:00"
app = typer.Typer()
app.command()(simulate)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANAN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_a_file_of_messages_is_the_same_each_time(tmp_path: Path) -> None:
    out = tmp_path / "one.txt"
    arguments = ("--start", START, "--days", "0.05", "--stream", "waste")
    assert run(*arguments, "--out", str(out))[0] == 0
    first = out.read_bytes()
    at_ms, topic, payload = first.splitlines()[0].split(b" ", 2)
    assert int(at_ms) >= parse_rfc3339(START)
    assert topic.startswith(b"hanan/waste/")
    assert json.loads(payload)["seq"] == 1
    run(*arguments, "--out", str(out))
    assert out.read_bytes() == first
    run(*arguments, "--seed", "2", "--out", str(out))
    assert out.read_bytes() != first


def test_the_registry_can_be_written_and_enlarged(tmp_path: Path) -> None:
    path = tmp_path / "devices.yaml"
    code, said, _ = run("--registry", str(path))
    assert code == 0
    assert "3,287 devices" in said
    assert len(load_devices(path)) == 3_287


def test_faults_and_their_truth(tmp_path: Path) -> None:
    truth, out = tmp_path / "truth.jsonl", tmp_path / "out.txt"
    arguments = ("--start", START, "--days", "2", "--stream", "waste", "--interval", "3600", "--out", str(out))
    code, _, said = run(*arguments, "--faults", "random:3", "--truth", str(truth))
    assert (code, said) == (0, "")
    lines = [json.loads(line) for line in truth.read_text(encoding="utf-8").splitlines()]
    faults = {line["id"] for line in lines if line["class"] == "fault"}
    assert len(faults) == 3
    assert {line["fault"] for line in lines if line["class"] == "fault"} <= KINDS.keys()
    assert any(line["fault"] == "container-full" for line in lines)


def test_too_short_a_time_for_faults_is_said(tmp_path: Path) -> None:
    arguments = ("--start", START, "--days", "0.1", "--stream", "waste", "--out", str(tmp_path / "out.txt"))
    code, _, said = run(*arguments, "--faults", "random:3")
    assert code == 0
    assert "room for 0 faults" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--stream", "tram"), "there is no 'tram'"),
        (("--faults", "random:3"), "needs --days"),
        (("--faults", "random:x", "--days", "1"), "not random: and a number"),
        (("--faults", "nowhere.yaml"), "No such file"),
        (("--start", "tomorrow"), "--start: 'tomorrow'"),
        (("--speed", "-3"), "neither a number above 0 nor max"),
        (("--district", "nowhere.yaml"), "No such file"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    code, _, said = run(*arguments, "--out", str(tmp_path / "out.txt"))
    assert code == 2
    assert says in said
    assert said.count("\n") == 1


def test_a_start_beyond_the_clock_names_the_setting() -> None:
    code, _, said = run("--start", "2099-01-01T00:00:00+08:00", "--stream", "waste", "--url", "mqtt://127.0.0.1:1")
    assert code == 2
    assert "HANAN_CLOCK_START" in said


def test_it_catches_up_as_fast_as_asked_and_then_goes_with_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr("deploy.demo.feed.time.monotonic", lambda: now_s[0])
    clock = ManualClock(10 * HOUR_MS)  # the present lies ten hours after the start
    position = _up_to_now(clock, 0, 3_600.0)
    assert position() == 0
    now_s[0] += 4
    clock.advance(4_000)
    assert position() == 4 * HOUR_MS
    now_s[0] += 60
    clock.advance(60_000)
    assert position() == 10 * HOUR_MS + 64_000
    assert _up_to_now(clock, 0, None)() == 10 * HOUR_MS + 64_000
