"""Values that people act on and that no metric row holds, drawn as lines: (stream, kind, metric) -> from which value on.

They repeat what the rule packs of the alert role raise alerts for; a kind that is not here gets the lines of its plausible range.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Limits(NamedTuple):
    """Steps from low to high: warn, bad. `low` means that less is worse: below `bad` is bad, below `warn` a warning."""

    warn: float | None
    bad: float | None
    low: bool = False
    source: str = "P"


LIMITS: Mapping[tuple[str, str, str], Limits] = {
    ("heat", "indoor", "temp_c"): Limits(20, 18, low=True, source="S: Heilongjiang ordinance: at least 20; P: 18"),
    ("waste", "air", "nh3_mg_m3"): Limits(1.5, 20, source="S: GB 14554-93 boundary 1.5; GB/T 50493 alarm 20"),
    ("waste", "air", "h2s_mg_m3"): Limits(0.06, 10, source="S: GB 14554-93 boundary 0.06; GB/T 50493 alarm 10"),
    ("waste", "bin", "fill"): Limits(0.8, 1.0),
    ("waste", "compactor", "fill"): Limits(0.8, 0.95),
    ("drainage", "underpass", "depth_m"): Limits(0.15, 0.27),
    ("bike", "vehicle", "current_fuel_percent"): Limits(0.2, 0.1, low=True),
    ("bike", "station", "num_vehicles_available"): Limits(3, 1, low=True),
    ("bike", "station", "num_docks_available"): Limits(3, 1, low=True),
}

# By which metric the worst ten of a kind are found, and whether large is worse; otherwise by its first gauge, large first
WORST: Mapping[tuple[str, str], tuple[str, bool]] = {
    ("bike", "station"): ("num_vehicles_available", False),
    ("bike", "vehicle"): ("current_fuel_percent", False),
    ("heat", "plant"): ("supply_temp_c", False),
    ("heat", "exchange"): ("secondary_supply_temp_c", False),
    ("heat", "indoor"): ("temp_c", False),
    ("waste", "air"): ("h2s_mg_m3", True),
    ("drainage", "rain"): ("intensity_mm_h", True),
}
