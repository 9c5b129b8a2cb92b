"""Durations as rules write them: `30s`, `5m`, `2h`, `1.5d`; inside they are whole milliseconds."""

import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd])\Z")


def span_ms(text: str) -> int:
    """ValueError for anything else, a bare number included: its unit would be anybody's guess."""
    match = _SPAN.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 30s, 5m, 2h or 1d")
    return round(float(match[1]) * _UNITS_MS[match[2]])


def _validated(value: object) -> int:
    if value == 0:
        return 0
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration such as 30s, 5m, 2h or 1d")  # noqa: TRY004 - pydantic takes ValueErrors
    return span_ms(value)


def text_of(ms: int) -> str:
    for unit in ("d", "h", "m"):
        if ms and ms % _UNITS_MS[unit] == 0:
            return f"{ms // _UNITS_MS[unit]}{unit}"
    return f"{ms / 1_000:g}s"


Span = Annotated[int, BeforeValidator(_validated), PlainSerializer(text_of)]
