"""SWMM at work: `pyswmm` runs it, its toolkit reads and sets by number, which is quick enough to do for every pipe each minute.

SWMM keeps its model in global variables: one at a time in a process. It is imported only here, and only when a city is made.
"""

import shutil
import tempfile
from contextlib import ExitStack
from datetime import datetime
from math import acos, pi, sqrt
from pathlib import Path
from typing import Any, Self

from deploy.demo.city.district import DistrictError
from deploy.demo.city.drainage.model import input_file
from deploy.demo.city.drainage.plan import DrainagePlan

STEP_S = 60


class Swmm:
    """Open from `start` on, local time; `step` goes on by a minute."""

    def __init__(self, plan: DrainagePlan, start: datetime) -> None:
        try:
            from pyswmm import Simulation  # noqa: PLC0415 - an optional extra
            from swmm.toolkit import shared_enum, solver  # noqa: PLC0415
        except ImportError as error:
            raise DistrictError("the drainage needs SWMM: pip install 'hanan[city]'") from error
        self._folder = Path(tempfile.mkdtemp(prefix="hanan-swmm-"))
        model = self._folder / "sewers.inp"
        model.write_text(input_file(plan, start))
        self.solver: Any = solver
        self._node, self._link, self._lid = shared_enum.NodeResult, shared_enum.LinkResult, shared_enum.LidResult
        self._types, self._link_parameter = shared_enum.ObjectType, shared_enum.LinkProperty
        self._open = ExitStack()
        self._open.callback(shutil.rmtree, self._folder, ignore_errors=True)
        try:
            self._simulation: Any = self._open.enter_context(Simulation(str(model)))
            self._simulation.step_advance(STEP_S)
            self._steps = iter(self._simulation)
            next(self._steps)
        except Exception as error:
            self._open.close()
            why = " ".join(str(error).split())
            raise DistrictError(f"SWMM will not run (is another city open in this process?): {why}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def step(self) -> None:
        next(self._steps)

    def close(self) -> None:
        self._open.close()

    # The books

    @property
    def stored_m3(self) -> float:
        """In all pipes, manholes, basins and on the streets."""
        nodes = self.solver.project_get_count(self._types.NODE)
        links = self.solver.project_get_count(self._types.LINK)
        return sum(self.volume_m3(n) for n in range(nodes)) + sum(self.link_volume_m3(n) for n in range(links))

    @property
    def passed_m3(self) -> tuple[float, float]:
        """What has come into the sewers and gone out of them since the model began."""
        from pyswmm import SystemStats  # noqa: PLC0415

        totals = SystemStats(self._simulation).routing_stats
        came = ("dry_weather_inflow", "wet_weather_inflow", "external_inflow", "groundwater_inflow", "II_inflow")
        went = ("outflow", "flooding", "evaporation_loss", "seepage_loss")
        return sum(float(totals[name]) for name in came), sum(float(totals[name]) for name in went)

    # Numbers of things

    def node(self, name: str) -> int:
        return int(self.solver.project_get_index(self._types.NODE, name))

    def link(self, name: str) -> int:
        return int(self.solver.project_get_index(self._types.LINK, name))

    def gauge(self, name: str) -> int:
        return int(self.solver.project_get_index(self._types.GAGE, name))

    def catchment(self, name: str) -> int:
        return int(self.solver.project_get_index(self._types.SUBCATCH, name))

    # What is

    def depth_m(self, node: int) -> float:
        return float(self.solver.node_get_result(node, self._node.DEPTH))

    def volume_m3(self, node: int) -> float:
        return float(self.solver.node_get_result(node, self._node.VOLUME))

    def lateral_m3_s(self, node: int) -> float:
        return float(self.solver.node_get_result(node, self._node.LATERAL_INFLOW))

    def inflow_m3_s(self, node: int) -> float:
        return float(self.solver.node_get_result(node, self._node.TOTAL_INFLOW))

    def flow_m3_s(self, link: int) -> float:
        return float(self.solver.link_get_result(link, self._link.FLOW))

    def link_depth_m(self, link: int) -> float:
        return float(self.solver.link_get_result(link, self._link.DEPTH))

    def link_volume_m3(self, link: int) -> float:
        return float(self.solver.link_get_result(link, self._link.VOLUME))

    def soil_moisture(self, catchment: int) -> float:
        return float(self.solver.lid_usage_get_result(catchment, 0, self._lid.SOIL_MOISTURE))

    def infiltration_mm_h(self, catchment: int) -> float:
        return float(self.solver.lid_usage_get_result(catchment, 0, self._lid.SURFACE_INFILTRATION))

    # What is to be

    def rain(self, gauge: int, mm_h: float) -> None:
        self.solver.raingage_set_precipitation(gauge, mm_h)

    def set_link(self, link: int, share: float) -> None:
        """A pump on or off, a gate open or shut."""
        self.solver.link_set_target_setting(link, share)

    def limit(self, link: int, m3_s: float) -> None:
        """The most a pipe lets through; 0 is no limit."""
        self.solver.link_set_parameter(link, self._link_parameter.FLOW_LIMIT, m3_s)

    def pour(self, node: int, m3_s: float) -> None:
        """Water from elsewhere, until told otherwise."""
        self.solver.node_set_total_inflow(node, m3_s)


def filled_m2(depth_m: float, diameter_m: float) -> float:
    """The wet cross-section of a round pipe."""
    part = min(1.0, max(0.0, depth_m / diameter_m))
    if part >= 1:
        return pi * diameter_m**2 / 4
    half = acos(1 - 2 * part)
    return diameter_m**2 / 4 * (half - (1 - 2 * part) * 2 * sqrt(part * (1 - part)))
