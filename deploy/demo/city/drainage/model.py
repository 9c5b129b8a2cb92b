"""The sewers as a SWMM 5 input file: text made from the plan, in metric units, with flows in m3/s.

Combined sewers: sewage by the hour of the day, rain from impervious ground at once, from the rest as Horton lets it. A manhole's
ground has a rain garden where the plan has a soil point. Pumps are switched from outside, minute by minute, as a PLC would.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from deploy.demo.city.drainage import plan as drain
from deploy.demo.city.drainage.plan import DrainagePlan

UNDER_SUMP_M = 2.2  # pump sump below an underpass's road
_INLET_M = 1.6  # side of the square gate between sewer and basin
_IMPERVIOUS_PERCENT = 58
_STREET_M2 = 2500  # that water from a manhole spreads over before it runs back
SEEPAGE_M3_S = 0.0003  # ground water into an underpass's sump, and into each stretch of sewer
_RIVER_M = 100.0
_FOR_EVER = timedelta(days=3650)
# Sewage by hour of the day against its mean [P: the usual two peaks]
HOURS = (.45, .36, .31, .30, .40, .75, 1.30, 1.60, 1.52, 1.30, 1.18, 1.22, 1.30, 1.20, 1.08, 1.00, 1.06, 1.28, 1.52, 1.58, 1.42,
         1.18, .92, .67)  # fmt: skip
_WEEKEND_LATER = 1  # hours
# mm a day by month [P: pan evaporation of the region, halved]
_EVAPORATION = (0.0, 0.0, 0.8, 2.2, 3.6, 3.8, 3.4, 2.9, 2.2, 1.2, 0.2, 0.0)

Section = tuple[str, list[str]]


def inlet(tank: str) -> str:
    return f"IN-{tank}"


def gate(tank: str) -> str:
    return f"OR-{tank}"


def weir(tank: str) -> str:
    return f"WE-{tank}"


def pump(owner: str, number: int) -> str:
    return f"P{number}-{owner}"


def pipe(manhole: str) -> str:
    return f"C-{manhole}"


def ground(place: str) -> str:
    return f"S-{place}"


def sewage_m3_s(plan: DrainagePlan, residents: float) -> float:
    return residents * plan.litres_a_day / 1000 / 86_400


def input_file(plan: DrainagePlan, start: datetime) -> str:
    """`start` is local and naive: SWMM's hours of the day are the people's."""
    return "\n".join(line for name, lines in _sections(plan, start) for line in (f"[{name}]", *lines, "")) + "\n"


def _sections(plan: DrainagePlan, start: datetime) -> Iterator[Section]:
    yield "OPTIONS", _options(start)
    yield "EVAPORATION", ["MONTHLY " + " ".join(str(v) for v in _EVAPORATION), "DRY_ONLY NO"]
    yield "RAINGAGES", [f"{gauge.id} INTENSITY 0:01 1.0 TIMESERIES NONE" for gauge in plan.gauges]
    yield "TIMESERIES", ["NONE 0:00 0.0", "NONE 1:00 0.0"]
    yield from _catchments(plan)
    yield from _gardens(plan)
    yield from _nodes(plan)
    yield from _links(plan)
    yield "DWF", _sewage(plan)
    later = HOURS[-_WEEKEND_LATER:] + HOURS[:-_WEEKEND_LATER]
    yield "PATTERNS", [f"DAY HOURLY {' '.join(map(str, HOURS))}", f"FREE WEEKEND {' '.join(map(str, later))}"]
    yield "CURVES", _curves(plan)
    yield "REPORT", ["INPUT NO", "CONTROLS NO", "NODES NONE", "LINKS NONE", "SUBCATCHMENTS NONE"]


def _options(start: datetime) -> list[str]:
    end = start + _FOR_EVER
    silent = end - timedelta(days=2)  # SWMM's own report begins when nobody will be there to read it
    return [
        "FLOW_UNITS CMS", "INFILTRATION HORTON", "FLOW_ROUTING DYNWAVE",
        f"START_DATE {start:%m/%d/%Y}", f"START_TIME {start:%H:%M:%S}",
        f"REPORT_START_DATE {silent:%m/%d/%Y}", f"REPORT_START_TIME {silent:%H:%M:%S}",
        f"END_DATE {end:%m/%d/%Y}", f"END_TIME {end:%H:%M:%S}",
        "DRY_DAYS 3", "REPORT_STEP 24:00:00", "WET_STEP 00:01:00", "DRY_STEP 00:05:00",
        "ROUTING_STEP 15", "VARIABLE_STEP 0.75", "LENGTHENING_STEP 15", "MINIMUM_STEP 2", "INERTIAL_DAMPING PARTIAL",
        "NORMAL_FLOW_LIMITED BOTH", "MIN_SURFAREA 1.2", "MAX_TRIALS 8", "HEAD_TOLERANCE 0.0015", "THREADS 1",
        "ALLOW_PONDING YES", "IGNORE_QUALITY YES",
    ]  # fmt: skip


def _catchments(plan: DrainagePlan) -> Iterator[Section]:
    areas = [
        f"{ground(h.id)} {plan.gauge_of[h.id]} {h.id} {h.hectares} {_IMPERVIOUS_PERCENT} {130 * h.hectares**0.5:.0f} 0.6 0"
        for h in plan.manholes
    ]
    areas += [f"{ground(u.id)} {plan.gauge_of[u.manhole]} {u.id} {u.hectares} 88 60 3 0" for u in plan.underpasses]
    names = [*(ground(h.id) for h in plan.manholes), *(ground(u.id) for u in plan.underpasses)]
    yield "SUBCATCHMENTS", areas
    yield "SUBAREAS", [f"{name} 0.014 0.2 1.6 5 25 OUTLET" for name in names]
    yield "INFILTRATION", [f"{name} 65 6 4 7 0" for name in names]


def _gardens(plan: DrainagePlan) -> Iterator[Section]:
    """Bio-retention cells: 15 cm of ponding, half a metre of planted soil, 30 cm of gravel with a drain."""
    yield (
        "LID_CONTROLS",
        [
            "GARDEN BC",
            "GARDEN SURFACE 150 0.1 0.1 1 5",
            "GARDEN SOIL 500 0.46 0.26 0.10 60 12 85",
            "GARDEN STORAGE 300 0.65 8 0",
            "GARDEN DRAIN 1.5 0.5 100 6 0 0",
        ],
    )
    hectares = {hole.id: hole.hectares for hole in plan.manholes}
    yield "LID_USAGE", [f"{ground(s.manhole)} GARDEN 1 {hectares[s.manhole] * 400:.0f} 20 38 30 0" for s in plan.soils]


def _nodes(plan: DrainagePlan) -> Iterator[Section]:
    junctions = [f"{h.id} {h.bed_m} {h.depth_m} 0 0 {_STREET_M2}" for h in plan.manholes]
    junctions += [f"{inlet(t.id)} {t.inlet_m - 0.1:.3f} 4.7 0 0 {_STREET_M2}" for t in plan.tanks]
    yield "JUNCTIONS", junctions
    stores = [f"{t.id} {t.bed_m:.3f} {drain.TANK_DEPTH_M + 1} 0.9 TABULAR V-{t.id} 0 0" for t in plan.tanks]
    beds = {h.id: h.bed_m for h in plan.manholes}
    stores += [f"{u.id} {beds[u.manhole] + 0.5:.3f} 7.2 0.5 TABULAR BOWL 0 0" for u in plan.underpasses]
    yield "STORAGE", stores
    ends = [f"{kind}{n}-{t.id} {_RIVER_M} FREE NO" for t in plan.tanks for kind, n in (("E", 1), ("E", 2), ("E", 3))]
    yield "OUTFALLS", ends


def _links(plan: DrainagePlan) -> Iterator[Section]:
    yield "CONDUITS", [f"{pipe(h.id)} {h.id} {h.below} {h.length_m} 0.0135 0 0 0 0" for h in plan.manholes]
    yield "ORIFICES", [f"{gate(t.id)} {inlet(t.id)} {t.id} SIDE 0 0.65 NO 0" for t in plan.tanks]
    pumps = [f"{pump(t.id, n)} {t.id} E{n}-{t.id} MAIN ON 0 0" for t in plan.tanks for n in (1, 2)]
    pumps += [f"{pump(u.id, 1)} {u.id} {u.manhole} ROAD ON 0 0" for u in plan.underpasses]
    yield "PUMPS", pumps
    yield "WEIRS", [f"{weir(t.id)} {t.id} E3-{t.id} TRANSVERSE {drain.TANK_DEPTH_M} 1.8 NO 0 0" for t in plan.tanks]
    shapes = [f"{pipe(h.id)} CIRCULAR {h.diameter_m} 0 0 0 1" for h in plan.manholes]
    shapes += [f"{gate(t.id)} RECT_CLOSED {_INLET_M} {_INLET_M} 0 0" for t in plan.tanks]
    shapes += [f"{weir(t.id)} RECT_OPEN 0.9 6 0 0" for t in plan.tanks]
    yield "XSECTIONS", shapes


def _sewage(plan: DrainagePlan) -> list[str]:
    lines = [f"{h.id} FLOW {sewage_m3_s(plan, h.residents) + SEEPAGE_M3_S:.6f} DAY FREE" for h in plan.manholes]
    return lines + [f"{u.id} FLOW {SEEPAGE_M3_S}" for u in plan.underpasses]


def _curves(plan: DrainagePlan) -> list[str]:
    lines: list[str] = []
    for tank in plan.tanks:
        wide = wide_m2(tank.volume_m3)
        bed, floor, top = drain.SUMP_AREA_M2, drain.SUMP_DEPTH_M, drain.TANK_DEPTH_M + 1
        lines += _curve(f"V-{tank.id}", "STORAGE", ((0, bed), (floor, bed), (floor + 0.2, wide), (top, wide)))
    bowl = (
        (0, 9),
        (UNDER_SUMP_M, 9),
        (UNDER_SUMP_M + 0.02, 40),
        (UNDER_SUMP_M + 0.3, 420),
        (UNDER_SUMP_M + 1, 1200),
        (7.2, 1500),
    )
    lines += _curve("BOWL", "STORAGE", bowl)
    lines += _curve("MAIN", "PUMP4", ((0, 0), (0.3, drain.PUMP_M3_S), (7, drain.PUMP_M3_S)))
    return lines + _curve("ROAD", "PUMP4", ((0, 0), (0.2, 0.09), (7.2, 0.09)))


def wide_m2(volume_m3: float) -> float:
    """The basin's floor above its sump, so that it holds its volume up to the weir."""
    upper_m = drain.TANK_DEPTH_M - drain.SUMP_DEPTH_M
    narrow = drain.SUMP_AREA_M2 * drain.SUMP_DEPTH_M
    return (volume_m3 - narrow - 0.1 * drain.SUMP_AREA_M2) / (upper_m - 0.1)


def _curve(name: str, kind: str, points: Sequence[tuple[float, float]]) -> list[str]:
    return [f"{name} {kind if n == 0 else ''} {x:g} {y:g}" for n, (x, y) in enumerate(points)]
