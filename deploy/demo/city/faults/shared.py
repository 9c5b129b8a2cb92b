"""What goes wrong with any device: its sensor, its radio, its gateway, its clock, its firmware."""

from collections.abc import Sequence

from deploy.demo.city.faults.kind import Fault, FaultKind, Levers, after_minutes
from schemas.instants import HOUR_MS, MINUTE_MS

# The metric that sticks or drifts, by kind, and how far it drifts at most in its unit
_MAIN: dict[str, tuple[str, float]] = {
    "air": ("nh3_mg_m3", 6.0),
    "leachate": ("level_m", 0.8),
    "plant": ("supply_temp_c", 18.0),
    "exchange": ("secondary_supply_temp_c", 14.0),
    "indoor": ("temp_c", 7.0),
    "level": ("level_m", 0.9),
    "tank": ("level_m", 1.8),
    "soil": ("moisture", 0.25),
}
_STICKS = ("air", "plant", "exchange", "level", "tank")
_STUCK_METRIC = {"plant": "flow_m3_h", "exchange": "primary_flow_m3_h"}
_SILENT = (
    "station",
    "compactor",
    "air",
    "leachate",
    "bin",
    "plant",
    "exchange",
    "indoor",
    "rain",
    "level",
    "tank",
    "soil",
    "underpass",
)
_DEVICES_OF_A_GATEWAY = 3


def stuck_metric(kind: str) -> str:
    return _STUCK_METRIC.get(kind) or _MAIN[kind][0]


def _stuck_on(city: Levers, fault: Fault, _ms: int) -> None:
    reporter = city.reporters[fault.device]
    metric = stuck_metric(reporter.device.kind)
    if metric not in reporter.stuck:
        reporter.freeze(metric)


def _stuck_off(city: Levers, fault: Fault, _ms: int) -> None:
    city.reporters[fault.device].stuck.clear()


def _drift_on(city: Levers, fault: Fault, ms: int) -> None:
    reporter = city.reporters[fault.device]
    metric, most = _MAIN[reporter.device.kind]
    way = 1 if fault.luck > 0.35 or metric in ("level_m", "moisture", "nh3_mg_m3") else -1  # noqa: PLR2004 - not below nothing
    reporter.offsets[metric] = way * most * (0.6 + 0.4 * fault.severity) * fault.ramp(ms, 12)


def _drift_off(city: Levers, fault: Fault, _ms: int) -> None:
    city.reporters[fault.device].offsets.clear()


def _silent_on(city: Levers, fault: Fault, _ms: int) -> None:
    city.reporters[fault.device].silent = True


def _silent_off(city: Levers, fault: Fault, _ms: int) -> None:
    city.reporters[fault.device].silent = False


def _silent_shows(city: Levers, fault: Fault) -> int | None:
    """When the first report is missing."""
    return min(fault.to_ms, fault.from_ms + city.reporters[fault.device].interval_ms)


def behind_gateway(city: Levers, fault: Fault) -> Sequence[str]:
    gateway = city.reporters[fault.device].device.gateway
    return tuple(id_ for id_, reporter in city.reporters.items() if reporter.device.gateway == gateway)


def _gateway_on(city: Levers, fault: Fault, _ms: int) -> None:
    for device in behind_gateway(city, fault):
        city.reporters[device].gateway_down = True


def _gateway_off(city: Levers, fault: Fault, _ms: int) -> None:
    for device in behind_gateway(city, fault):
        city.reporters[device].gateway_down = False


def _has_gateway(city: Levers, device: str) -> bool:
    gateway = city.reporters[device].device.gateway
    same = sum(reporter.device.gateway == gateway for reporter in city.reporters.values())
    return bool(gateway) and same >= _DEVICES_OF_A_GATEWAY


def _clock_on(city: Levers, fault: Fault, _ms: int) -> None:
    """Forward into the future, which is refused, or back by hours, which makes history of the present."""
    far_ms = round((20 + 220 * fault.severity) * MINUTE_MS)
    city.reporters[fault.device].clock_jump_ms = far_ms if fault.luck > 0.5 else -far_ms - HOUR_MS  # noqa: PLR2004 - a coin


def _clock_off(city: Levers, fault: Fault, _ms: int) -> None:
    city.reporters[fault.device].clock_jump_ms = 0


def _garbled_on(city: Levers, fault: Fault, _ms: int) -> None:
    city.reporters[fault.device].garbled = 0.3 + 0.6 * fault.severity


def _garbled_off(city: Levers, fault: Fault, _ms: int) -> None:
    city.reporters[fault.device].garbled = 0.0


KINDS = (
    FaultKind(
        "sensor-stuck", "", _STICKS, _stuck_on, _stuck_off, "One of its values does not move any more.", (10, 48),
        shows=after_minutes(5),
    ),
    FaultKind(
        "sensor-drift", "", tuple(_MAIN), _drift_on, _drift_off, "One of its values wanders off over twelve hours.", (24, 72),
        shows=after_minutes(6 * 60),
    ),
    FaultKind("device-silent", "", _SILENT, _silent_on, _silent_off, "Nothing is heard of it.", (3, 30), shows=_silent_shows),
    FaultKind(
        "gateway-down", "", ("level", "exchange", "compactor", "bin"), _gateway_on, _gateway_off,
        "A gateway and all devices behind it are silent; those with a memory catch up afterwards.", (1, 8),
        shows=_silent_shows, sites=behind_gateway, may_sit_on=_has_gateway,
    ),
    FaultKind(
        "clock-jump", "", _SILENT, _clock_on, _clock_off,
        "Its clock is hours off: readings from the future are refused, those from the past are history.", (3, 30),
        shows=_silent_shows,
    ),
    FaultKind(
        "garbled-payload", "", _SILENT, _garbled_on, _garbled_off, "Many of its messages are cut short: no JSON.", (3, 24),
        shows=_silent_shows,
    ),
)  # fmt: skip
