"""Those who keep the bicycles where they are wanted and in order: trucks by day and evening, menders in working hours."""

from random import Random

from deploy.demo.city.bike.fleet import Dock, Fleet, Where
from deploy.demo.city.moment import Moment

_LOAD = 16  # bicycles on a truck
_ROUND_MIN = 35
_TRUCK_HOURS = (6.3, 22.7)
_FULL, _EMPTY, _GOAL = 0.78, 0.22, 0.5
_MENDER_HOURS = (8.5, 17.0)
_MENDER_MIN = 22  # from one broken bicycle to the next
_REPAIR_MIN = (1_200, 2_900)
_SWAP_BELOW = 0.18  # of the lock's battery


class Crew:
    def __init__(self, fleet: Fleet, trucks: int, random: Random) -> None:
        self._fleet, self._random = fleet, random
        self._free_at = [n * _ROUND_MIN // max(1, trucks) for n in range(trucks)]
        self.loads: list[tuple[int, int, list[int]]] = []  # due minute, station, bicycles
        self._mended: list[tuple[int, int]] = []  # due minute, bicycle
        self._next_visit = 0

    def work(self, moment: Moment, minute: int, season: list[int]) -> None:
        """`season`: the stations that stand."""
        self._unload(minute)
        if _TRUCK_HOURS[0] <= moment.hour < _TRUCK_HOURS[1]:
            for truck, free_at in enumerate(self._free_at):
                if free_at <= minute and self._carry(minute, season):
                    self._free_at[truck] = minute + _ROUND_MIN
        if _MENDER_HOURS[0] <= moment.hour < _MENDER_HOURS[1] and not moment.day.free and minute >= self._next_visit:
            self._next_visit = minute + _MENDER_MIN
            self._fetch(minute, season)
        self._bring_back(minute, season)

    def _fill(self, station: int) -> float:
        dock = self._fleet.docks[station]
        return (len(dock.bikes) + len(dock.broken)) / dock.plan.docks

    def _carry(self, minute: int, season: list[int]) -> bool:
        if len(season) < 2:  # noqa: PLR2004 - from one to another
            return False
        expected = {station: sum(len(load) for _, to, load in self.loads if to == station) for station in season}
        source = max(season, key=self._fill)
        sink = min(season, key=lambda n: self._fill(n) + expected[n] / self._fleet.docks[n].plan.docks)
        if self._fill(source) < _FULL and self._fill(sink) > _EMPTY:
            return False
        dock, goal = self._fleet.docks[source], self._fleet.docks[sink]
        spare = len(dock.bikes) - int(_GOAL * dock.plan.docks)
        room = int((_GOAL + 0.15) * goal.plan.docks) - len(goal.bikes) - len(goal.broken) - expected[sink]
        load = dock.bikes[: max(0, min(_LOAD, spare, room, goal.free))]
        for number in load:
            self._fleet.take(self._fleet.bikes[number], Where.TRUCK)
        if load:
            self.loads.append((minute + _ROUND_MIN * 2 // 3, sink, load))
        return bool(load)

    def _unload(self, minute: int) -> None:
        for due in [load for load in self.loads if load[0] <= minute]:
            self.loads.remove(due)
            _, station, numbers = due
            left = [number for number in numbers if not self._put(number, station)]
            if left:  # full meanwhile: on to the emptiest that stands, or back in the depot
                standing = [n for n, dock in enumerate(self._fleet.docks) if dock.free > 0]
                if standing:
                    self.loads.append((minute + 15, min(standing, key=self._fill), left))
                else:
                    for number in left:
                        self._fleet.take(self._fleet.bikes[number], Where.DEPOT)

    def _put(self, number: int, station: int) -> bool:
        if self._fleet.docks[station].free <= 0:
            return False
        self._fleet.place(self._fleet.bikes[number], station)
        return True

    def _fetch(self, minute: int, season: list[int]) -> None:
        """The broken ones from where most of them are, up to four at a visit; low batteries beside them are swapped."""
        visits = [n for n in season if self._fleet.docks[n].broken and not self._fleet.docks[n].vandals]
        if not visits:
            return
        dock = self._fleet.docks[max(visits, key=lambda n: len(self._fleet.docks[n].broken))]
        for number in dock.broken[:4]:
            self._fleet.take(self._fleet.bikes[number], Where.WORKSHOP)
            self._mended.append((minute + self._random.randint(*_REPAIR_MIN), number))
        self._swap(dock)

    def _swap(self, dock: Dock) -> None:
        for number in dock.bikes:
            if self._fleet.bikes[number].charge < _SWAP_BELOW:
                self._fleet.bikes[number].charge = self._random.uniform(0.97, 1.0)

    def _bring_back(self, minute: int, season: list[int]) -> None:
        for due in [mended for mended in self._mended if mended[0] <= minute]:
            self._mended.remove(due)
            bike = self._fleet.bikes[due[1]]
            bike.broken, bike.charge = False, self._random.uniform(0.95, 1.0)
            home = min((n for n in season if self._fleet.docks[n].free > 0), key=self._fill, default=-1)
            if home >= 0:
                self._fleet.place(bike, home)
            else:
                self._fleet.take(bike, Where.DEPOT)
