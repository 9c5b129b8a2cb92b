"""What goes wrong in the sewers, basins and underpasses."""

from collections.abc import Sequence

from deploy.demo.city.faults.kind import Fault, FaultKind, Levers, after_minutes
from schemas.instants import MINUTE_MS

_SCAN_MS = 10 * MINUTE_MS
_WET_MM_H = 2.0
_LEAST_DRY_FLOW_M3_S = 0.012


def _basin_of(city: Levers, device: str) -> str:
    return next((hole.basin for hole in city.plan.drainage.manholes if hole.id == device), device)


def _sewer(city: Levers, fault: Fault) -> Sequence[str]:
    """All of a basin's sewer: it backs up, or runs dry below."""
    basin = _basin_of(city, fault.device)
    holes = [hole.id for hole in city.plan.drainage.manholes if hole.basin == basin and hole.id != fault.device]
    unders = [under.id for under in city.plan.drainage.underpasses if _basin_of(city, under.manhole) == basin]
    return (*holes, *unders, *((basin,) if basin != fault.device else ()))


def _blocked_on(city: Levers, fault: Fault, _ms: int) -> None:
    if city.drainage.blocked[fault.device] >= 1:
        city.drainage.block(fault.device, 0.30 - 0.25 * fault.severity)


def _blocked_off(city: Levers, fault: Fault, _ms: int) -> None:
    city.drainage.block(fault.device, 1.0)


def _can_block(city: Levers, device: str) -> bool:
    """Only where enough sewage comes down for a blockage to show in dry weather."""
    return city.drainage.dry_flow_m3_s(device) >= _LEAST_DRY_FLOW_M3_S


def _pump_on(city: Levers, fault: Fault, _ms: int) -> None:
    pump = city.drainage.pumps[fault.device][0]
    pump.broken = True
    pump.word_when_broken = "fault" if fault.luck > 0.7 else "stopped"  # noqa: PLR2004 - most fail without a word


def _pump_off(city: Levers, fault: Fault, _ms: int) -> None:
    city.drainage.pumps[fault.device][0].broken = False


def _inlet_on(city: Levers, fault: Fault, _ms: int) -> None:
    if city.drainage.gate_open[fault.device] >= 1:
        city.drainage.turn_gate(fault.device, 0.007 - 0.005 * fault.severity)


def _inlet_off(city: Levers, fault: Fault, _ms: int) -> None:
    city.drainage.turn_gate(fault.device, 1.0)


def _clogged_on(city: Levers, fault: Fault, _ms: int) -> None:
    city.drainage.funnel[fault.device] = 0.12 * (1 - fault.severity)


def _clogged_off(city: Levers, fault: Fault, _ms: int) -> None:
    city.drainage.funnel[fault.device] = 1.0


def _clogged_shows(city: Levers, fault: Fault) -> int | None:
    """With the first rain."""
    return first_rain(city, fault.device, fault.from_ms, fault.to_ms)


def first_rain(city: Levers, gauge: str, from_ms: int, to_ms: int) -> int | None:
    place = next(each for each in city.plan.drainage.gauges if each.id == gauge)
    east, north = city.plan.plane.km(place.lat, place.lon)
    for ms in range(from_ms, to_ms, _SCAN_MS):
        moment = city.times.at(ms)
        if city.weather.rain.at(moment, east, north) >= _WET_MM_H and not city.weather.at(moment).snow:
            return ms
    return None


def _flood_on(city: Levers, fault: Fault, _ms: int) -> None:
    """A water main breaks beside the ramp, and the pump has no power."""
    city.drainage.pumps[fault.device][0].broken = True
    if city.drainage.burst_m3_s[fault.device] <= 0:
        city.drainage.pour(fault.device, 0.02 + 0.04 * fault.severity)


def _flood_off(city: Levers, fault: Fault, _ms: int) -> None:
    city.drainage.pumps[fault.device][0].broken = False
    city.drainage.pour(fault.device, 0.0)


KINDS = (
    FaultKind(
        "pipe-blockage", "drainage", ("level",), _blocked_on, _blocked_off,
        "The pipe below a manhole is nearly shut: it backs up in dry weather, and runs dry below.", (6, 30),
        shows=after_minutes(25), touches=_sewer, may_sit_on=_can_block,
    ),
    FaultKind(
        "pump-no-start", "drainage", ("tank",), _pump_on, _pump_off,
        "The first pump does not start at its level; the second has to, at a higher one.", (4, 24),
        shows=after_minutes(60), touches=_sewer,
    ),
    FaultKind(
        "inlet-blocked", "drainage", ("tank",), _inlet_on, _inlet_off,
        "The basin's inlet is choked: the sewer backs up while the basin stays empty.", (4, 20), shows=after_minutes(25),
        touches=_sewer,
    ),
    FaultKind(
        "gauge-clogged", "drainage", ("rain",), _clogged_on, _clogged_off,
        "Leaves in the funnel: hardly any rain is counted while it rains all around.", (12, 72), shows=_clogged_shows,
        season="rain",
    ),
    FaultKind(
        "underpass-flooding", "drainage", ("underpass",), _flood_on, _flood_off,
        "Water on the road: a main has burst and the pump stands.", (2, 8), shows=after_minutes(12), touches=_sewer,
    ),
)  # fmt: skip
