"""What a person sees while servers are installed and started: the step, the time it has taken, what it is waiting for."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from deploy.native.problems import NativeError

SIGN_OF_LIFE_SECONDS = 15.0
_BRIEF_CHARACTERS = 100


class Step(Protocol):
    """One step under way. It ends with its `with` block: finished with `result`, or failed."""

    result: str

    def waiting(self, what: str) -> None:
        """Called in every loop that waits, with what it waits for; raises NativeError once `cancelled` is set."""


class Progress(Protocol):
    """Several steps may run side by side, each in a thread of its own."""

    @property
    def cancelled(self) -> threading.Event: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def step(self, name: str) -> AbstractContextManager[Step]: ...

    def note(self, line: str) -> None: ...


class QuietStep:
    """Keeps the result, shows nothing."""

    def __init__(self, progress: Progress) -> None:
        self.result = "done"
        self._progress = progress

    def waiting(self, what: str) -> None:  # noqa: ARG002  # the protocol's signature
        if self._progress.cancelled.is_set():
            raise NativeError("interrupted", "what was finished is kept; run it again to go on")


class QuietProgress:
    """Shows nothing: for tests, and for callers that only want the outcome."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:  # noqa: ARG002  # the protocol's signature
        yield QuietStep(self)

    def note(self, line: str) -> None:
        pass


class _PlainStep(QuietStep):
    def __init__(self, say: "PlainProgress", name: str) -> None:
        super().__init__(say)
        self._say, self._name = say, name
        self.began = self._spoke = time.monotonic()

    def waiting(self, what: str) -> None:
        super().waiting(what)
        now = time.monotonic()
        if now - self._spoke >= SIGN_OF_LIFE_SECONDS:
            self._spoke = now
            self._say.note(f"{self._name}: {now - self.began:.0f} s, {what}")


class PlainProgress(QuietProgress):
    """One line at the start and the end of each step and a sign of life in between: for logs, pipes and CI."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out = out
        self._lock = threading.Lock()

    def note(self, line: str) -> None:
        with self._lock:
            self._out.write(line + "\n")
            self._out.flush()

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        self.note(f"{name} ...")
        step = _PlainStep(self, name)
        try:
            yield step
        except BaseException as error:
            self.note(f"{name}: failed after {time.monotonic() - step.began:.1f} s: {_brief(error)}")
            raise
        self.note(f"{name}: {step.result} ({time.monotonic() - step.began:.1f} s)")


class _LiveStep(QuietStep):
    def __init__(self, progress: "LiveProgress", bars: Bars, name: str) -> None:
        super().__init__(progress)
        self._bars = bars
        self.task = bars.add_task(escape(name), total=1, detail="")

    def waiting(self, what: str) -> None:
        super().waiting(what)
        self._bars.update(self.task, detail=f"[dim]{escape(what)}[/dim]")

    def end(self, detail: str) -> None:
        self._bars.update(self.task, completed=1, detail=detail)


class LiveProgress(QuietProgress):
    """A spinner, the elapsed time and what is waited for, a line a step, at a terminal."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._bars = Bars(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
            console=console,
            expand=True,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def note(self, line: str) -> None:
        self._bars.console.print(escape(line), highlight=False)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        step = _LiveStep(self, self._bars, name)
        try:
            yield step
        except BaseException as error:
            step.end(f"[red]{escape(_brief(error))}[/red]")
            raise
        step.end(f"[green]{escape(step.result)}[/green]")


def _brief(error: BaseException) -> str:
    """Enough to know at once; the whole line comes when all steps have ended."""
    what = error.what if isinstance(error, NativeError) else repr(error)
    return what.partition("\n")[0][:_BRIEF_CHARACTERS]


def progress_to(out: TextIO) -> Progress:
    return LiveProgress(Console(file=out)) if out.isatty() else PlainProgress(out)
