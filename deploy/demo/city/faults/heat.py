"""What goes wrong in the heating."""

from collections.abc import Sequence

from deploy.demo.city.faults.kind import Fault, FaultKind, Levers, after_minutes
from deploy.demo.city.heat.station import Station
from schemas.instants import HOUR_MS

_ROOMS_OF_A_BUILDING = 3
_OPEN_ABOVE = 0.5  # of luck: a stuck valve is stuck open, else nearly shut


def _station(city: Levers, fault: Fault) -> Station:
    return city.heat.stations[fault.device]


def _rooms(city: Levers, exchange: str) -> list[str]:
    return [room.id for room in city.plan.heat.rooms if room.exchange == exchange]


def _its_rooms(city: Levers, fault: Fault) -> Sequence[str]:
    return tuple(_rooms(city, fault.device))


def _burst_on(city: Levers, fault: Fault, ms: int) -> None:
    net, n = city.heat.place[fault.device]
    net.burst[n] = sum(net.design_flow) * (0.014 + 0.03 * fault.severity) * fault.ramp(ms, 0.1)


def _burst_off(city: Levers, fault: Fault, _ms: int) -> None:
    net, n = city.heat.place[fault.device]
    net.burst[n] = 0.0


def _burst_plant(city: Levers, fault: Fault) -> Sequence[str]:
    """The boiler house sees it first: its make-up water."""
    return (city.heat.place[fault.device][0].plant.id, fault.device)


def _whole_network(city: Levers, fault: Fault) -> Sequence[str]:
    net, _ = city.heat.place[fault.device]
    stations = [one.id for one in net.stations if one.id != fault.device]
    return (*stations, *(room for one in net.stations for room in _rooms(city, one.id)))


def _fouling_on(city: Levers, fault: Fault, ms: int) -> None:
    _station(city, fault).fouling = 1 - (0.45 + 0.3 * fault.severity) * fault.ramp(ms, 18)


def _fouling_off(city: Levers, fault: Fault, _ms: int) -> None:
    _station(city, fault).fouling = 1.0


def _trip_on(city: Levers, fault: Fault, _ms: int) -> None:
    _station(city, fault).pump_fault = True


def _trip_off(city: Levers, fault: Fault, _ms: int) -> None:
    _station(city, fault).pump_fault = False


def _valve_on(city: Levers, fault: Fault, _ms: int) -> None:
    _station(city, fault).stuck_at = 1.0 if fault.luck > _OPEN_ABOVE else 0.42 - 0.2 * fault.severity


def _valve_off(city: Levers, fault: Fault, _ms: int) -> None:
    _station(city, fault).stuck_at = -1.0


def _building(city: Levers, fault: Fault) -> Sequence[str]:
    """The room that is named and two others of the same exchange station, as if of one house."""
    rooms = _rooms(city, city.heat.flats[fault.device].plan.exchange)
    first = rooms.index(fault.device)
    return tuple(rooms[(first + n) % len(rooms)] for n in range(min(_ROOMS_OF_A_BUILDING, len(rooms))))


def _cold_on(city: Levers, fault: Fault, _ms: int) -> None:
    for room in _building(city, fault):
        city.heat.flats[room].warmth = 0.55 - 0.3 * fault.severity


def _cold_off(city: Levers, fault: Fault, _ms: int) -> None:
    for room in _building(city, fault):
        city.heat.flats[room].warmth = 1.0


def _cold_shows(city: Levers, fault: Fault) -> int | None:
    """When the first of its rooms should be half a degree under the duty of 20 Cel, by its walls' time constant."""
    design = city.plan.heat.design
    outdoor = city.weather.outdoor(city.times.at(fault.from_ms + 6 * HOUR_MS))
    missing_w_m2 = design.loss_w_m2_k * (design.room_c - outdoor) * (0.45 + 0.3 * fault.severity)
    hours = [city.heat.flats[room].plan.hours for room in _building(city, fault)]
    k_h = missing_w_m2 / (design.loss_w_m2_k * min(hours))
    shows = fault.from_ms + round((design.room_c - 19.5) / max(0.01, k_h) * HOUR_MS)
    return shows if shows < fault.to_ms else None


KINDS = (
    FaultKind(
        "pipe-burst", "heat", ("exchange",), _burst_on, _burst_off,
        "The primary pipe beside a station bursts: make-up water many times the usual, pressure sags.", (2, 14),
        shows=after_minutes(2), sites=_burst_plant, touches=_whole_network, season="heating",
    ),
    FaultKind(
        "exchanger-fouling", "heat", ("exchange",), _fouling_on, _fouling_off,
        "The plates foul within a day: the valve opens, the supply falls short of its curve, the primary return rises.",
        (40, 110), shows=after_minutes(9 * 60), touches=_its_rooms, season="heating",
    ),
    FaultKind(
        "circulation-pump-trip", "heat", ("exchange",), _trip_on, _trip_off,
        "The secondary circulation stops; the valve shuts by interlock, buildings cool.", (1.5, 10), touches=_its_rooms,
        season="heating",
    ),
    FaultKind(
        "valve-stuck", "heat", ("exchange",), _valve_on, _valve_off,
        "The control valve stays where it is: fully open, or nearly shut.", (6, 40), shows=after_minutes(15),
        touches=_its_rooms, season="heating",
    ),
    FaultKind(
        "underheated-building", "heat", ("indoor",), _cold_on, _cold_off,
        "A building gets half of its water: its rooms cool over many hours.", (36, 90), shows=_cold_shows,
        sites=_building, season="heating",
    ),
)  # fmt: skip
