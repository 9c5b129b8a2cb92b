"""Draws docs/pictures/simulator-*.png: what the devices of the simulated district say over a week, for an engineer to look at.

    pip install 'hanan[city,plots]'; python -m deploy.demo.city.plots [FOLDER]

Drawn are readings as they are sent, noise and all, not the truth behind them.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from statistics import fmean, quantiles
from typing import Any

from deploy.demo.city.city import City
from deploy.demo.city.district import load_district
from deploy.demo.city.drainage import plan as drain
from deploy.demo.city.faults.kind import Fault
from deploy.demo.city.heat.design import interpolate
from deploy.demo.city.plan import Plan, plan_city
from schemas import codec
from schemas.instants import DAY_MS, HOUR_MS, parse_rfc3339

Series = Mapping[tuple[str, str], tuple[list[float], list[Any]]]
_RED, _BLUE, _ORANGE, _GREEN, _GREY, _PURPLE = "#c0392b", "#2471a3", "#d68910", "#1e8449", "#707b7c", "#7d3c98"
_DPI = 88


def readings(city: City, days: float, wanted: Callable[[str], bool]) -> Series:
    """(device, metric) -> days since the beginning, values. Sentinels are left out, as validate does."""
    series: dict[tuple[str, str], tuple[list[float], list[Any]]] = defaultdict(lambda: ([], []))
    for message in city.messages(city.start_ms + int(days * DAY_MS)):
        if not wanted(message.topic.device_id):
            continue
        try:
            read = codec.loads(message.payload)
        except ValueError:
            continue
        for body in read if isinstance(read, list) else [read]:
            for name, value in body.items():
                if name not in {"ts", "seq"} and value not in (888.8, -88.8, -999.9, -9999.0):
                    times, values = series[message.topic.device_id, name]
                    times.append((body["ts"] - city.start_ms) / DAY_MS)
                    values.append(value)
    return series


def _all(_device: str) -> bool:
    return True


def _figure(rows: int, height: float, title: str, days: list[str]) -> tuple[Any, Any]:
    import matplotlib as mpl  # noqa: PLC0415 - an extra for drawing

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    mpl.rcParams.update(
        {"font.size": 8, "axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, axes = plt.subplots(rows, 1, figsize=(10, height), sharex=True, constrained_layout=True)
    figure.suptitle(title, fontsize=10)
    axes[-1].set_xticks(range(len(days)), days)
    axes[-1].set_xlim(0, len(days) - 1)
    return figure, axes


def _days(start: str, count: int) -> list[str]:
    first = date.fromisoformat(start)
    return [f"{first + timedelta(days=n):%a %d %b}" for n in range(count + 1)]


def _band(axis: Any, series: Series, devices: Iterable[str], metric: str, colour: str, label: str, step_h: float = 0.5) -> None:
    """5 % to 95 % of many devices, and their median."""
    bins: dict[int, list[float]] = defaultdict(list)
    for device in devices:
        for time, value in zip(*series.get((device, metric), ((), ())), strict=True):
            bins[int(time * 24 / step_h)].append(value)
    places = [place for place in sorted(bins) if len(bins[place]) >= 5]  # noqa: PLR2004 - too few for quantiles
    cuts = [quantiles(bins[place], n=20) for place in places]
    times = [(place + 0.5) * step_h / 24 for place in places]
    axis.fill_between(
        times, [c[0] for c in cuts], [c[-1] for c in cuts], color=colour, alpha=0.2, lw=0, label=f"{label}, 5 to 95 %"
    )
    axis.plot(times, [c[9] for c in cuts], color=colour, lw=1.2, label=f"{label}, median")


def _end(figure: Any, axes: Iterable[Any], path: Path) -> None:
    from matplotlib import pyplot as plt  # noqa: PLC0415

    for axis in axes:
        if axis.get_legend_handles_labels()[0]:
            axis.legend(loc="lower left", bbox_to_anchor=(0, 0.98), fontsize=6.5, ncols=6, frameon=False, borderaxespad=0.2)
    figure.savefig(path, dpi=_DPI)
    plt.close(figure)


def january(plan: Plan, folder: Path) -> None:
    start = "2026-01-12"
    city = City(plan.district, 1, parse_rfc3339(f"{start}T00:00:00+08:00"), streams=("heat",), plan=plan)
    series = readings(city, 7, _all)
    figure, axes = _figure(5, 10.5, "A January week at -25 °C: heat, as the devices report it", _days(start, 7))
    outdoor = series["HP-01", "outdoor_temp_c"]
    axes[0].plot(*outdoor, color=_BLUE, lw=0.9, label=f"outdoor, HP-01 (mean {fmean(outdoor[1]):.1f})")
    axes[0].set_ylabel("°C")
    for plant, colour in (("HP-01", _RED), ("HP-02", _ORANGE), ("HP-03", _PURPLE)):
        axes[1].plot(*series[plant, "supply_temp_c"], color=colour, lw=0.9, label=f"{plant} supply")
        axes[1].plot(*series[plant, "return_temp_c"], color=colour, lw=0.9, ls=":", label=f"{plant} return")
    axes[1].set_ylabel("primary, °C")
    curve = next(one.curve for one in plan.heat.exchanges if one.id == "HX-003")
    axes[2].plot(
        outdoor[0],
        [interpolate(curve, value) for value in outdoor[1]],
        color=_GREY,
        lw=0.6,
        label="curve at the moment's outdoor",
    )
    for metric, colour, label in (
        ("secondary_supply_temp_c", _RED, "HX-003 supply"),
        ("secondary_return_temp_c", _BLUE, "return"),
    ):
        axes[2].plot(*series["HX-003", metric], color=colour, lw=0.9, label=label)
    axes[2].set_ylabel("secondary, °C")
    valves = axes[2].twinx()
    valves.plot(*series["HX-003", "valve_opening"], color=_GREEN, lw=0.7, alpha=0.8)
    valves.set_ylim(0, 3)
    valves.set_yticks([0, 0.5, 1.0])
    valves.set_ylabel("valve", color=_GREEN)
    valves.grid(visible=False)
    for plant, colour in (("HP-01", _RED), ("HP-02", _ORANGE), ("HP-03", _PURPLE)):
        times, power = series[plant, "power_kw"]
        axes[3].plot(times, [value / 1000 for value in power], color=colour, lw=0.8, label=plant)
    axes[3].set_ylabel("heat, MW")
    _band(axes[4], series, (room.id for room in plan.heat.rooms), "temp_c", _ORANGE, "300 rooms")
    axes[4].axhline(20, color=_RED, lw=0.8, ls="--", label="duty, 20 °C")
    axes[4].set_ylim(18.5, 26)
    axes[4].set_ylabel("rooms, °C")
    _end(figure, axes, folder / "simulator-january.png")


def july(plan: Plan, folder: Path) -> None:
    start = "2026-07-20"
    with closing(City(plan.district, 1, parse_rfc3339(f"{start}T00:00:00+08:00"), streams=("drainage",), plan=plan)) as city:
        series = readings(city, 7, _all)
    figure, axes = _figure(5, 10.5, "A storm week in July: drainage, as the devices report it", _days(start, 7))
    for gauge, colour in (("DR-001", _BLUE), ("DR-012", _GREEN), ("DR-009", _ORANGE)):
        axes[0].plot(*series[gauge, "intensity_mm_h"], color=colour, lw=0.7, label=f"{gauge}, mm/h")
    total = axes[0].twinx()
    total.plot(*series["DR-001", "rain_mm"], color=_GREY, lw=1.0)
    total.set_ylabel("sum DR-001, mm", color=_GREY)
    total.grid(visible=False)
    axes[0].set_ylabel("rain, mm/h")
    sewer = [hole for hole in plan.drainage.manholes if hole.basin == "DT-001"]
    for hole, colour in ((sewer[1], _PURPLE), (sewer[4], _BLUE), (sewer[9], _GREEN)):
        label = f"{hole.id}, pipe {hole.diameter_m} m, cover at {hole.depth_m} m"
        axes[1].plot(*series[hole.id, "level_m"], color=colour, lw=0.8, label=label)
        axes[1].axhline(hole.depth_m, color=colour, lw=0.5, ls=":")
    axes[1].set_ylabel("level, m")
    times, flow = series[sewer[9].id, "flow_m3_h"]
    axes[2].plot(times, [value / 3600 for value in flow], color=_GREEN, lw=0.7, label=f"{sewer[9].id} (logarithmic)")
    axes[2].set_yscale("symlog", linthresh=0.05)
    axes[2].set_yticks([0.02, 0.1, 1, 5], ["0.02", "0.1", "1", "5"])
    axes[2].set_ylabel("flow, m³/s")
    axes[3].plot(*series["DT-001", "level_m"], color=_BLUE, lw=0.8, label="DT-001")
    axes[3].plot(*series["DT-006", "level_m"], color=_ORANGE, lw=0.8, label="DT-006")
    for level, what in (
        (drain.TANK_DEPTH_M, "weir"),
        (drain.START_2_M, "pump 2 on"),
        (drain.START_1_M, "1 on"),
        (drain.STOP_1_M, "1 off"),
    ):
        axes[3].axhline(level, color=_GREY, lw=0.5, ls=":")
        axes[3].text(7.01, level, what, fontsize=6, va="center", color=_GREY)
    axes[3].set_ylabel("basin, m")
    for under, colour in (("DU-001", _RED), ("DU-005", _PURPLE), ("DU-009", _GREEN)):
        axes[4].plot(*series[under, "depth_m"], color=colour, lw=0.8, label=f"{under}, m")
    axes[4].axhline(drain.WARN_M, color=_ORANGE, lw=0.6, ls="--", label="warn, 0.15")
    axes[4].axhline(drain.CLOSE_M, color=_RED, lw=0.6, ls="--", label="close, 0.27")
    axes[4].set_ylabel("road, m")
    soil = axes[4].twinx()
    soil.plot(*series["DS-001", "moisture"], color=_GREY, lw=0.7)
    soil.set_ylabel("soil DS-001", color=_GREY)
    soil.grid(visible=False)
    _end(figure, axes, folder / "simulator-july.png")


def june(plan: Plan, folder: Path) -> None:
    start = "2026-06-08"
    city = City(plan.district, 1, parse_rfc3339(f"{start}T00:00:00+08:00"), streams=("bike", "waste"), plan=plan)
    riding: list[float] = []
    original = city.minute

    def counted() -> Any:
        if (city.now_ms - city.start_ms) % (HOUR_MS // 12) == 0:
            riding.append(sum(bike.where == 1 for bike in city.levers.bike.fleet.bikes))
        return original()

    city.minute = counted  # type: ignore[method-assign]
    homes = [one.id for one in plan.bike.stations if one.zone == "old-town"][:3]
    works = [one.id for one in plan.bike.stations if one.zone == "north-industry"][:3]
    series = readings(city, 7, lambda device: not device.startswith("BV-"))
    figure, axes = _figure(5, 10.5, "A week in June: bicycles and waste, as the devices report it", _days(start, 7))
    axes[0].plot([n / 288 for n in range(len(riding))], riding, color=_BLUE, lw=0.9, label="bicycles on the road (truth)")
    air = [city.weather.at(city.times.at(city.start_ms + n * HOUR_MS)) for n in range(7 * 24)]
    wet = axes[0].twinx()
    wet.fill_between([n / 24 for n in range(7 * 24)], [each.rain_mm_h for each in air], color=_GREY, alpha=0.4, lw=0)
    wet.set_ylabel("rain, mm/h", color=_GREY)
    wet.grid(visible=False)
    for devices, colour, label in ((homes, _ORANGE, "old town"), (works, _PURPLE, "north industry")):
        for n, device in enumerate(devices):
            shown = f"{label}, 3 stations" if n == 0 else None
            axes[1].plot(*series[device, "num_vehicles_available"], color=colour, lw=0.7, label=shown)
    axes[1].set_ylabel("bicycles for hire")
    for device, colour in (("WC-001", _GREEN), ("WC-002", _ORANGE)):
        axes[2].plot(*series[device, "fill"], color=colour, lw=0.8, label=f"{device} container")
    axes[2].plot(*series["WN-0003", "fill"], color=_GREY, lw=0.8, label="WN-0003 roadside")
    axes[2].set_ylabel("fill")
    bridges = [station.bridge for station in plan.waste.stations]
    daily: dict[int, float] = defaultdict(float)
    for bridge in bridges:
        for time, net in zip(*series[bridge, "net_kg"], strict=True):
            daily[int(time * 12)] += net / 1000
    axes[3].bar(
        [(hour + 0.5) / 12 for hour in daily],
        list(daily.values()),
        width=1 / 13,
        color=_GREEN,
        label="all weighbridges, t in 2 h",
    )
    days = [sum(tonnes for slot, tonnes in daily.items() if slot // 12 == day) for day in range(7)]
    for day, tonnes in enumerate(days):
        axes[3].text(day + 0.5, max(daily.values()) * 1.02, f"{tonnes:.0f} t", ha="center", fontsize=7)
    axes[3].set_ylabel("t")
    axes[4].plot(*series["WA-001", "nh3_mg_m3"], color=_PURPLE, lw=0.6, label="WA-001 ammonia, mg/m³")
    axes[4].axhline(1.5, color=_RED, lw=0.6, ls="--", label="limit at the fence, 1.5")
    axes[4].plot(*series["WL-001", "level_m"], color=_BLUE, lw=0.8, label="WL-001 leachate, m")
    _end(figure, axes, folder / "simulator-june.png")


_GALLERY = (
    ("2026-01-12", "circulation-pump-trip", "HX-003", 10, 16, ("secondary_flow_m3_h", "secondary_supply_temp_c")),
    ("2026-01-12", "exchanger-fouling", "HX-021", 6, 44, ("valve_opening", "primary_return_temp_c")),
    ("2026-01-12", "pipe-burst", "HX-014", 10, 18, ("HP-02 makeup_flow_m3_h", "HP-02 supply_pressure_mpa")),
    ("2026-01-12", "underheated-building", "HI-0007", 4, 44, ("temp_c",)),
    ("2026-01-12", "weighbridge-drift", "WB-003", 8, 40, ("tare_kg",)),
    ("2026-07-20", "pipe-blockage", "DL-005", 9, 17, ("level_m", "flow_m3_h")),
    ("2026-07-20", "pump-no-start", "DT-002", 8, 20, ("level_m",)),
    ("2026-07-20", "gauge-clogged", "DR-001", 30, 46, ("intensity_mm_h", "DR-002 intensity_mm_h")),
    ("2026-07-20", "broken-bikes", "BK-0020", 8, 16, ("num_vehicles_disabled", "num_vehicles_available")),
    ("2026-07-20", "nh3-release", "WA-002", 10, 13, ("nh3_mg_m3",)),
)  # fmt: skip


def faults(plan: Plan, folder: Path) -> None:
    series: dict[str, Series] = {}
    for start in sorted({row[0] for row in _GALLERY}):
        with closing(City(plan.district, 1, parse_rfc3339(f"{start}T00:00:00+08:00"), plan=plan)) as city:
            rows = [row for row in _GALLERY if row[0] == start]
            city.faults = [
                Fault(name, name, device, city.start_ms + since * HOUR_MS, city.start_ms + to * HOUR_MS, 0.8)
                for _, name, device, since, to, _ in rows
            ]
            names = {metric.split(" ")[0] if " " in metric else row[2] for row in rows for metric in row[5]}
            series[start] = readings(city, 2, names.__contains__)
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, grid = plt.subplots(5, 2, figsize=(10, 9.5), constrained_layout=True)
    figure.suptitle("Ten faults as the devices report them; shaded from onset to end (hours)", fontsize=10)
    for axis, (start, name, device, since, to, metrics) in zip(grid.flat, _GALLERY, strict=True):
        axis.axvspan(since, to, color=_RED, alpha=0.10, lw=0)
        axis.set_title(f"{name}, {device}", fontsize=8, loc="left")
        for n, metric in enumerate(metrics):
            owner, _, short = metric.rpartition(" ")
            times, values = series[start][owner or device, short]
            on = axis if n == 0 or short == metrics[0] or "vehicles" in short or "intensity" in short else axis.twinx()
            colour = (_BLUE, _ORANGE)[n]
            on.plot([time * 24 for time in times], values, color=colour, lw=0.8, marker="." if short == "tare_kg" else "", ms=3)
            on.set_ylabel(metric, fontsize=6.5, color=colour) if on is not axis or n == 0 else None
            if on is axis:
                on.grid(visible=True, alpha=0.3)
            else:
                on.grid(visible=False)
            on.tick_params(labelsize=6.5)
        if len(axis.lines) > 1:
            axis.legend(axis.lines, metrics, fontsize=6, loc="upper left", frameon=False)
        axis.set_xlim(max(0, since - 6), min(48, to + 6))
    figure.savefig(folder / "simulator-faults.png", dpi=_DPI)
    plt.close(figure)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures")
    folder.mkdir(parents=True, exist_ok=True)
    plan = plan_city(load_district())
    for draw in (january, july, june, faults):
        draw(plan, folder)
        sys.stdout.write(f"{draw.__name__}\n")


if __name__ == "__main__":
    main()
