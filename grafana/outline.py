"""The district's outline for maps without the internet: the hull of each zone's devices, a GeoJSON that the dashboard carries."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

Corner = tuple[float, float]  # longitude, latitude


class Place(NamedTuple):
    zone: str
    lat: float
    lon: float


def hulls(places: Iterable[Place]) -> dict[str, list[Corner]]:
    """By zone, in order of name; a zone of fewer than three places has none but its name."""
    corners: dict[str, set[Corner]] = {}
    for place in places:
        corners.setdefault(place.zone, set()).add((round(place.lon, 5), round(place.lat, 5)))
    return {zone: _hull(sorted(corners[zone])) for zone in sorted(corners)}


def data_url(found: Mapping[str, Sequence[Corner]]) -> str:
    features = [
        {
            "type": "Feature",
            "properties": {"zone": zone},
            "geometry": {"type": "Polygon", "coordinates": [[*corners, corners[0]]]},
        }
        for zone, corners in found.items()
        if len(corners) > 2  # noqa: PLR2004  # fewer are no area
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":"))
    return f"data:application/geo+json,{quote(text, safe=',:[]{}')}"


def _hull(points: list[Corner]) -> list[Corner]:
    """Andrew's monotone chain."""
    if len(points) <= 2:  # noqa: PLR2004
        return points
    lower, upper = _chain(points), _chain(points[::-1])
    return lower[:-1] + upper[:-1]


def _chain(points: Iterable[Corner]) -> list[Corner]:
    chain: list[Corner] = []
    for x, y in points:
        while len(chain) > 1 and (chain[-1][0] - chain[-2][0]) * (y - chain[-2][1]) <= (chain[-1][1] - chain[-2][1]) * (
            x - chain[-2][0]
        ):
            chain.pop()
        chain.append((x, y))
    return chain
