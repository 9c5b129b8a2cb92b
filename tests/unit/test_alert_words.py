"""What is asked wrongly of `hanan alerts` is one line and exit code 2, before any server is asked."""

import pytest
from typer.testing import CliRunner

from deploy.cli.main import app


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["silence", "--for", "1h"], "say what is to be silent"),
        (["silence", "--for", "1h", "--zone", "old-town", "--severity", "grave"], "--severity is one of"),
        (["silence", "--for", "soon", "--zone", "old-town"], "is not a duration"),
        (["shelve", "heat-room-cold/RM-001", "--for", "a while"], "is not a duration"),
    ],
)
def test_wrong_words(words: list[str], said: str) -> None:
    asked = CliRunner().invoke(app, ["alerts", *words])
    assert asked.exit_code == 2
    assert said in asked.stderr
    assert len(asked.stderr.strip().splitlines()) == 1
