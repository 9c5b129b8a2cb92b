"""Progress as a person reads it, at a terminal and in a log."""

import io

import pytest
from rich.console import Console

from deploy.native import progress as under_test
from deploy.native.problems import NativeError
from deploy.native.progress import LiveProgress, PlainProgress, progress_to


def test_a_log_gets_a_line_at_both_ends() -> None:
    out = io.StringIO()
    with PlainProgress(out) as progress, progress.step("kafka: start") as step:
        step.waiting("for its port")
        step.result = "port 9092"
    first, last = out.getvalue().splitlines()
    assert first == "kafka: start ..."
    assert last.startswith("kafka: start: port 9092 (0.")


def test_a_long_step_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "SIGN_OF_LIFE_SECONDS", 0.0)
    out = io.StringIO()
    with PlainProgress(out) as progress, progress.step("kafka: install") as step:
        step.waiting("downloading scala")
    assert "kafka: install: 0 s, downloading scala\n" in out.getvalue()


def test_a_failure_is_told_at_once() -> None:
    out = io.StringIO()
    progress = PlainProgress(out)
    with pytest.raises(NativeError), progress.step("kafka: start"):
        raise NativeError("kafka is out of disk\nand more", "make room")
    assert "kafka: start: failed after 0.0 s: kafka is out of disk\n" in out.getvalue()


def test_a_terminal_gets_steps_and_time() -> None:
    out = io.StringIO()
    with LiveProgress(Console(file=out, force_terminal=True, width=100)) as progress:
        with progress.step("kafka [1]: start") as step:
            step.waiting("for [brackets]")
            step.result = "port 9092"
        with pytest.raises(NativeError), progress.step("influxdb: start"):
            raise NativeError("influxdb is gone", "find it")
        progress.note("a note")
    shown = out.getvalue()
    for piece in ("kafka [1]: start", "port 9092", "0:00:00", "influxdb is gone", "a note"):
        assert piece in shown


def test_what_is_no_terminal_gets_plain_lines() -> None:
    assert isinstance(progress_to(io.StringIO()), PlainProgress)


def test_once_cancelled_every_wait_ends() -> None:
    progress = PlainProgress(io.StringIO())
    progress.cancelled.set()
    with pytest.raises(NativeError, match="interrupted; what was finished is kept"), progress.step("kafka: install") as step:
        step.waiting("for ever")
