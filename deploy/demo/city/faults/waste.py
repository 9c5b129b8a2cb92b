"""What goes wrong at transfer stations and roadside containers."""

from collections.abc import Sequence

from deploy.demo.city.faults.kind import Fault, FaultKind, Levers, after_minutes
from deploy.demo.city.waste.machines import Compactor
from deploy.demo.city.waste.system import Yard


def _compactor(city: Levers, fault: Fault) -> Compactor:
    return next(c for yard in city.waste.yards.values() for c in yard.compactors if c.id == fault.device)


def _yard(city: Levers, device: str) -> Yard:
    """The yard that a device of a transfer station belongs to."""
    return next(
        yard
        for yard in city.waste.yards.values()
        if device in (yard.plan.bridge, yard.plan.air, yard.plan.sump, *yard.plan.compactors)
    )


def _whole_yard(city: Levers, fault: Fault) -> Sequence[str]:
    plan = _yard(city, fault.device).plan
    return tuple(each for each in (*plan.compactors, plan.air, plan.sump) if each != fault.device)


def _jam_on(city: Levers, fault: Fault, _ms: int) -> None:
    _compactor(city, fault).jammed = True


def _jam_off(city: Levers, fault: Fault, _ms: int) -> None:
    _compactor(city, fault).jammed = False


def _leak_on(city: Levers, fault: Fault, ms: int) -> None:
    _compactor(city, fault).leak = (0.5 + 0.5 * fault.severity) * fault.ramp(ms, 5)


def _leak_off(city: Levers, fault: Fault, _ms: int) -> None:
    _compactor(city, fault).leak = 0.0


def _release_on(city: Levers, fault: Fault, _ms: int) -> None:
    _yard(city, fault.device).hall.release_mg_m3 = 12 + 40 * fault.severity


def _release_off(city: Levers, fault: Fault, _ms: int) -> None:
    _yard(city, fault.device).hall.release_mg_m3 = 0.0


def _drift_on(city: Levers, fault: Fault, ms: int) -> None:
    """Dirt under the plate and a tired load cell: zero and gain wander together, tare included."""
    yard = _yard(city, fault.device)
    ramp = fault.ramp(ms, 12) * (1 if fault.luck < 0.5 else -1) * (0.5 + 0.5 * fault.severity)  # noqa: PLR2004 - a coin
    yard.gain, yard.zero_kg = 0.05 * ramp, 420 * ramp


def _drift_off(city: Levers, fault: Fault, _ms: int) -> None:
    yard = _yard(city, fault.device)
    yard.gain = yard.zero_kg = 0.0


def _fire_on(city: Levers, fault: Fault, ms: int) -> None:
    city.waste.cans[fault.device].fire = (0.55 + 0.45 * fault.severity) * fault.ramp(ms, 0.4)


def _fire_off(city: Levers, fault: Fault, _ms: int) -> None:
    can = city.waste.cans[fault.device]
    can.fire = 0.0
    can.temp_c = min(can.temp_c, 35.0)  # put out with water


def _sump_on(city: Levers, fault: Fault, _ms: int) -> None:
    _yard(city, fault.device).sump.pump_fault = True


def _sump_off(city: Levers, fault: Fault, _ms: int) -> None:
    _yard(city, fault.device).sump.pump_fault = False


KINDS = (
    FaultKind(
        "compactor-jam", "waste", ("compactor",), _jam_on, _jam_off,
        "The ram is blocked: a moment of stalling current, then fault; the hopper fills.", (2, 14), touches=_whole_yard,
    ),
    FaultKind(
        "hydraulic-leak", "waste", ("compactor",), _leak_on, _leak_off,
        "Pressure is lost: presses at half the pressure, takes longer, fills containers less.", (20, 72),
        shows=after_minutes(150),
    ),
    FaultKind(
        "nh3-release", "waste", ("air",), _release_on, _release_off,
        "Ammonia in the hall, far above the limit at the fence.", (1.5, 6), shows=after_minutes(3), touches=_whole_yard,
    ),
    FaultKind(
        "weighbridge-drift", "waste", ("weighbridge",), _drift_on, _drift_off,
        "Zero and gain wander over twelve hours: trucks weigh in heavier or lighter, empty ones too.", (30, 96),
        shows=after_minutes(360),
    ),
    FaultKind(
        "container-fire", "waste", ("bin",), _fire_on, _fire_off,
        "A roadside container burns.", (2.5, 5), shows=after_minutes(10),
    ),
    FaultKind(
        "leachate-pump-fault", "waste", ("leachate",), _sump_on, _sump_off,
        "The sump's pump reports fault; leachate rises.", (8, 36),
    ),
)  # fmt: skip
