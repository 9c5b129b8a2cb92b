"""Tidying up a little at a time, so that no turn takes long."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar

_TURNS = 300  # in which each is looked at once

T = TypeVar("T")


class Sweep(Generic[T]):
    def __init__(self, everyone: Callable[[], Sequence[T]], tidy: Callable[[T], None]) -> None:
        self._everyone, self._tidy = everyone, tidy
        self._next: Iterator[T] = iter(())
        self._portion = self._left = 0

    def turn(self) -> None:
        for one in islice(self._next, self._portion):
            self._tidy(one)
        self._left -= self._portion
        if self._left <= 0:
            everyone = self._everyone()
            self._next, self._left, self._portion = iter(everyone), len(everyone), len(everyone) // _TURNS + 1
