"""What all commands share: settings, one line for what goes wrong, and exit codes that scripts can use."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from deploy import logs
from deploy.native.problems import NativeError
from deploy.settings import Settings, SettingsError, load_settings
from processors.rules.problems import RulesError
from schemas.ports import RetryLater

OK, FAILED, USAGE, NOT_RUNNING, INTERRUPTED = 0, 1, 2, 3, 130

Json = Annotated[bool, typer.Option("--json", help="Machine-readable, on standard output.")]


def fail(line: str, code: int = FAILED) -> NoReturn:
    """One clear line on standard error, and the exit code."""
    sys.stderr.write(line + "\n")
    raise typer.Exit(code)


@contextmanager
def clear_errors() -> Iterator[Settings]:
    """The settings in force; what can be expected to go wrong inside becomes its line and its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    logs.quiet()
    try:
        settings = load_settings()
    except SettingsError as error:
        fail(str(error), USAGE)
    try:
        yield settings
    except (NativeError, RulesError) as error:
        fail(str(error))
    except RetryLater as later:
        fail(f"{later.why}; is the server running? `hanan servers status` tells")
    except KeyboardInterrupt:
        fail("interrupted", INTERRUPTED)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
