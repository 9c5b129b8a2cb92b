"""What was really wrong, a line of JSON for each device: for whoever judges alerts, never for the pipeline.

Two classes. A `fault` was injected and must be found. A `condition` is what the city brings about by itself and an alarm
may rightly say: a station without bicycles, water on a road in a storm; it need not be found, and an alarm about it is not
a false one.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from deploy.demo.city.drainage import plan as drain
from deploy.demo.city.faults.kind import Fault, Levers
from deploy.demo.city.faults.schedule import KINDS
from schemas import codec
from schemas.instants import MINUTE_MS, format_rfc3339

_LOOK_MIN = 2
_DUTY_C = 20.0
_LIMIT_NH3_MG_M3, _LIMIT_H2S_MG_M3 = 1.5, 0.06  # S: GB 14554-93, class 2
_HIGH = 0.9  # of a basin's depth
_FULL_PIPE = 1.0


class Label(NamedTuple):
    """`shows` is from when it can be seen, None if not in its time; `touches` are devices that may rightly raise an alarm too."""

    id: str
    kind: str  # fault or condition
    name: str
    device: str
    from_ms: int
    to_ms: int
    shows_ms: int | None
    severity: float
    touches: tuple[str, ...] = ()

    def line(self, city: Levers) -> bytes:
        device = city.reporters[self.device].device
        body: dict[str, Any] = {
            "id": self.id,
            "class": self.kind,
            "fault": self.name,
            "device": self.device,
            "from": format_rfc3339(self.from_ms),
            "to": format_rfc3339(self.to_ms),
            "shows": None if self.shows_ms is None else format_rfc3339(self.shows_ms),
            "severity": self.severity,
            "stream": device.stream,
            "kind": device.kind,
            "site": device.site,
            "zone": device.zone,
            "gateway": device.gateway,
            "touches": self.touches,
        }
        return codec.dumps(body) + b"\n"


def labels(city: Levers, faults: Sequence[Fault]) -> Iterator[Label]:
    """One for each device that has the fault; a gateway that is down has as many as there are devices behind it."""
    for fault in faults:
        kind = KINDS[fault.name]
        shows, touches = kind.shows(city, fault), tuple(kind.touches(city, fault))
        for device in kind.sites(city, fault):
            yield Label(fault.id, "fault", fault.name, device, fault.from_ms, fault.to_ms, shows, fault.severity, touches)


class _Watched(NamedTuple):
    name: str
    device: str
    holds: Callable[[], bool]


class Conditions:
    """Looks at the truth every other minute, and notes from when to when something held that an operator would want to know."""

    def __init__(self, city: Levers) -> None:
        self._watched = list(_watched(city))
        self._since: dict[int, int] = {}
        self.ended: list[Label] = []
        self._count = 0

    def look(self, ms: int) -> None:
        if ms // MINUTE_MS % _LOOK_MIN:
            return
        since = self._since
        for n, (_, _, holds) in enumerate(self._watched):
            if holds():
                since.setdefault(n, ms)
            elif n in since:
                self._end(n, ms)

    def close(self, ms: int) -> None:
        """What still holds ends with the run."""
        for n in list(self._since):
            self._end(n, ms)

    def _end(self, n: int, ms: int) -> None:
        name, device, _ = self._watched[n]
        from_ms = self._since.pop(n)
        self._count += 1
        self.ended.append(Label(f"c{self._count:05d}", "condition", name, device, from_ms, ms, from_ms, 0.5))


def _watched(city: Levers) -> Iterator[_Watched]:
    active = {reporter.device.stream for reporter in city.reporters.values()}
    if "bike" in active:
        for dock in city.bike.fleet.docks:
            yield _Watched("station-empty", dock.plan.id, lambda d=dock: d.installed and not d.bikes)  # type: ignore[misc]
            yield _Watched("station-full", dock.plan.id, lambda d=dock: d.installed and d.free <= 0)  # type: ignore[misc]
    if "waste" in active:
        yield from _waste(city)
    if "heat" in active:
        for id_, flat in city.heat.flats.items():
            yield _Watched("room-cold", id_, lambda f=flat: f.now_c < _DUTY_C)  # type: ignore[misc]
    if "drainage" in active:
        yield from _drainage(city)


def _waste(city: Levers) -> Iterator[_Watched]:
    for id_, can in city.waste.cans.items():
        yield _Watched("bin-full", id_, lambda c=can: c.lid_open)  # type: ignore[misc]
    for yard in city.waste.yards.values():
        hall = yard.hall
        yield _Watched("odour", yard.plan.air, lambda h=hall: h.nh3 > _LIMIT_NH3_MG_M3 or h.h2s > _LIMIT_H2S_MG_M3)  # type: ignore[misc]
        for compactor in yard.compactors:
            yield _Watched("container-full", compactor.id, lambda c=compactor: c.full)  # type: ignore[misc]


def _drainage(city: Levers) -> Iterator[_Watched]:
    system = city.drainage
    for hole in city.plan.drainage.manholes:
        yield _Watched("pipe-full", hole.id, lambda h=hole: system.level_m(h.id) >= _FULL_PIPE * h.diameter_m)  # type: ignore[misc]
        yield _Watched("surcharge", hole.id, lambda h=hole: system.level_m(h.id) >= h.depth_m)  # type: ignore[misc]
    for tank in city.plan.drainage.tanks:
        yield _Watched("basin-high", tank.id, lambda t=tank: system.level_m(t.id) > _HIGH * drain.TANK_DEPTH_M)  # type: ignore[misc]
    for under in city.plan.drainage.underpasses:
        yield _Watched("water-on-road", under.id, lambda u=under: system.road_m(u.id) >= drain.WARN_M)  # type: ignore[misc]


def write(path: Path, lines: Sequence[bytes]) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(b"".join(lines))
    fresh.replace(path)
