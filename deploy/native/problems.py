"""What can go wrong with a native server: always one line, which says what is the matter and what to do next."""

from collections.abc import Sequence


class NativeError(Exception):
    """A server could not be installed, started or reached. `str()` is for the person at the terminal: a line a problem."""

    def __init__(self, what: str, do: str) -> None:
        super().__init__(f"{what}; {do}")
        self.what = what
        self.do = do


class NativeErrors(NativeError):
    """Several at once: servers are installed and started side by side, and every one that failed says why."""

    def __init__(self, problems: Sequence[NativeError]) -> None:
        Exception.__init__(self, "\n".join(map(str, problems)))
        self.problems = tuple(problems)


def raise_all(problems: Sequence[NativeError]) -> None:
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise NativeErrors(problems)
