"""What a fault is: a kind, where and when, how bad; and the levers it pulls in the city."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from deploy.demo.city.bike.system import BikeSystem
from deploy.demo.city.drainage.system import DrainageSystem
from deploy.demo.city.heat.system import HeatSystem
from deploy.demo.city.moment import Times
from deploy.demo.city.plan import Plan
from deploy.demo.city.sensors.reporter import Reporter
from deploy.demo.city.waste.system import WasteSystem
from deploy.demo.city.weather import Weather
from schemas.instants import HOUR_MS, MINUTE_MS


@dataclass(frozen=True)
class Levers:
    """The parts of a city that faults can reach."""

    plan: Plan
    weather: Weather
    times: Times
    bike: BikeSystem
    waste: WasteSystem
    heat: HeatSystem
    drainage: DrainageSystem
    reporters: Mapping[str, Reporter]


@dataclass(frozen=True)
class Fault:
    """`device` is where it sits; `luck` (0 to 1) decides what a kind leaves open, such as which of two pumps."""

    id: str
    name: str
    device: str
    from_ms: int
    to_ms: int
    severity: float
    luck: float = 0.5

    def progress(self, ms: int) -> float:
        """0 at its beginning, 1 at its end."""
        return min(1.0, max(0.0, (ms - self.from_ms) / max(1, self.to_ms - self.from_ms)))

    def ramp(self, ms: int, hours: float) -> float:
        """0 at its beginning, 1 after so many hours."""
        return min(1.0, max(0.0, (ms - self.from_ms) / (hours * HOUR_MS)))


Effect = Callable[[Levers, Fault, int], None]


def _at_once(_city: Levers, fault: Fault) -> int | None:
    return fault.from_ms


def _alone(_city: Levers, _fault: Fault) -> Sequence[str]:
    return ()


def after_minutes(minutes: float) -> Callable[[Levers, Fault], int | None]:
    """It shows so long after its beginning, unless it is over by then."""

    def shows(_city: Levers, fault: Fault) -> int | None:
        return min(fault.to_ms, fault.from_ms + round(minutes * MINUTE_MS))

    return shows


@dataclass(frozen=True)
class FaultKind:
    """What is known of one kind of fault.

    on        is called every minute from its beginning to its end
    off       puts everything back
    shows     from when it can be seen in any reading, as far as can be known beforehand; None: never in its time
    sites     the devices that have it (labelled), by default the one it sits on
    touches   others that may rightly raise an alarm because of it
    season    "heating", "bikes" or "rain" for kinds that cannot be seen otherwise
    hours     from the shortest to the longest, for random ones
    """

    name: str
    stream: str
    kinds: tuple[str, ...]
    on: Effect
    off: Effect
    en: str
    hours: tuple[float, float]
    shows: Callable[[Levers, Fault], int | None] = _at_once
    sites: Callable[[Levers, Fault], Sequence[str]] = lambda _city, fault: (fault.device,)
    touches: Callable[[Levers, Fault], Sequence[str]] = _alone
    season: str = ""
    may_sit_on: Callable[[Levers, str], bool] = field(default=lambda _city, _device: True)
