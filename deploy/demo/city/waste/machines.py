"""The machines of a transfer station, minute by minute: compactors, the sump, the air in the hall."""

from math import sqrt
from random import Random

from deploy.demo.city.system import Values
from deploy.demo.city.waste import plan as refuse
from deploy.demo.city.weather import Air

_CYCLE_MIN = 3  # ram out, press, ram back
_CYCLE_KG = 380.0
_PRESS_MPA = (9.0, 19.5)  # at the press, into an empty and into a full container [P]
_SWAP_MIN = 10
_IDLE_A, _MOVE_A, _PRESS_A, _STALL_A = 0.0, 34.0, 72.0, 168.0  # of a 30 kW motor [P]
_RISE_K_MIN = 1.6
_COOL_MIN = 38.0
_SUMP_M2 = 3.2
_PUMP_M3_MIN = 0.11


class Compactor:
    """Knobs for faults: `jammed`, `leak` (share of the pressure that is lost)."""

    def __init__(self, id_: str, container_kg: float, random: Random) -> None:
        self.id, self._random, self._full_kg = id_, random, container_kg
        self.jammed, self.leak = False, 0.0
        self.container_kg = random.uniform(0.05, 0.8) * container_kg
        self.cycles = random.randrange(20_000, 90_000)
        self.energy_kwh = self.cycles * 0.9
        self.motor_c = 10.0
        self.pressure_mpa, self.current_a = 0.2, 0.0
        self._phase = 0  # minutes of the cycle that remain
        self._taken_kg = 0.0
        self.swap_min = 0  # minutes until the container is exchanged; 0 while nobody does
        self._jam_min = 0

    @property
    def full(self) -> bool:
        return self.container_kg >= self._full_kg * (1 - 0.25 * self.leak)  # less pressure, less in the container

    @property
    def can_take(self) -> bool:
        return not (self.jammed or self.full or self.swap_min or self._phase)

    @property
    def state(self) -> str:
        if self.jammed:
            return "fault"
        if self._phase:
            return "compacting"
        return "full" if self.full else "idle"

    def take(self, kg: float) -> float:
        """Begins a cycle with what the hopper holds, up to a chargeful; returns how much that is."""
        self._taken_kg = min(kg, _CYCLE_KG)
        self._phase = _CYCLE_MIN + (2 if self.leak > 0.3 else 0)  # noqa: PLR2004
        return self._taken_kg

    @property
    def inside_kg(self) -> float:
        """In the container and before the ram."""
        return self.container_kg + self._taken_kg

    def step(self, hall_c: float) -> float:
        """Returns the liquid that this minute's pressing gave, as a share of what was pressed; 0 when nothing was."""
        pressed = 0.0
        target_mpa, current = 0.2, _IDLE_A
        if self.jammed:
            self._jam_min += 1
            if self._jam_min <= 2:  # noqa: PLR2004 - then the motor protection lets go
                target_mpa, current = 23.0, _STALL_A
        elif self._phase:
            self._jam_min = 0
            self._phase -= 1
            share = self.container_kg / self._full_kg
            if self._phase == 1:
                target_mpa = (_PRESS_MPA[0] + (_PRESS_MPA[1] - _PRESS_MPA[0]) * min(1.0, share)) * self._random.uniform(
                    0.96, 1.04
                )
                current = _PRESS_A * (0.75 + 0.25 * share)
                pressed = self._taken_kg
                self.container_kg += self._taken_kg
                self._taken_kg = 0.0
                self.cycles += 1
            else:
                target_mpa, current = 5.5 * self._random.uniform(0.9, 1.1), _MOVE_A
        else:
            self._jam_min = 0
        self.pressure_mpa = target_mpa * (1 - 0.55 * self.leak)
        self.current_a = current * (1 + 0.15 * self.leak)
        kilowatt = sqrt(3) * 380 * self.current_a * 0.85 / 1000
        self.energy_kwh += kilowatt / 60
        self.motor_c += (hall_c - self.motor_c) / _COOL_MIN + _RISE_K_MIN * self.current_a / _PRESS_A
        return pressed

    def swap(self) -> float:
        """The full container goes, an empty one comes; returns what went."""
        gone, self.container_kg = self.container_kg, 0.0
        return gone

    def values(self, *, door: bool) -> Values:
        return {
            "fill": self.container_kg / self._full_kg,
            "hydraulic_pressure_mpa": self.pressure_mpa,
            "motor_current_a": self.current_a,
            "motor_temp_c": self.motor_c,
            "cycles": self.cycles,
            "state": self.state,
            "is_door_open": door,
            "energy_kwh": self.energy_kwh,
        }


class Sump:
    """Leachate gathers and is pumped away."""

    def __init__(self, random: Random) -> None:
        self.level_m = random.uniform(refuse.SUMP_STOP_M, refuse.SUMP_START_M)
        self.running, self.pump_fault = False, False
        self.out_kg = 0.0
        self._ph = random.uniform(5.2, 6.0)

    @property
    def kg(self) -> float:
        return self.level_m * _SUMP_M2 * 1000

    def step(self, inflow_kg: float) -> None:
        self.level_m += inflow_kg / 1000 / _SUMP_M2
        self.running = self.level_m > refuse.SUMP_START_M or (self.running and self.level_m > refuse.SUMP_STOP_M)
        if self.running and not self.pump_fault:
            gone = min(_PUMP_M3_MIN, self.level_m * _SUMP_M2)
            self.level_m -= gone / _SUMP_M2
            self.out_kg += gone * 1000
        self.level_m = min(refuse.SUMP_DEPTH_M + 0.3, self.level_m)

    def values(self, hall_c: float) -> Values:
        pump = "fault" if self.pump_fault else "running" if self.running else "stopped"
        ph = self._ph + 0.25 * (self.level_m / refuse.SUMP_DEPTH_M) - 0.015 * max(0.0, hall_c - 10)
        return {"level_m": self.level_m, "ph": ph, "pump": pump}


class Hall:
    """The air where trucks tip. `release_mg_m3` is the fault's knob."""

    def __init__(self, random: Random) -> None:
        self.temp_c = 12.0
        self.release_mg_m3 = 0.0
        self.nh3, self.h2s, self._humidity = 0.4, 0.012, 60.0
        self._tightness = random.uniform(0.8, 1.2)

    def settle(self, air: Air) -> None:
        self.temp_c = _hall_c(air)

    def step(self, air: Air, waste_kg: float, *, tipping: bool) -> None:
        """Decay doubles its gas with each ten degrees; a ventilated hall changes its air in some twenty minutes [P]."""
        self.temp_c += (_hall_c(air) - self.temp_c) / 90 - (0.25 if tipping and air.outdoor_c < 0 else 0.0)
        activity = 2 ** ((self.temp_c - 20) / 10) * self._tightness
        source = 0.18 + 0.028 * waste_kg / 1000 * activity + (0.35 * activity if tipping else 0.0)
        self.nh3 += (source + self.release_mg_m3 - self.nh3) / (5 if self.release_mg_m3 else 20)
        self.h2s += (0.003 + 0.018 * source * activity**0.5 + 0.06 * self.release_mg_m3 - self.h2s) / 20
        self._humidity += (min(92.0, 0.6 * air.humidity + 22 + (6 if tipping else 0)) - self._humidity) / 30

    def values(self) -> Values:
        return {
            "nh3_mg_m3": self.nh3,
            "h2s_mg_m3": self.h2s,
            "temp_c": self.temp_c,
            "humidity_percent": self._humidity,
        }


def _hall_c(air: Air) -> float:
    """Unheated but closed: milder than outside in winter, never frozen hard."""
    return air.outdoor_c + 1.5 if air.outdoor_c > 8 else 8 + 0.45 * (air.outdoor_c - 8)  # noqa: PLR2004
