"""The whole district laid out, and its registry: every device with the parameters that ranges and rules need."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deploy.demo.city.bike.plan import BikePlan, plan_bike, vehicle_id
from deploy.demo.city.district import District
from deploy.demo.city.drainage import plan as drain
from deploy.demo.city.drainage.model import HOURS, SEEPAGE_M3_S, sewage_m3_s
from deploy.demo.city.drainage.plan import DrainagePlan, Manhole, plan_drainage
from deploy.demo.city.geo import Plane
from deploy.demo.city.heat.plan import HeatPlan, plan_heat
from deploy.demo.city.waste import plan as refuse
from deploy.demo.city.waste.plan import WastePlan, plan_waste
from schemas.device import Device
from schemas.streams import find_kind

_BIKES_A_GATEWAY = 500


@dataclass(frozen=True)
class Plan:
    district: District
    plane: Plane
    bike: BikePlan
    waste: WastePlan
    heat: HeatPlan
    drainage: DrainagePlan

    @cached_property
    def devices(self) -> tuple[Device, ...]:
        """In the order of streams, kinds and numbers."""
        return tuple(self._devices())

    def _devices(self) -> Iterator[Device]:
        yield from self._bike()
        yield from self._waste()
        yield from self._heat()
        yield from self._drainage()

    def _bike(self) -> Iterator[Device]:
        for station in self.bike.stations:
            yield self._device("bike", "station", station, docks=station.docks)
        home = {"home_lat": self.district.lat, "home_lon": self.district.lon}
        for number in range(self.bike.reporting):
            station = self.bike.stations[number % len(self.bike.stations)]
            yield self._make(
                "bike", "vehicle", vehicle_id(number), station.zone, vehicle_id(number), station.lat, station.lon,
                f"Bicycle {number + 1} {number + 1}号车", f"GW-BV-{number // _BIKES_A_GATEWAY + 1}", home,
            )  # fmt: skip

    def _waste(self) -> Iterator[Device]:
        sump = {"depth_m": refuse.SUMP_DEPTH_M, "pump_start_m": refuse.SUMP_START_M, "pump_stop_m": refuse.SUMP_STOP_M}
        tare = {"truck_tare_kg": self.district.waste.truck_tare_kg}
        for kind, params in (("compactor", {}), ("weighbridge", tare), ("air", {}), ("leachate", sump)):
            for station in self.waste.stations:
                names = {"weighbridge": station.bridge, "air": station.air, "leachate": station.sump}
                for id_ in station.compactors if kind == "compactor" else (names[kind],):
                    yield self._make(
                        "waste", kind, id_, station.zone, station.id, station.lat, station.lon, station.name,
                        f"GW-{station.id}", params,
                    )  # fmt: skip
        for bin_ in self.waste.bins:
            yield self._device("waste", "bin", bin_, gateway=f"GW-WN-{bin_.zone}", volume_m3=self.district.waste.bin_m3)

    def _heat(self) -> Iterator[Device]:
        for plant in self.heat.plants:
            yield self._device(
                "heat", "plant", plant, rated_kw=plant.rated_kw, design_flow_m3_h=plant.design_flow_m3_h,
                heating_curve=plant.curve,
            )  # fmt: skip
        for one in sorted(self.heat.exchanges, key=lambda one: one.id):
            yield self._device(
                "heat", "exchange", one, gateway=f"GW-{one.id}", heated_area_m2=one.area_m2,
                design_flow_m3_h=one.design_flow_m3_h, heating_curve=one.curve,
            )  # fmt: skip
        for room in self.heat.rooms:
            yield self._device("heat", "indoor", room, site=room.exchange, gateway=f"GW-{room.exchange}", target_c=20.0)

    def _drainage(self) -> Iterator[Device]:
        plan = self.drainage
        for gauge in plan.gauges:
            yield self._device("drainage", "rain", gauge)
        for hole in plan.manholes:
            yield self._device(
                "drainage", "level", hole, site=hole.basin, gateway=f"GW-{hole.basin}", depth_m=hole.depth_m,
                pipe_diameter_m=hole.diameter_m, **_outfall(plan, hole),
            )  # fmt: skip
        for tank in plan.tanks:
            yield self._device(
                "drainage", "tank", tank, depth_m=drain.TANK_DEPTH_M, volume_m3=tank.volume_m3,
                pump_start_m=drain.START_1_M, pump_stop_m=drain.STOP_1_M,
            )  # fmt: skip
        basins = {hole.id: hole.basin for hole in plan.manholes}
        for soil in plan.soils:
            yield self._device("drainage", "soil", soil, site=basins[soil.manhole], gateway=f"GW-{basins[soil.manhole]}")
        for under in plan.underpasses:
            yield self._device("drainage", "underpass", under, warn_m=drain.WARN_M, close_m=drain.CLOSE_M)

    def _device(self, stream: str, kind: str, place: Any, *, site: str = "", gateway: str = "", **params: Any) -> Device:
        return self._make(stream, kind, place.id, place.zone, site or place.id, place.lat, place.lon, place.name, gateway, params)

    def _make(
        self, stream: str, kind: str, id_: str, zone: str, site: str, lat: float, lon: float, name: str, gateway: str,
        params: Mapping[str, Any],
    ) -> Device:  # fmt: skip
        declared = find_kind(stream, kind)
        assert declared is not None
        known = {param.name for param in declared.params}
        return Device(
            device_id=id_,
            stream=stream,
            kind=kind,
            zone=zone,
            site=site,
            lat=lat,
            lon=lon,
            name=name,
            gateway=gateway,
            interval_s=self.district.intervals_s.get(f"{stream}/{kind}", declared.interval_s),
            params={param: value for param, value in params.items() if param in known},
        )


def _outfall(plan: DrainagePlan, hole: Manhole) -> dict[str, Any]:
    """What the last manhole before a basin must know of all that drains to it; dry flow by the hour, as sewage and seepage go."""
    if not hole.below.startswith("IN-"):
        return {}
    above = [each for each in plan.manholes if each.basin == hole.basin]
    ids = {each.id for each in above}
    hectares = [each.hectares for each in above] + [each.hectares for each in plan.underpasses if each.manhole in ids]
    dry_m3_h = 3_600 * sum(sewage_m3_s(plan, each.residents) + SEEPAGE_M3_S for each in above)
    return {
        "catchment_m2": round(10_000 * sum(hectares)),
        "dry_flow_m3_h": tuple((hour + 0.5, round(dry_m3_h * factor, 1)) for hour, factor in enumerate(HOURS)),
    }


def plan_city(district: District) -> Plan:
    plane = Plane(district.lat, district.lon)
    return Plan(
        district, plane, plan_bike(district, plane), plan_waste(district, plane), plan_heat(district, plane),
        plan_drainage(district, plane),
    )  # fmt: skip
