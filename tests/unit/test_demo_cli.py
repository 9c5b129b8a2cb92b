"""`hanan feed` before it reaches a broker: what is asked wrongly, what is not there."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from deploy.cli.feed import default_data, feed
from deploy.demo.ledger import read_report

GOLDEN = Path(__file__).parents[1] / "golden" / "recordings"
NOWHERE = "mqtt://127.0.0.1:1"
APP = typer.Typer()
APP.command()(feed)


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """The command takes Ctrl-C for itself; the test session gets it back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANAN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HANAN_DATA", raising=False)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--speed", "0"], "--speed: '0' is neither a number above 0 nor max"),
        (["--speed", "inf"], "--speed: 'inf' is neither"),
        (["--speed", "fast"], "--speed: 'fast' is neither"),
        (["--for", "2 weeks"], "--for: '2 weeks' is not a duration"),
        (["--recording", "tunnel"], "--recording: there is no 'tunnel'; there are bike, waste, heat, drainage"),
        (["--url", "localhost:1883"], "--url: wanted mqtt://"),
        (["--url", "https://localhost"], "--url: wanted mqtt://"),
        (["--url", "mqtt://localhost:99999"], "--url: Port out of range"),
        (["--generate", "--last", "2"], "--generate makes readings up"),
        (["--last", "-1"], "Invalid value for '--last'"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(arguments: list[str], complaint: str) -> None:
    done = CliRunner().invoke(APP, ["--url", NOWHERE, *arguments])
    assert done.exit_code == 2, done.output
    assert complaint in done.stderr


def test_without_recordings_it_says_what_to_do(tmp_path: Path) -> None:
    done = CliRunner().invoke(APP, ["--url", NOWHERE, "--data", str(tmp_path)])
    assert done.exit_code == 1
    assert done.stderr == (
        f"there are no recordings in {tmp_path}; name their folder with --data or HANAN_DATA, or use --generate\n"
    )


def test_a_recording_asked_for_by_name_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "heat-logs").mkdir()
    done = CliRunner().invoke(APP, ["--url", NOWHERE, "--data", str(tmp_path), "--recording", "bike"])
    assert done.exit_code == 1
    assert "bike-gbfs: there is no such folder" in done.stderr


def test_a_broker_that_is_not_there_is_one_line_and_the_newest_ledger_says_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.cli.feed.CONNECT_S", 0.2)
    done = CliRunner().invoke(APP, ["--url", NOWHERE, "--data", str(GOLDEN)])
    assert done.exit_code == 1
    assert done.stderr == "mqtt://127.0.0.1:1 cannot be reached: Connection refused\n"
    report = read_report(tmp_path / "home" / "feeds" / "latest.json")
    assert (report.state, report.why) == ("failed", "mqtt://127.0.0.1:1 cannot be reached: Connection refused")
    assert set(report.streams) == {"bike", "waste", "heat", "drainage"}


def test_the_folder_of_recordings_is_the_environments_or_the_one_beside_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_data() == Path(__file__).parents[3] / "shared" / "data"
    monkeypatch.setenv("HANAN_DATA", "/somewhere")
    assert default_data() == Path("/somewhere")
