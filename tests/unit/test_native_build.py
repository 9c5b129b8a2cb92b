"""Commands that take long: their last word is shown, their patience ends, and two at once wait for each other."""

import os
import threading
from pathlib import Path

import pytest

from deploy.native import build
from deploy.native.problems import NativeError, NativeErrors, raise_all
from deploy.native.progress import QuietProgress, QuietStep
from tests.waiting import eventually


class Told(QuietStep):
    def __init__(self, progress: QuietProgress | None = None) -> None:
        super().__init__(progress or QuietProgress())
        self.heard: list[str] = []

    def waiting(self, what: str) -> None:
        super().waiting(what)
        self.heard.append(what)


def run(tmp_path: Path, script: str, step: QuietStep, minutes: float = 1) -> None:
    build.run("it: brewing", ["sh", "-c", script], step=step, log=tmp_path / "log", cwd=tmp_path, env=os.environ, minutes=minutes)


def test_its_last_line_is_what_is_waited_for(tmp_path: Path) -> None:
    step = Told()
    run(tmp_path, "echo first; echo second; while [ ! -e go ]; do touch go; sleep 0.5; done", step)
    assert step.heard[-1] == "second"


def test_failing_it_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(NativeError) as caught:
        run(tmp_path, "for n in $(seq 20); do echo line $n; done; exit 3", Told())
    assert "it: brewing failed (exit code 3): line 13\n" in str(caught.value)
    assert f"line 20\n  [the log is {tmp_path / 'log'}]; once the cause is mended" in str(caught.value)


def test_too_slow_it_is_ended_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(NativeError, match="it: brewing took longer than 0 minutes; the log is"):
        run(tmp_path, "sleep 300 & echo $! > child; wait", Told(), minutes=0.01)
    child = int((tmp_path / "child").read_text())
    eventually(lambda: not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes())


def test_interrupted_it_is_ended_too(tmp_path: Path) -> None:
    progress = QuietProgress()
    progress.cancelled.set()
    with pytest.raises(NativeError, match="interrupted"):
        run(tmp_path, "sleep 300", Told(progress))


def test_the_second_waits_for_the_first(tmp_path: Path) -> None:
    step, entered = Told(), threading.Event()

    def second() -> None:
        with build.only_one(tmp_path / "lock", step, minutes=1):
            entered.set()

    thread = threading.Thread(target=second)
    with build.only_one(tmp_path / "lock", Told(), minutes=1):
        thread.start()
        eventually(lambda: step.heard)
        assert not entered.is_set()
    thread.join(10)
    assert entered.is_set()


def test_but_not_for_ever(tmp_path: Path) -> None:
    with (
        build.only_one(tmp_path / "lock", Told(), minutes=1),
        pytest.raises(NativeError, match="another hanan has held"),
        build.only_one(tmp_path / "lock", Told(), minutes=0),
    ):
        pass


def test_several_problems_are_several_lines() -> None:
    raise_all([])
    one, two = NativeError("a is broken", "mend it"), NativeError("b is gone", "find it")
    with pytest.raises(NativeError, match=r"^a is broken; mend it$"):
        raise_all([one])
    with pytest.raises(NativeErrors, match=r"^a is broken; mend it\nb is gone; find it$"):
        raise_all([one, two])
