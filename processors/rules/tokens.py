"""A condition as tokens. Only what rules need of CEL's lexis; CEL itself judges the grammar."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from processors.rules.spans import span_ms

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<span>\d+(?:\.\d+)?[smhd]\b)
      | (?P<number>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
      | (?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?)
      | (?P<mark>&&|\|\||<=|>=|==|!=|[-+*/%<>!?:()\[\],])""",
    re.VERBOSE,
)


class Wrong(ValueError):
    """Why a condition is refused."""


class Token(NamedTuple):
    sort: str
    text: str


def tokens(source: str) -> list[Token]:
    """Numbers become doubles and durations seconds, so that no rule ever mixes CEL's number types."""
    return list(_tokens(source))


def _tokens(source: str) -> Iterator[Token]:
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise Wrong(f"{source[at]!r} at {at + 1} is nothing that a condition may hold")
        sort, text, at = match.lastgroup or "", match[0], match.end()
        if sort == "number":
            yield Token("number", number(float(text)))
        elif sort == "span":
            yield Token("number", number(span_ms(text) / 1_000))
        elif sort != "space":
            yield Token(sort, text)


def number(value: float) -> str:
    """A double as CEL reads it back."""
    text = repr(float(value))
    if "e" in text or "n" in text:
        raise Wrong(f"{text} is too large or too small a number")
    return text
