"""What goes wrong with bicycle stations."""

from deploy.demo.city.bike.fleet import Dock
from deploy.demo.city.faults.kind import Fault, FaultKind, Levers, after_minutes

_FLAT_V = 4.2


def _dock(city: Levers, fault: Fault) -> Dock:
    return next(dock for dock in city.bike.fleet.docks if dock.plan.id == fault.device)


def _controller_on(city: Levers, fault: Fault, _ms: int) -> None:
    _dock(city, fault).controller_dead = True


def _controller_off(city: Levers, fault: Fault, _ms: int) -> None:
    _dock(city, fault).controller_dead = False


def _broken_on(city: Levers, fault: Fault, _ms: int) -> None:
    _dock(city, fault).vandals = True


def _broken_off(city: Levers, fault: Fault, _ms: int) -> None:
    """The menders come and see to all of them on the spot."""
    dock = _dock(city, fault)
    dock.vandals = False
    for number in dock.broken:
        city.bike.fleet.bikes[number].broken = False
    dock.bikes += dock.broken
    dock.broken.clear()


def _twice_on(city: Levers, fault: Fault, _ms: int) -> None:
    dock = _dock(city, fault)
    dock.counted_twice = max(3, round(fault.severity * 0.5 * dock.plan.docks))


def _twice_off(city: Levers, fault: Fault, _ms: int) -> None:
    _dock(city, fault).counted_twice = 0


def _supply_on(city: Levers, fault: Fault, ms: int) -> None:
    city.bike.supply_v[fault.device] = _FLAT_V * (0.6 + 0.4 * fault.severity) * fault.ramp(ms, 3)


def _supply_off(city: Levers, fault: Fault, _ms: int) -> None:
    city.bike.supply_v[fault.device] = 0.0


KINDS = (
    FaultKind(
        "dock-controller-dead", "bike", ("station",), _controller_on, _controller_off,
        "The controller cannot reach its docks: all bicycles and docks are reported out of order, nothing moves.",
        (3, 24), season="bikes",
    ),
    FaultKind(
        "broken-bikes", "bike", ("station",), _broken_on, _broken_off,
        "One bicycle after the other is damaged and stays in its dock.", (6, 24), shows=after_minutes(20), season="bikes",
    ),
    FaultKind(
        "count-over-capacity", "bike", ("station",), _twice_on, _twice_off,
        "Some bicycles are counted twice: more bicycles and docks than the station has.", (2, 24), season="bikes",
    ),
    FaultKind(
        "supply-failing", "bike", ("station",), _supply_on, _supply_off,
        "The charger is dead, the battery runs down within three hours.", (6, 20), shows=after_minutes(60),
    ),
)  # fmt: skip
