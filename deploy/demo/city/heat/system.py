"""The heating as a whole, minute by minute: outdoor temperature in, every device's truth out."""

from collections.abc import Mapping
from functools import partial
from math import cos, pi

from deploy.demo.city.chance import dice
from deploy.demo.city.district import Span
from deploy.demo.city.heat.design import GAINS_W_M2, WATER_KG_M3, WATER_KJ_KG_K, interpolate
from deploy.demo.city.heat.network import HOLD_MPA, PA_MPA, Network
from deploy.demo.city.heat.plan import HeatPlan
from deploy.demo.city.heat.rooms import STEP_MIN, Flat
from deploy.demo.city.heat.station import Station
from deploy.demo.city.moment import Moment
from deploy.demo.city.system import Happening, Reader, Values
from deploy.demo.city.weather import Air

SETTLE_MIN = 360  # minutes of the first weather before a run begins, so that it begins in the middle of life
_SUN_W_M2 = 9.0  # through the windows, for each m2 of floor, under the full sun [P]
_RAMP_K_MIN = 0.5  # a boiler house heats its water no faster
_IDLE_C = 38.0


class HeatSystem:
    def __init__(self, plan: HeatPlan, season: Span, seed: int) -> None:
        self.plan, self._season = plan, season
        random = dice(seed, "heat")
        self.stations = {one.id: Station(one, plan.design, dice(seed, "station", one.id)) for one in plan.exchanges}
        self.networks = [
            Network(plant, [one for one in plan.exchanges if one.plant == plant.id], plan.design) for plant in plan.plants
        ]
        self.flats = {
            room.id: Flat(room, self.stations[room.exchange], plan.design, dice(seed, "room", room.id)) for room in plan.rooms
        }
        self.power_kw = dict.fromkeys((plant.id for plant in plan.plants), 0.0)
        self.energy_mwh = {plant.id: plant.rated_kw * random.uniform(1.5, 4.0) for plant in plan.plants}
        self._outdoor_c: dict[str, float] = {}
        self._air = Air(0.0, 0.0, 50.0, 0.0, 0.0, snow=False)
        self.place = {one.id: (net, n) for net in self.networks for n, one in enumerate(net.stations)}
        self.readers: Mapping[str, Reader] = (
            {net.plant.id: partial(self._plant, net) for net in self.networks}
            | {id_: partial(self._exchange, id_) for id_ in self.stations}
            | {id_: partial(self._room, flat) for id_, flat in self.flats.items()}
        )
        self._settled = False

    def advance(self, moment: Moment, air: Air) -> list[Happening]:
        if not self._settled:
            self._settle(moment, air)
        self._step(moment, air)
        if moment.ms // 60_000 % STEP_MIN == 0:
            gains = self.gains_w_m2(moment, air)
            for flat in self.flats.values():
                flat.step(moment, air, gains)
        return []

    def close(self) -> None:
        """Nothing to give back."""

    def heating(self, moment: Moment) -> bool:
        return self._season.holds(moment.day.month_day)

    def _settle(self, moment: Moment, air: Air) -> None:
        self._settled = True
        self._outdoor_c = {net.plant.id: air.outdoor_c for net in self.networks}
        if not self.heating(moment):
            for station in self.stations.values():
                station.building_c = station.supply_c = station.back_c = max(18.0, air.outdoor_c + 3)
                station.primary_back_c, station.opening = 20.0, 0.0
            for flat in self.flats.values():
                flat.wall_c = max(18.0, air.outdoor_c + 3)
            for net in self.networks:
                net.settle(max(8.0, air.ground_c), max(8.0, air.ground_c))
            return
        for station in self.stations.values():
            station.settle(air.outdoor_c)
        for net in self.networks:
            net.settle(interpolate(net.plant.curve, air.outdoor_c), 50.0)
        for _ in range(SETTLE_MIN):
            self._step(moment, air)

    def _step(self, moment: Moment, air: Air) -> None:
        self._air = air
        heating, gains = self.heating(moment), self.gains_w_m2(moment, air)
        for net in self.networks:
            stations = [self.stations[one.id] for one in net.stations]
            net.solve([each.control(air.outdoor_c, heating=heating) for each in stations], running=heating)
            net.travel(max(2.0, air.ground_c), [each.primary_back_c for each in stations])
            for n, station in enumerate(stations):
                station.exchange(net.arriving_c[n], net.flow[n])
                station.warm(air.outdoor_c, gains)
                station.hold_pressure()
            self._fire(net, air.outdoor_c, heating=heating)

    def _fire(self, net: Network, outdoor_c: float, *, heating: bool) -> None:
        """The boilers follow their curve, as far as they can, with the outdoor temperature of the last three hours."""
        id_ = net.plant.id
        self._outdoor_c[id_] += (outdoor_c - self._outdoor_c[id_]) / 180
        if not heating:
            self.power_kw[id_] = 0.0
            return
        wanted = interpolate(net.plant.curve, self._outdoor_c[id_])
        net.supply_c += max(-_RAMP_K_MIN, min(_RAMP_K_MIN, wanted - net.supply_c))
        most = net.return_c + net.plant.rated_kw / max(1e-6, net.pumped_kg_s * WATER_KJ_KG_K)
        net.supply_c = min(net.supply_c, most)
        power = net.pumped_kg_s * WATER_KJ_KG_K * (net.supply_c - net.return_c)
        power += net.makeup_kg_s * WATER_KJ_KG_K * (net.return_c - _IDLE_C)
        self.power_kw[id_] = max(0.0, power)
        self.energy_mwh[id_] += self.power_kw[id_] / 60_000

    def gains_w_m2(self, moment: Moment, air: Air) -> float:
        """People are at home in the evening, the sun comes in by day."""
        return GAINS_W_M2 * (1 + 0.35 * cos(2 * pi * (moment.hour - 20) / 24)) + _SUN_W_M2 * air.sun

    def _plant(self, net: Network) -> Values:
        running = net.pumped_kg_s > 0
        base = HOLD_MPA - net.sag_mpa
        return {
            "supply_temp_c": net.supply_c,
            "return_temp_c": net.return_c,
            "supply_pressure_mpa": base + (net.head_pa / PA_MPA if running else 0.0),
            "return_pressure_mpa": base,
            "flow_m3_h": net.pumped_kg_s * 3600 / WATER_KG_M3,
            "power_kw": self.power_kw[net.plant.id],
            "energy_mwh": self.energy_mwh[net.plant.id],
            "makeup_flow_m3_h": net.makeup_kg_s * 3600 / WATER_KG_M3,
            "outdoor_temp_c": self._air.outdoor_c,
        }

    def _exchange(self, id_: str) -> Values:
        station = self.stations[id_]
        net, n = self.place[id_]
        if net.pumped_kg_s > 0:
            supply_mpa, return_mpa = net.pressures(n)
        else:
            supply_mpa = return_mpa = HOLD_MPA - net.sag_mpa
        power_kw = station.power_w / 1000
        return {
            "primary_supply_temp_c": net.arriving_c[n],
            "primary_return_temp_c": station.primary_back_c,
            "primary_supply_pressure_mpa": supply_mpa,
            "primary_return_pressure_mpa": return_mpa,
            "primary_flow_m3_h": net.flow[n] * 3600 / WATER_KG_M3,
            "primary_power_kw": power_kw,
            "primary_energy_kwh": station.primary_kwh,
            "secondary_supply_temp_c": station.supply_c,
            "secondary_return_temp_c": station.back_c,
            "secondary_supply_pressure_mpa": station.return_mpa + station.pump_mpa,
            "secondary_return_pressure_mpa": station.return_mpa,
            "secondary_flow_m3_h": station.flow_m3_h,
            "secondary_power_kw": power_kw,
            "secondary_energy_kwh": station.secondary_kwh,
            "secondary_makeup_flow_m3_h": station.makeup_m3_h,
            "valve_opening": station.opening,
            "circulation_pump": "fault" if station.pump_fault else "running" if net.pumped_kg_s > 0 else "stopped",
            "makeup_pump": "running" if station.refilling else "stopped",
            "outdoor_temp_c": self._air.outdoor_c,
        }

    def _room(self, flat: Flat) -> Values:
        return flat.read(self._air)
