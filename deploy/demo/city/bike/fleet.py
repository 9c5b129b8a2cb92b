"""Every bicycle is somewhere, and only there: in a dock, on the road, on a truck, in the workshop, or in the winter depot."""

from dataclasses import dataclass, field
from enum import IntEnum
from heapq import heappop, heappush
from random import Random

from deploy.demo.city.bike.plan import BikePlan, Station


class Where(IntEnum):
    DOCKED, RIDING, TRUCK, WORKSHOP, DEPOT = range(5)


@dataclass(slots=True)
class Bike:
    number: int
    where: Where = Where.DEPOT
    station: int = -1  # in whose dock
    broken: bool = False
    charge: float = 1.0
    # While riding: from where to where, between which minutes
    origin: int = -1
    target: int = -1
    start_min: int = 0
    end_min: int = 0


@dataclass(slots=True)
class Dock:
    """A station's life. `dead_docks` do not answer; the last three are faults' knobs."""

    plan: Station
    bikes: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    dead_docks: int = 0
    installed: bool = False
    controller_dead: bool = False
    counted_twice: int = 0
    vandals: bool = False

    @property
    def free(self) -> int:
        if not self.installed or self.controller_dead:
            return 0
        return self.plan.docks - len(self.bikes) - len(self.broken) - self.dead_docks


class Fleet:
    def __init__(self, plan: BikePlan, random: Random) -> None:
        self.docks = [Dock(station) for station in plan.stations]
        self.bikes = [Bike(number, charge=random.uniform(0.4, 1.0)) for number in range(plan.bikes)]
        for dock in self.docks:
            dock.dead_docks = int(random.random() < 0.12)  # noqa: PLR2004 - a share
        self._arrivals: list[tuple[int, int]] = []  # minute, bike

    def place(self, bike: Bike, station: int) -> None:
        """Into a dock; whoever calls has seen that there is one."""
        dock = self.docks[station]
        (dock.broken if bike.broken else dock.bikes).append(bike.number)
        bike.where, bike.station = Where.DOCKED, station

    def take(self, bike: Bike, where: Where) -> None:
        """Out of its dock, to somewhere else."""
        if bike.where is Where.DOCKED:
            dock = self.docks[bike.station]
            (dock.broken if bike.number in dock.broken else dock.bikes).remove(bike.number)
        bike.where, bike.station = where, -1

    def ride(self, bike: Bike, origin: int, target: int, start_min: int, end_min: int) -> None:
        bike.where, bike.station = Where.RIDING, -1
        bike.origin, bike.target, bike.start_min, bike.end_min = origin, target, start_min, end_min
        heappush(self._arrivals, (end_min, bike.number))

    def arriving(self, minute: int) -> list[Bike]:
        """Those who are there by now, first come first."""
        there = []
        while self._arrivals and self._arrivals[0][0] <= minute:
            bike = self.bikes[heappop(self._arrivals)[1]]
            if bike.where is Where.RIDING:
                there.append(bike)
        return there

    def spread(self, random: Random) -> None:
        """A beginning: all that fit are in the docks of the stations that stand, two thirds full, the rest in the depot."""
        standing = [n for n, dock in enumerate(self.docks) if dock.installed]
        for bike in self.bikes:
            if not standing:
                return
            station = min(random.sample(standing, min(3, len(standing))), key=self._filled)
            if self.docks[station].free > 0:
                self.place(bike, station)

    def _filled(self, station: int) -> float:
        dock = self.docks[station]
        return len(dock.bikes) / dock.plan.docks

    def count(self) -> dict[Where, int]:
        """By looking at every place there is, not at what the bicycles believe."""
        docked = sum(len(dock.bikes) + len(dock.broken) for dock in self.docks)
        found = {where: sum(bike.where is where for bike in self.bikes) for where in Where}
        return found | {Where.DOCKED: docked}
