"""What changed between two dashboards, in lines that a person can read."""

from collections.abc import Iterator
from typing import Any

_MOST = 40
_SHOWN = 60


def changes(before: Any, after: Any) -> list[str]:
    """Paths and values, `-` before and `+` after; the first forty, and how many more."""
    found = list(_walk(before, after, ""))
    return found if len(found) <= _MOST else [*found[:_MOST], f"… and {len(found) - _MOST} more"]


def _walk(before: Any, after: Any, path: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _walk(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _walk(one, other, f"{path}[{_name(one, place)}]")
    elif before != after:
        yield f"{path}: - {_shown(before)}  + {_shown(after)}"


def _name(item: Any, place: int) -> str:
    return str(item["title"]) if isinstance(item, dict) and item.get("title") else str(place)


def _shown(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
