"""The short form: a few kills and troubles on real servers, in two to three minutes. The long one is `python -m tests.chaos`."""

import sys

import pytest

from tests.chaos.cases import SHORT
from tests.chaos.parts import Choice, mixed

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]


def test_nothing_is_lost_and_nothing_is_wrong_whatever_dies(capsys: pytest.CaptureFixture[str]) -> None:
    def say(line: str) -> None:
        with capsys.disabled():
            sys.stderr.write(f"  {line}\n")

    choice = Choice(lasting_s=6.0, cases=[case.__name__ for case in SHORT])
    report = mixed(choice, say, 8, "chaos, short form")
    with capsys.disabled():
        sys.stderr.write("\n".join(["", *report.lines(), ""]))
    assert report.problems == []
    assert report.kills.total() == 8
    assert report.verdict.messages > 1_000
