"""Durations as people write them: `90`, `90s`, `2m`, `1h30m`."""

import re

_FORM = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?\Z")


def seconds(text: str) -> float:
    """ValueError for what is no duration, or none at all."""
    match = _FORM.match(text.strip())
    if not text.strip() or not match:
        raise ValueError(f"{text!r} is not a duration such as 90s, 2m or 1h30m")
    hours, minutes, rest = match.groups()
    total = int(hours or 0) * 3_600 + int(minutes or 0) * 60 + float(rest or 0)
    if total <= 0:
        raise ValueError(f"{text!r} is not longer than nothing")
    return total
