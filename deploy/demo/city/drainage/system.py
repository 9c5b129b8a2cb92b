"""The drainage as a whole: weather in, pumps switched, every device's truth out."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from functools import partial

from deploy.demo.city.drainage import model
from deploy.demo.city.drainage import plan as drain
from deploy.demo.city.drainage.plan import DrainagePlan, Manhole
from deploy.demo.city.drainage.swmm import Swmm, filled_m2
from deploy.demo.city.geo import Plane
from deploy.demo.city.moment import Moment
from deploy.demo.city.storms import Rain
from deploy.demo.city.system import Happening, Reader, Values
from deploy.demo.city.weather import Air

SETTLE_MIN = 480  # of dry weather before a run begins: sewage reaches the basins, pumps find their rhythm
_THAW_MM_K_DAY = 3.0  # degree-day factor of snow [P]
_SNOW_LEFT = 0.35  # of a fall lies long enough to melt in spring; the rest is carted away or dries up
_UNDER_START_M, _UNDER_STOP_M = 1.2, 0.3


class Pump:
    """Switched by level; `broken` is the fault's knob. `word` is what its contactor reports."""

    def __init__(self, link: int, start_m: float, stop_m: float) -> None:
        self.link, self._start_m, self._stop_m = link, start_m, stop_m
        self.broken = False
        self.word_when_broken = "stopped"
        self.wanted = False

    def switch(self, level_m: float) -> bool:
        self.wanted = level_m > self._start_m or (self.wanted and level_m > self._stop_m)
        return self.wanted and not self.broken

    @property
    def word(self) -> str:
        if self.broken:
            return self.word_when_broken
        return "running" if self.wanted else "stopped"


class DrainageSystem:
    """Knobs for faults: `pumps[...].broken`, `turn_gate`, `block`, `pour`, and `funnel` (what a rain gauge still catches)."""

    def __init__(self, plan: DrainagePlan, rain: Rain, plane: Plane) -> None:
        self.plan, self._rain = plan, rain
        self._places = {g.id: plane.km(g.lat, g.lon) for g in plan.gauges}
        self._swmm: Swmm | None = None
        self._snow_mm: float | None = None
        self.rain_mm_h = dict.fromkeys(self._places, 0.0)
        self.rain_mm = dict.fromkeys(self._places, 0.0)
        self.funnel = dict.fromkeys(self._places, 1.0)
        self.gate_open = {tank.id: 1.0 for tank in plan.tanks}
        self.burst_m3_s = {under.id: 0.0 for under in plan.underpasses}
        self.blocked = {hole.id: 1.0 for hole in plan.manholes}
        self._set: dict[str, float] = {}
        self.pumps: dict[str, tuple[Pump, ...]] = {}
        self._air = Air(0.0, 0.0, 50.0, 0.0, 0.0, snow=False)
        self.readers: Mapping[str, Reader] = (
            {g.id: partial(self._gauge, g.id) for g in plan.gauges}
            | {h.id: partial(self._level, h) for h in plan.manholes}
            | {t.id: partial(self._tank, t.id) for t in plan.tanks}
            | {s.id: partial(self._soil, s.manhole) for s in plan.soils}
            | {u.id: partial(self._under, u.id) for u in plan.underpasses}
        )

    @property
    def swmm(self) -> Swmm:
        assert self._swmm is not None, "advance begins it"
        return self._swmm

    def advance(self, moment: Moment, air: Air) -> list[Happening]:
        if self._swmm is None:
            self._begin(moment)
        self._air = air
        self._fall(moment, air)
        self._step()
        return []

    def close(self) -> None:
        if self._swmm is not None:
            self._swmm.close()
            self._swmm = None

    def _begin(self, moment: Moment) -> None:
        local = datetime.combine(moment.day.date, time()) + timedelta(minutes=round(moment.hour * 60))
        self._swmm = swmm = Swmm(self.plan, local - timedelta(minutes=SETTLE_MIN))
        places = [each.id for part in (self.plan.manholes, self.plan.tanks, self.plan.underpasses) for each in part]
        self._node = {id_: swmm.node(id_) for id_ in places}
        self._pipe = {h.id: swmm.link(model.pipe(h.id)) for h in self.plan.manholes}
        self._gate = {t.id: swmm.link(model.gate(t.id)) for t in self.plan.tanks}
        self._rain_gauge = {id_: swmm.gauge(id_) for id_ in self._places}
        self._garden = {s.manhole: swmm.catchment(model.ground(s.manhole)) for s in self.plan.soils}
        for tank in self.plan.tanks:
            self.pumps[tank.id] = (
                Pump(swmm.link(model.pump(tank.id, 1)), drain.START_1_M, drain.STOP_1_M),
                Pump(swmm.link(model.pump(tank.id, 2)), drain.START_2_M, drain.STOP_2_M),
            )
        for under in self.plan.underpasses:
            self.pumps[under.id] = (Pump(swmm.link(model.pump(under.id, 1)), _UNDER_START_M, _UNDER_STOP_M),)
        for _ in range(SETTLE_MIN):
            self._step()

    def _fall(self, moment: Moment, air: Air) -> None:
        """Rain on each gauge and its ground. Snow lies; what melts runs off as rain would, but no gauge catches it."""
        if self._snow_mm is None:
            self._snow_mm = _first_snow(moment)
        if air.snow:
            self._snow_mm += _SNOW_LEFT * air.rain_mm_h / 60
        melt_mm_h = min(self._snow_mm * 60, max(0.0, air.outdoor_c) * _THAW_MM_K_DAY / 24) if self._snow_mm > 0 else 0.0
        self._snow_mm -= melt_mm_h / 60
        for id_, (east, north) in self._places.items():
            rain = 0.0 if air.snow else self._rain.at(moment, east, north)
            self.rain_mm_h[id_] = rain
            self.rain_mm[id_] += rain * self.funnel[id_] / 60
            if self._set.get(id_, 0.0) != rain + melt_mm_h:
                self._set[id_] = rain + melt_mm_h
                self.swmm.rain(self._rain_gauge[id_], rain + melt_mm_h)

    def _step(self) -> None:
        swmm = self.swmm
        for owner, pumps in self.pumps.items():
            level = swmm.depth_m(self._node[owner])
            for pump in pumps:
                running = float(pump.switch(level))
                if self._set.get(f"pump {pump.link}") != running:
                    self._set[f"pump {pump.link}"] = running
                    swmm.set_link(pump.link, running)
        swmm.step()

    def turn_gate(self, tank: str, share: float) -> None:
        self.gate_open[tank] = share
        self.swmm.set_link(self._gate[tank], share)

    def block(self, manhole: str, share: float) -> None:
        """What is left of a pipe: the share of its mean sewage that still passes; 1 is free."""
        self.blocked[manhole] = share
        self.swmm.limit(self._pipe[manhole], 0.0 if share >= 1 else max(1e-4, share * self.dry_flow_m3_s(manhole)))

    def pour(self, underpass: str, m3_s: float) -> None:
        self.burst_m3_s[underpass] = m3_s
        self.swmm.pour(self._node[underpass], m3_s)

    def level_m(self, place: str) -> float:
        """In a manhole or a basin, from its bed."""
        return self.swmm.depth_m(self._node[place])

    def road_m(self, underpass: str) -> float:
        """On the road of an underpass."""
        return max(0.0, self.level_m(underpass) - model.UNDER_SUMP_M)

    def dry_flow_m3_s(self, manhole: str) -> float:
        """The mean sewage that comes down to a manhole, from all above it."""
        above = [hole for hole in self.plan.manholes if hole.below == manhole]
        own = next(hole for hole in self.plan.manholes if hole.id == manhole)
        return model.sewage_m3_s(self.plan, own.residents) + sum(self.dry_flow_m3_s(hole.id) for hole in above)

    def _gauge(self, id_: str) -> Values:
        return {"rain_mm": self.rain_mm[id_], "intensity_mm_h": self.rain_mm_h[id_] * self.funnel[id_]}

    def _level(self, hole: Manhole) -> Values:
        swmm, pipe = self.swmm, self._pipe[hole.id]
        flow = swmm.flow_m3_s(pipe)
        area = filled_m2(swmm.link_depth_m(pipe), hole.diameter_m)
        velocity = flow / area if area > 1e-4 else 0.0  # noqa: PLR2004 - a film of water has no speed that could be measured
        return {"level_m": swmm.depth_m(self._node[hole.id]), "flow_m3_h": flow * 3600, "velocity_m_s": velocity}

    def _tank(self, id_: str) -> Values:
        swmm, node = self.swmm, self._node[id_]
        one, two = self.pumps[id_]
        return {
            "level_m": swmm.depth_m(node),
            "volume_m3": swmm.volume_m3(node),
            "inflow_m3_h": max(0.0, swmm.flow_m3_s(self._gate[id_])) * 3600,
            "outflow_m3_h": sum(swmm.flow_m3_s(pump.link) for pump in (one, two)) * 3600,
            "pump_1": one.word,
            "pump_2": two.word,
        }

    def _soil(self, manhole: str) -> Values:
        garden = self._garden[manhole]
        return {
            "moisture": self.swmm.soil_moisture(garden),
            "infiltration_mm_h": self.swmm.infiltration_mm_h(garden),
            "temp_c": self._air.ground_c,
        }

    def _under(self, id_: str) -> Values:
        return {"depth_m": self.road_m(id_)}


def _first_snow(moment: Moment) -> float:
    """What lies when a run begins, mm of water: it gathers from November to March [P]."""
    days = (moment.day.of_year + 55) % 365
    return 20.0 * days / 125 if days < 125 else 0.0  # noqa: PLR2004 - 7 November to 12 March
