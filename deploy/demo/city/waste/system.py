"""The waste as a whole, minute by minute: thrown away, collected, weighed, pressed, hauled away. No kilogram gets lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random

from deploy.demo.city.chance import dice
from deploy.demo.city.district import WastePart
from deploy.demo.city.moment import Moment
from deploy.demo.city.system import Happening, Reader, Values
from deploy.demo.city.waste import rhythm
from deploy.demo.city.waste.machines import Compactor, Hall, Sump
from deploy.demo.city.waste.plan import Bin, Transfer, WastePlan
from deploy.demo.city.weather import Air
from schemas.instants import MINUTE_MS

_ROUND_BINS = 7  # that a truck empties on its way
_WORTH = 0.62  # a bin that is not so full waits for the next truck
_LEFT = 0.03  # of a bin's content sticks to it
_ON_THE_WAY_MIN = (22, 55)
_TIP_MIN = 4
_BETWEEN_MIN = 7  # trucks on the bridge, at least
_CALL_MIN = (15, 50)  # until a hauler comes for a full container
_LIQUID = (0.03, 0.03, 0.035, 0.04, 0.05, 0.06, 0.075, 0.075, 0.06, 0.055, 0.04, 0.03)  # of the mass pressed, by month [P]
_SOURCES = ("households", "households", "households", "streets", "market", "other")
_HOT_C = 70.0


@dataclass(slots=True)
class Can:
    """A roadside container. `fire` is the fault's knob, 0 to 1."""

    plan: Bin
    kg: float
    temp_c: float
    rate: float
    fire: float = 0.0
    lid_open: bool = False


@dataclass(slots=True)
class Truck:
    number: int
    tare_kg: float
    load_kg: float = 0.0
    due_min: int = 0  # at the bridge
    route: int = 0
    source: str = "households"


@dataclass
class Yard:
    """A transfer station at work. `gain` and `zero_kg` are the weighbridge's faults."""

    plan: Transfer
    random: Random
    compactors: list[Compactor]
    sump: Sump
    hall: Hall
    cans: list[Can]
    trucks: list[Truck]
    uncollected_kg: float = 0.0
    hopper_kg: float = 0.0
    hauled_kg: float = 0.0
    weighed_kg: float = 0.0
    tipped_min: int = 0
    next_dispatch: int = 0
    next_bridge: int = 0
    gain: float = 0.0
    zero_kg: float = 0.0
    calls: dict[str, int] = field(default_factory=dict)  # compactor -> minute at which its container is exchanged


class WasteSystem:
    """Knobs for faults are on the yards' compactors, sumps, halls, bins and bridges."""

    def __init__(self, plan: WastePlan, part: WastePart, seed: int) -> None:
        self._plan, self._part = plan, part
        self._bin_kg = part.bin_m3 * part.kg_m3
        self.cans = {one.id: self._can(one, dice(seed, "bin", one.id)) for one in plan.bins}
        self.yards = {station.id: self._yard(station, dice(seed, "yard", station.id)) for station in plan.stations}
        self.generated_kg = 0.0
        self._began_kg: float | None = None
        self._air = Air(0.0, 0.0, 50.0, 0.0, 0.0, snow=False)
        self._month = 0
        self.readers: Mapping[str, Reader] = self._readers()

    def _can(self, one: Bin, random: Random) -> Can:
        return Can(one, random.uniform(0.1, 0.6) * self._bin_kg, 0.0, random.uniform(0.85, 1.15))

    def _yard(self, plan: Transfer, random: Random) -> Yard:
        compactors = [Compactor(id_, self._part.container_kg, random) for id_ in plan.compactors]
        cans = [self.cans[one.id] for one in self._plan.bins if one.station == plan.id]
        trucks = [
            Truck(n, self._part.truck_tare_kg * random.uniform(0.985, 1.015), route=plan.number * 100 + n)
            for n in range(1, 3 + round(plan.daily_kg / 20_000))
        ]
        waiting = plan.daily_kg * 0.15
        return Yard(plan, random, compactors, Sump(random), Hall(random), cans, trucks, uncollected_kg=waiting)

    def _readers(self) -> dict[str, Reader]:
        readers: dict[str, Reader] = {id_: partial(self._bin, can) for id_, can in self.cans.items()}
        for yard in self.yards.values():
            for compactor in yard.compactors:
                readers[compactor.id] = partial(self._compactor, yard, compactor)
            readers[yard.plan.air] = yard.hall.values
            readers[yard.plan.sump] = partial(self._sump, yard)
        return readers

    def advance(self, moment: Moment, air: Air) -> list[Happening]:
        if self._began_kg is None:
            self._began_kg = self.stored_kg
            for yard in self.yards.values():
                yard.hall.settle(air)
                for compactor in yard.compactors:
                    compactor.motor_c = yard.hall.temp_c
        self._air, self._month = air, moment.day.date.month - 1
        self._throw_away(moment, air)
        happenings: list[Happening] = []
        for yard in self.yards.values():
            happenings += self._work(yard, moment, air)
        return happenings

    def close(self) -> None:
        """Nothing to give back."""

    # The sums that must hold

    @property
    def stored_kg(self) -> float:
        """Everything between the bins and the gate: in bins and yards, on trucks, in hoppers, containers and sumps."""
        yards = self.yards.values()
        inside = sum(y.uncollected_kg + y.hopper_kg + y.sump.kg + sum(t.load_kg for t in y.trucks) for y in yards)
        return inside + sum(c.inside_kg for y in yards for c in y.compactors) + sum(can.kg for can in self.cans.values())

    @property
    def lost_kg(self) -> float:
        """What came in and is neither here nor gone; nothing but rounding, or the books are wrong."""
        assert self._began_kg is not None
        gone = sum(y.hauled_kg + y.sump.out_kg for y in self.yards.values())
        return self._began_kg + self.generated_kg - self.stored_kg - gone

    # A minute's work

    def _throw_away(self, moment: Moment, air: Air) -> None:
        share = rhythm.share_of_minute(moment)
        for can in self.cans.values():
            added = can.plan.daily_kg * can.rate * share
            if can.kg < 1.15 * self._bin_kg:
                can.kg += added
            else:  # nobody can put more in: it goes to the yard behind
                self.yards[can.plan.station].uncollected_kg += added
            self.generated_kg += added
            warm = air.outdoor_c + 6 * can.kg / self._bin_kg * (1 if air.outdoor_c > 0 else 0.4) + 14 * air.sun
            can.temp_c += (warm + 330 * can.fire - can.temp_c) / (25 if can.fire else 70)
            can.lid_open = can.kg > self._bin_kg
        at_roadside = sum(can.plan.daily_kg * can.rate for can in self.cans.values())
        total = sum(station.daily_kg for station in self._plan.stations)
        for yard in self.yards.values():
            added = max(0.0, yard.plan.daily_kg * (1 - at_roadside / total)) * share
            yard.uncollected_kg += added
            self.generated_kg += added

    def _work(self, yard: Yard, moment: Moment, air: Air) -> list[Happening]:
        minute = moment.ms // MINUTE_MS
        if rhythm.is_collected(moment):
            self._dispatch(yard, minute)
        events = [self._weigh(yard, truck, minute, moment.ms) for truck in yard.trucks if 0 < truck.due_min <= minute]
        self._press(yard, moment, minute)
        yard.tipped_min = max(0, yard.tipped_min - 1)
        stored = yard.hopper_kg + sum(compactor.inside_kg for compactor in yard.compactors)
        yard.hall.step(air, stored, tipping=yard.tipped_min > 0)
        return [event for event in events if event is not None]

    def _dispatch(self, yard: Yard, minute: int) -> None:
        """A truck sets out when there is a load for it: bins first, the fullest of them, then the yards behind the houses."""
        free = [each for each in yard.trucks if each.due_min == 0]
        ready = yard.uncollected_kg + sum(can.kg for can in yard.cans if can.kg > _WORTH * self._bin_kg)
        if not free or minute < yard.next_dispatch or ready < 0.9 * self._part.truck_kg:
            return
        truck = yard.random.choice(free)
        yard.next_dispatch = minute + yard.random.randint(5, 14)
        goal = self._part.truck_kg * yard.random.uniform(0.86, 1.06)
        for can in sorted(yard.cans, key=lambda can: -can.kg)[:_ROUND_BINS]:
            if can.kg > _WORTH * self._bin_kg and not can.fire:
                truck.load_kg += can.kg * (1 - _LEFT)
                can.kg *= _LEFT
        more = min(yard.uncollected_kg, max(0.0, goal - truck.load_kg))
        truck.load_kg += more
        yard.uncollected_kg -= more
        truck.due_min = max(minute + yard.random.randint(*_ON_THE_WAY_MIN), yard.next_bridge)
        yard.next_bridge = truck.due_min + _BETWEEN_MIN
        truck.source = yard.random.choice(_SOURCES)

    def _weigh(self, yard: Yard, truck: Truck, minute: int, ms: int) -> Happening | None:
        """On the bridge full and empty; in between into the hopper. The scale's truth is off when it has drifted."""
        if yard.hopper_kg > 8_000:  # noqa: PLR2004 - no room: it waits, as drivers know
            truck.due_min = minute + _BETWEEN_MIN
            return None
        load, truck.load_kg, truck.due_min = truck.load_kg, 0.0, 0
        yard.hopper_kg += load
        yard.weighed_kg += load
        yard.tipped_min = _TIP_MIN
        gross, tare = (self._scale(yard, kg) for kg in (truck.tare_kg + load, truck.tare_kg))
        values: Values = {
            "gross_kg": gross, "tare_kg": tare, "net_kg": gross - tare, "route_no": truck.route, "source": truck.source,
        }  # fmt: skip
        after_ms = yard.random.randrange(MINUTE_MS)
        return Happening(yard.plan.bridge, after_ms, values, f"{yard.plan.bridge}-{ms + after_ms}")

    @staticmethod
    def _scale(yard: Yard, kg: float) -> float:
        return 10.0 * round((kg * (1 + yard.gain) + yard.zero_kg + yard.random.gauss(0, 6)) / 10)

    def _press(self, yard: Yard, moment: Moment, minute: int) -> None:
        liquid = 0.0
        for compactor in sorted(yard.compactors, key=lambda c: -c.container_kg):  # one fills up while the other waits
            if yard.hopper_kg > 60 and compactor.can_take:  # noqa: PLR2004 - a handful waits for more
                yard.hopper_kg -= compactor.take(yard.hopper_kg)
            pressed = compactor.step(yard.hall.temp_c)
            squeezed = pressed * _LIQUID[self._month] if pressed else 0.0
            compactor.container_kg -= squeezed
            liquid += squeezed
            self._haul(yard, compactor, moment, minute)
        yard.sump.step(liquid)

    @staticmethod
    def _haul(yard: Yard, compactor: Compactor, moment: Moment, minute: int) -> None:
        due = yard.calls.get(compactor.id)
        if due is None:
            if compactor.full and rhythm.is_hauled(moment):
                yard.calls[compactor.id] = minute + yard.random.randint(*_CALL_MIN)
        elif minute >= due and not compactor.jammed:
            yard.hauled_kg += compactor.swap()
            del yard.calls[compactor.id]

    # What the devices see

    def _compactor(self, yard: Yard, compactor: Compactor) -> Values:
        return compactor.values(door=yard.tipped_min > 0)

    def _sump(self, yard: Yard) -> Values:
        return yard.sump.values(yard.hall.temp_c)

    def _bin(self, can: Can) -> Values:
        fill = can.kg / self._bin_kg
        status = "burning" if can.temp_c > _HOT_C else "lidOpen" if can.lid_open else "ok"
        light = "red" if fill > 0.85 else "yellow" if fill > 0.55 else "green"  # noqa: PLR2004 - BigBelly's three steps [P]
        return {"fill": fill, "fill_light": light, "temp_c": can.temp_c, "status": status}
