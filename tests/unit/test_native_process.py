"""A process is signalled only when it is provably the one that was started."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.native import process
from deploy.native.problems import NativeError
from tests.waiting import eventually

SLEEPER = [sys.executable, "-c", "import time\nprint('up', flush=True)\ntime.sleep(300)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(300)",
]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for left in process.marked(tmp_path):
        process.send(left, signal.SIGKILL)
        assert process.wait_end(left, 10)


def start(home: Path, command: list[str] = SLEEPER, name: str = "it") -> process.Running:
    log = home / "logs" / "it.log"
    running = process.spawn(name, command, home=home, log=log, cwd=home)
    eventually(lambda: process.tail(log) == "up" or not running.alive, what="the process is up")
    return running


def test_it_is_found_by_its_pid_file_until_it_ends(home: Path) -> None:
    running = start(home)
    assert process.find(home, "it") == running
    assert process.names(home) == ["it"]
    assert process.stop(running, 10) == "stopped"
    assert process.find(home, "it") is None


def test_one_that_ends_while_it_is_looked_at_leaves_no_remains(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = start(home)
    look = process._start_time

    def ends_first(pid: int) -> int | None:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return look(pid)

    monkeypatch.setattr(process, "_start_time", ends_first)
    assert not running.alive
    assert running.pid not in process._children
    assert not Path(f"/proc/{running.pid}").exists()


def test_one_that_ignores_the_request_is_killed(home: Path) -> None:
    assert process.stop(start(home, STUBBORN), 0.2) == "killed, since it had not ended within 0 s"


def test_a_paused_one_can_be_stopped_in_order(home: Path) -> None:
    running = start(home)
    assert process.send(running, signal.SIGSTOP)
    assert process.stop(running, 10) == "stopped"


@pytest.mark.parametrize("other", [{"started": 1}, {"boot": "another"}])
def test_a_recycled_pid_is_left_alone(home: Path, other: dict[str, object]) -> None:
    running = start(home)
    record = home / "run" / "it.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | other))
    assert process.find(home, "it") is None
    impostor = process.Running(running.pid, int(other.get("started", running.started)), str(other.get("boot", running.boot)), ())  # type: ignore[call-overload]
    assert not process.send(impostor, signal.SIGKILL)
    assert running.alive


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]", '{"pid": 1}'])
def test_a_broken_pid_file_is_none(home: Path, text: str) -> None:
    (home / "run").mkdir()
    (home / "run" / "it.json").write_text(text)
    assert process.find(home, "it") is None


def test_what_is_left_without_pid_file_is_found_by_its_mark(home: Path) -> None:
    running = start(home)
    process.forget(home, "it")
    assert process.find(home, "it") is None
    assert [one.pid for one in process.marked(home)] == [running.pid]
    assert process.home_of(running.pid) == str(home)
    assert process.home_of(os.getpid()) is None


def test_settings_and_secrets_do_not_reach_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANAN_MQTT_PASSWORD", "hush")
    monkeypatch.setenv("INFLUXD_HTTP_BIND_ADDRESS", "0.0.0.0:80")
    assert not {"HANAN_MQTT_PASSWORD", "INFLUXD_HTTP_BIND_ADDRESS"} & process.environment().keys()
    running = start(home)
    assert b"hush" not in Path(f"/proc/{running.pid}/environ").read_bytes()


def test_what_cannot_be_run_says_so(home: Path) -> None:
    with pytest.raises(NativeError, match=r"^it: cannot run /no/such: No such file or directory; "):
        process.spawn("it", ["/no/such"], home=home, log=home / "log", cwd=home)


def test_a_log_that_has_grown_large_is_put_aside(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOG_LIMIT_BYTES", 10)
    log = home / "logs" / "it.log"
    log.parent.mkdir()
    log.write_text("much that was said before\n")
    start(home)
    assert log.read_text() == "up\n"
    assert (home / "logs" / "it.log.1").read_text() == "much that was said before\n"


def test_the_tail_skips_blank_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\n\ntwo\n\n   \n")
    assert process.tail(log) == "two"
    assert process.tail(log, 5) == "one\ntwo"
    assert process.tail(tmp_path / "none") == ""
