"""The bicycles as a whole, minute by minute: people ride, crews carry and mend, winter takes the stations in."""

from collections.abc import Mapping
from functools import partial

from deploy.demo.city.bike.crew import Crew
from deploy.demo.city.bike.demand import Demand
from deploy.demo.city.bike.fleet import Bike, Dock, Fleet, Where
from deploy.demo.city.bike.plan import BikePlan, vehicle_id
from deploy.demo.city.chance import dice, poisson
from deploy.demo.city.district import BikePart, Span
from deploy.demo.city.geo import Plane
from deploy.demo.city.moment import Moment
from deploy.demo.city.system import Happening, Reader, Values
from deploy.demo.city.weather import Air
from schemas.instants import MINUTE_MS

_WEEK_DAYS = 7  # stations are taken in, and brought out, over a week
_SETTLE_MIN = 240
_DRAIN_A_MINUTE = 0.0035 / 1440  # of a lock's battery; each opening takes as much as half an hour
_DRAIN_A_RIDE = 30 * _DRAIN_A_MINUTE
_SWAPPED_AT = 0.06
_CHARGED_V, _COLD_V_K = 13.6, 0.012  # of a 12 V battery on charge, and what frost takes off it [P]


class BikeSystem:
    """Knobs for faults are on `fleet.docks`: `controller_dead`, `counted_twice`, `vandals`."""

    def __init__(self, plan: BikePlan, part: BikePart, away: Span, plane: Plane, seed: int) -> None:
        self._plan, self._part, self._away, self._plane = plan, part, away, plane
        self._random = dice(seed, "bikes")
        self.fleet = Fleet(plan, self._random)
        self.demand = Demand(plan.stations, plane, part.trips_a_day * plan.bikes, part.km_h)
        self._crew = Crew(self.fleet, part.trucks, dice(seed, "crew"))
        self._places = [(one.lat, one.lon) for one in plan.stations]
        scatter = dice(seed, "racks")
        self._spots = [(scatter.uniform(-0.008, 0.008), scatter.uniform(-0.008, 0.008)) for _ in self.fleet.bikes]
        self.voltage = [_CHARGED_V] * len(plan.stations)
        self.supply_v = dict.fromkeys((one.id for one in plan.stations), 0.0)  # the fault's knob: what is missing
        self._now: Moment | None = None
        self._outdoor_c = 0.0
        self.trips = self.turned_away = 0
        self.readers: Mapping[str, Reader] = {
            dock.plan.id: partial(self._station, n, dock) for n, dock in enumerate(self.fleet.docks)
        } | {vehicle_id(n): partial(self._lock, self.fleet.bikes[n]) for n in range(plan.reporting)}

    def advance(self, moment: Moment, air: Air) -> list[Happening]:
        if self._now is None:
            self._season(moment)
            self.fleet.spread(self._random)
            for early in range(_SETTLE_MIN, 0, -1):
                self._minute(moment._replace(ms=moment.ms - early * MINUTE_MS, hour=(moment.hour - early / 60) % 24), air)
        return self._minute(moment, air)

    def close(self) -> None:
        """Nothing to give back."""

    def _minute(self, moment: Moment, air: Air) -> list[Happening]:
        self._now, self._outdoor_c = moment, air.outdoor_c
        minute = moment.ms // MINUTE_MS
        if minute % 60 == 0:
            self._season(moment)
        standing = [n for n, dock in enumerate(self.fleet.docks) if dock.installed]
        happenings = [self._arrive(bike, minute) for bike in self.fleet.arriving(minute)]
        if standing:
            trips = poisson(self._random, self.demand.rate(moment, air))
            happenings += [self._set_out(moment, minute) for _ in range(trips)]
            self._crew.work(moment, minute, standing)
            self._break(minute)
        for bike in self.fleet.bikes:
            bike.charge -= _DRAIN_A_MINUTE
        return [each for each in happenings if each is not None]

    def _season(self, moment: Moment) -> None:
        """Each station has its day in the week; its bicycles go to the depot with it, and come out again in spring."""
        for n, dock in enumerate(self.fleet.docks):
            shifted = self._shifted(moment, n % _WEEK_DAYS)
            away = self._away.holds(shifted)
            if dock.installed and away:
                for number in [*dock.bikes, *dock.broken]:
                    bike = self.fleet.bikes[number]
                    self.fleet.take(bike, Where.DEPOT)
                    bike.broken = False
                dock.installed = False
            elif not dock.installed and not away:
                dock.installed = True
                if self._now is not None:
                    self._bring_out(n, dock)

    @staticmethod
    def _shifted(moment: Moment, days: int) -> int:
        """The date some days ago, as a number to compare: good enough across the ends of months that are no month's end."""
        month, day = divmod(moment.day.month_day, 100)
        day -= days
        return month * 100 + day if day > 0 else (month - 1 or 12) * 100 + 30 + day

    def _bring_out(self, station: int, dock: Dock) -> None:
        depot = [bike for bike in self.fleet.bikes if bike.where is Where.DEPOT]
        for bike in depot[: min(dock.free, dock.plan.docks * 2 // 3)]:
            bike.charge = self._random.uniform(0.9, 1.0)
            self.fleet.place(bike, station)

    def _set_out(self, moment: Moment, minute: int) -> Happening | None:
        origin, target = self.demand.draw(moment, self._random)
        dock = self.fleet.docks[origin]
        if not dock.bikes or not dock.installed or dock.controller_dead:
            self.turned_away += 1
            return None
        bike = self.fleet.bikes[dock.bikes.pop(self._random.randrange(len(dock.bikes)))]
        lasts = max(2, round(self.demand.minutes[origin][target] * self._random.uniform(0.85, 1.35)))
        self.fleet.ride(bike, origin, target, minute, minute + lasts)
        bike.charge -= _DRAIN_A_RIDE
        self.trips += 1
        return self._happening(bike)

    def _arrive(self, bike: Bike, minute: int) -> Happening | None:
        """Into a dock where one is free, else on to the nearest one that has."""
        if self.fleet.docks[bike.target].free <= 0:
            onward = next((n for n in self.demand.nearest[bike.target] if self.fleet.docks[n].free > 0), None)
            if onward is None:
                self.fleet.take(bike, Where.DEPOT)  # nowhere to leave it: the season is over, or everything is full
                return self._happening(bike)
            more = max(1, round(self.demand.minutes[bike.target][onward]))
            self.fleet.ride(bike, bike.target, onward, minute, minute + more)
            return None
        bike.broken = self._random.random() < self._part.breaks_a_trip or bike.charge < _SWAPPED_AT
        self.fleet.place(bike, bike.target)
        return self._happening(bike)

    def _break(self, minute: int) -> None:
        """Where vandals are at work, one after the other."""
        if minute % 3:
            return
        for dock in self.fleet.docks:
            if dock.vandals and dock.bikes:
                bike = self.fleet.bikes[dock.bikes.pop()]
                bike.broken = True
                dock.broken.append(bike.number)

    def _happening(self, bike: Bike) -> Happening | None:
        """A lock reports when it opens or closes."""
        if bike.number >= self._plan.reporting:
            return None
        return Happening(vehicle_id(bike.number), self._random.randrange(MINUTE_MS), self._lock_values(bike))

    def _station(self, n: int, dock: Dock) -> Values:
        """Taken in for the winter, its controller reports once an hour that it is so."""
        assert self._now is not None
        if not dock.installed and (self._now.ms // MINUTE_MS + n) % 60:
            return {}
        bikes, broken, dead = len(dock.bikes), len(dock.broken), dock.dead_docks
        free = max(0, dock.plan.docks - bikes - broken - dead) if dock.installed else 0
        if dock.controller_dead:  # it cannot reach its docks: what it cannot open or close it calls out of order
            bikes, broken, free, dead = 0, bikes + broken, 0, free + dead
        volts = _CHARGED_V - _COLD_V_K * max(0.0, 5 - self._outdoor_c) - self.supply_v[dock.plan.id]
        return {
            "num_vehicles_available": bikes + dock.counted_twice,
            "num_vehicles_disabled": broken,
            "num_docks_available": free,
            "num_docks_disabled": dead if dock.installed else dock.plan.docks,
            "is_installed": dock.installed,
            "is_renting": dock.installed,
            "is_returning": dock.installed,
            "supply_v": volts,
        }

    def _lock(self, bike: Bike) -> Values:
        """In the depot and the workshop it sleeps, and reports once a day."""
        assert self._now is not None
        if bike.where in (Where.DEPOT, Where.WORKSHOP) and (self._now.ms // MINUTE_MS + bike.number) % 1440 >= 15:  # noqa: PLR2004
            return {}
        return self._lock_values(bike)

    def _lock_values(self, bike: Bike) -> Values:
        lat, lon = self._position(bike)
        return {
            "lat": lat,
            "lon": lon,
            "current_fuel_percent": max(0.0, bike.charge),
            "is_locked": bike.where is not Where.RIDING,
            "is_disabled": bike.broken or bike.where in (Where.WORKSHOP, Where.DEPOT),
            "is_reserved": False,
        }

    def _position(self, bike: Bike) -> tuple[float, float]:
        east, north = self._spots[bike.number]
        if bike.where is Where.DOCKED:
            lat, lon = self._places[bike.station]
        elif bike.where is Where.RIDING:
            assert self._now is not None
            gone = (self._now.ms // MINUTE_MS - bike.start_min) / max(1, bike.end_min - bike.start_min)
            (a_lat, a_lon), (b_lat, b_lon) = self._places[bike.origin], self._places[bike.target]
            lat, lon = a_lat + gone * (b_lat - a_lat), a_lon + gone * (b_lon - a_lon)
        else:
            lat, lon = self._part.depot.lat, self._part.depot.lon
        return self._plane.shift(lat, lon, east, north)
