"""The city at work: one weather, four systems, their sensors and faults, and out of it messages in the order of time.

A city is made, told its faults, and iterated once. `minutes` gives a minute's messages at a time, `messages` one by one. The same
district, seed, beginning and faults make the same bytes; which streams are left out changes nothing in the others.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from deploy.demo.city.bike.system import BikeSystem
from deploy.demo.city.chance import dice
from deploy.demo.city.district import District
from deploy.demo.city.drainage.system import DrainageSystem
from deploy.demo.city.faults import schedule, truth
from deploy.demo.city.faults.kind import Fault, Levers
from deploy.demo.city.heat.system import HeatSystem
from deploy.demo.city.moment import Moment, Times
from deploy.demo.city.plan import Plan, plan_city
from deploy.demo.city.sensors.reporter import Reporter
from deploy.demo.city.system import Happening, System
from deploy.demo.city.waste.system import WasteSystem
from deploy.demo.city.weather import Weather
from deploy.demo.recordings.recording import Message
from schemas.device import Device
from schemas.instants import DAY_MS, MINUTE_MS

STREAMS = ("bike", "waste", "heat", "drainage")


class City:
    """`start_ms` is rounded down to a full minute."""

    def __init__(
        self, district: District, seed: int, start_ms: int, *, streams: Collection[str] = STREAMS, plan: Plan | None = None
    ) -> None:
        self.plan = plan or plan_city(district)
        self.seed = seed
        self.start_ms = self.now_ms = start_ms // MINUTE_MS * MINUTE_MS
        self.times = Times(district.utc_offset_h, district.calendar.holidays)
        self.weather = Weather(district, seed, self.times)
        calendar, plan_ = district.calendar, self.plan
        bike = BikeSystem(plan_.bike, district.bike, calendar.bikes_away, plan_.plane, seed)
        waste = WasteSystem(plan_.waste, district.waste, seed)
        heat = HeatSystem(plan_.heat, calendar.heating, seed)
        drainage = DrainageSystem(plan_.drainage, self.weather.rain, plan_.plane)
        systems: dict[str, System] = {"bike": bike, "waste": waste, "heat": heat, "drainage": drainage}
        self._systems = [systems[name] for name in STREAMS if name in streams]
        self.devices: tuple[Device, ...] = tuple(device for device in plan_.devices if device.stream in streams)
        readers = {name: reader for system in self._systems for name, reader in system.readers.items()}
        self.reporters = {
            device.device_id: Reporter(
                device, readers.get(device.device_id), district.sensors, dice(seed, "device", device.device_id)
            )
            for device in self.devices
        }
        self.levers = Levers(plan_, self.weather, self.times, bike, waste, heat, drainage, self.reporters)
        self.faults: Sequence[Fault] = ()
        self._active: set[str] = set()
        self.conditions = truth.Conditions(self.levers)
        self._due: dict[int, list[Reporter]] = {}
        self._later: list[Message] = []
        for reporter in self.reporters.values():
            reporter.begin(self.start_ms)
            self._put(reporter)

    # Faults and truth

    def load_faults(self, path: Path) -> None:
        """DistrictError says what is wrong with the file."""
        self.faults = schedule.load_faults(path, self.levers, self.start_ms)

    def draw_faults(self, count: int, days: float) -> None:
        """By chance, from the run's seed, within so many days; fewer where there is no room for more."""
        end_ms = self.start_ms + round(days * DAY_MS)
        streams = {device.stream for device in self.devices}
        self.faults = schedule.random_faults(count, self.levers, self.seed, self.start_ms, end_ms, streams)

    def truth(self) -> list[truth.Label]:
        """The faults as planned, and the conditions that have ended by now."""
        return [*truth.labels(self.levers, self.faults), *self.conditions.ended]

    def write_truth(self, path: Path) -> None:
        truth.write(path, [label.line(self.levers) for label in self.truth()])

    # Time

    def messages(self, end_ms: int | None = None) -> Iterator[Message]:
        for minute in self.minutes(end_ms):
            yield from minute

    def minutes(self, end_ms: int | None = None) -> Iterator[list[Message]]:
        """Each minute's messages, in order; without end unless told."""
        while end_ms is None or self.now_ms < end_ms:
            yield self.minute()
        self.conditions.close(self.now_ms)

    def minute(self) -> list[Message]:
        ms = self.now_ms
        self.now_ms += MINUTE_MS
        moment = self.times.at(ms)
        happenings = self._advance(moment)
        self._pull(ms)
        self.conditions.look(ms)
        made = self._later
        for reporter in self._due.pop(ms // MINUTE_MS, ()):
            while reporter.next_ms < self.now_ms:
                reporter.report(made)
            self._put(reporter)
        for each in happenings:
            self.reporters[each.device_id].send(ms + each.after_ms, each.values, made, each.event_id)
        made.sort(key=_at)
        now = [message for message in made if message.at_ms < self.now_ms]
        self._later = made[len(now) :]
        return now

    def close(self) -> None:
        for system in self._systems:
            system.close()

    def _advance(self, moment: Moment) -> list[Happening]:
        air = self.weather.at(moment)
        return [happening for system in self._systems for happening in system.advance(moment, air)]

    def _pull(self, ms: int) -> None:
        """Faults begin, go on and end."""
        for fault in self.faults:
            kind = schedule.KINDS[fault.name]
            if fault.from_ms <= ms < fault.to_ms:
                self._active.add(fault.id)
                kind.on(self.levers, fault, ms)
            elif fault.id in self._active:
                self._active.remove(fault.id)
                kind.off(self.levers, fault, ms)

    def _put(self, reporter: Reporter) -> None:
        self._due.setdefault(reporter.next_ms // MINUTE_MS, []).append(reporter)


def _at(message: Message) -> int:
    return message.at_ms
