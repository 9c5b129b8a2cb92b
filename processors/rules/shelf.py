"""The packs of a folder, taken up again when they change: checked first, and the old stay in force while the new are wrong."""

from collections.abc import Callable, Sequence
from pathlib import Path

from processors.rules.load import DEFAULT, Book, load_book, pack_files
from processors.rules.problems import Problem, RulesError

LOOK_MS = 5_000

Stamp = tuple[tuple[str, int, int], ...]


class Shelf:
    """`problems` is what is wrong with the files as they are now; `told` hears of every change, good or bad, once."""

    def __init__(
        self,
        monotonic_ms: Callable[[], int],
        folder: Path = DEFAULT,
        told: Callable[[Book | None, Sequence[Problem]], None] = lambda _book, _problems: None,
    ) -> None:
        """RulesError where the packs are wrong from the beginning: there are no old ones to go on with."""
        self._monotonic_ms, self._folder, self._told = monotonic_ms, folder, told
        self.problems: Sequence[Problem] = ()
        self._stamp = self._now()
        self._book = load_book(pack_files(folder))
        self._due_ms = monotonic_ms() + LOOK_MS

    def current(self) -> Book:
        """Looks at the files every five seconds; reads them only when one was changed, came or went."""
        now_ms = self._monotonic_ms()
        if now_ms >= self._due_ms:
            self._due_ms = now_ms + LOOK_MS
            stamp = self._now()
            if stamp != self._stamp:
                self._stamp = stamp
                self._take()
        return self._book

    def _take(self) -> None:
        try:
            book = load_book(pack_files(self._folder))
        except RulesError as error:
            self.problems = error.problems
            self._told(None, self.problems)
            return
        self._book, self.problems = book, ()
        self._told(book, ())

    def _now(self) -> Stamp:
        """What tells one state of the files from another. A file that goes while it is looked at is seen the next time."""
        found = []
        for path in pack_files(self._folder):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            found.append((path.name, status.st_mtime_ns, status.st_size))
        return tuple(found)
