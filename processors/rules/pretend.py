"""Windows for the rules' own tests: `mean(temp_c)`, `share(pump_1, running)` and so on, told instead of measured."""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from processors.rules.windowed import LEVELS_MS
from schemas.aggregate import Part, Window, expected_readings
from schemas.device import Device
from schemas.kind import Kind
from schemas.metric import Nature

_TERM = re.compile(r"(?P<name>[a-z0-9]+)\((?P<metric>\w*)(?:\s*,\s*\"?(?P<word>\w+)\"?)?\)\Z")
_COUNT = 4  # readings, where nothing is said of them


def pretended(device: Device, kind: Kind, level: str, start_ms: int, told: Mapping[str, Any]) -> Window:
    """The window of a device of which that is so; ValueError for what cannot be."""
    span_ms = LEVELS_MS[level]
    said: dict[str, dict[str, Any]] = defaultdict(dict)
    for term, value in told.items():
        match = _TERM.match(term)
        if match is None or (match["metric"] and match["metric"] not in kind.by_name):
            raise ValueError(f"{term!r} is nothing that a window of {kind.name} tells")
        said[match["metric"]][f"share {match['word']}" if match["word"] else match["name"]] = value
    expected = expected_readings(start_ms, start_ms + span_ms, device.interval_s * 1_000)
    coverage = said.pop("", {}).get("coverage", 1.0)
    return {
        "kind": kind.name, "device_id": device.device_id, "zone": device.zone, "start": start_ms, "end": start_ms + span_ms,
        "readings": round(coverage * expected), "suspect": 0, "expected": expected, "devices": 1,
        "interval_ms": device.interval_s * 1_000,
        "metrics": {metric: _part(kind.by_name[metric].nature, known, span_ms) for metric, known in said.items()},
    }  # fmt: skip


def _part(nature: Nature, known: Mapping[str, Any], span_ms: int) -> Part:
    count = int(known.get("count", _COUNT))
    if nature is Nature.STATE:
        spent = {
            name.removeprefix("share "): round(share * span_ms) for name, share in known.items() if name.startswith("share ")
        }
        return [count, {**spent, "": span_ms - sum(spent.values())}, known.get("last"), 0, 0, None, None]
    if nature is Nature.COUNTER:
        return [count, known.get("increase", 0.0), known.get("last", 0.0), 0, 0, True]
    mean = next((known[name] for name in ("mean", "last", "max", "min") if name in known), 0.0)
    return [count, known.get("last", mean), 0, known.get("min", mean), known.get("max", mean), mean * count]
