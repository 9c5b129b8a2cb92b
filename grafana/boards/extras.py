"""What only one stream has: its own question, in a panel."""

from collections.abc import Callable, Mapping, Sequence

from grafana_foundation_sdk.builders import timeseries, xychart
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import GraphDrawStyle
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, Panel
from grafana_foundation_sdk.models.xychart import SeriesMapping

from grafana import flux, palette, panels
from grafana.boards import filling
from grafana.flux import BY_DEVICE, PICKED, registry
from grafana.marks import fixed
from grafana.options import Options
from grafana.target import SOURCE, Flux
from schemas.fields import AGGREGATES, OPS

Extra = tuple[str, Sequence[Builder[Panel]]]


def heat(options: Options) -> list[Extra]:
    return [(options.say("Heating curve", "供热曲线"), [curve(options), off_curve(options)])]


def curve(options: Options) -> xychart.Panel:
    """Measured hours over outdoor temperature, and the curve they should follow."""
    query = f"""found = {registry("heat_exchange", "zone", "site")}
  |> {BY_DEVICE}
  |> filter(fn: (r) => {PICKED})
  |> group()
  |> findColumn(fn: (key) => true, column: "device_id")
measured = from(bucket: "{AGGREGATES}")
  |> {flux.RANGE}
  |> filter(fn: (r) => r._measurement == "heat_exchange" and r.window == "1h")
  |> filter(fn: (r) => r._field == "outdoor_temp_c_mean" or r._field == "secondary_supply_temp_c_mean")
  |> filter(fn: (r) => exists r.device_id and contains(value: r.device_id, set: found))
  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> rename(columns: {{outdoor_temp_c_mean: "outdoor", secondary_supply_temp_c_mean: "measured"}})
  |> keep(columns: ["outdoor", "measured"])
  |> limit(n: 3000)
wanted = from(bucket: "{OPS}")
  |> range(start: 2000-01-01T00:00:00Z)
  |> filter(fn: (r) => r._measurement == "heat_exchange_heating_curve")
  |> last()
  |> keep(columns: ["device_id", "place", "_field", "_value"])
  |> pivot(rowKey: ["device_id", "place"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => contains(value: r.device_id, set: found))
  |> group(columns: ["x"])
  |> mean(column: "y")
  |> group()
  |> rename(columns: {{x: "outdoor", y: "curve"}})
union(tables: [measured, wanted])"""
    why = options.say(
        "Each point is an hour of a heat-exchange station: outdoor temperature across, secondary supply temperature up. "
        "The orange points are the registry's heating curve; what lies far off it heats too much or too little.",
        "每点为一个换热站的一小时：横轴室外温度，纵轴二次侧供水温度。橙色点为注册表中的供热曲线，偏离过大即过热或欠热。",
    )
    return (
        xychart.Panel()
        .title(options.say("Supply over outdoor temperature", "供水温度与室外温度"))
        .description(why)
        .datasource(SOURCE)
        .unit("celsius")
        .with_target(Flux(query))
        .series_mapping(SeriesMapping.AUTO)
        .dims(xychart.XYDimensionConfig().frame(0).x("outdoor"))
        .override_by_name("measured", [fixed(palette.SKY)])
        .override_by_name("curve", [fixed(palette.ORANGE)])
        .height(10)
        .span(12)
    )


def off_curve(options: Options) -> timeseries.Panel:
    """Secondary supply and outdoor temperature over time, so that the lag shows."""
    of = "heat_exchange"
    why = options.say(
        "Mean secondary supply temperature of the zones chosen, and outdoor temperature on the right axis: "
        "supply should rise as it gets colder.",
        "所选片区二次侧平均供水温度，右轴为室外温度：天气转冷，供水应升高。",
    )
    supply, outdoor = options.say("supply", "供水"), options.say("outdoor", "室外")
    queries = [
        flux.before(of, "secondary_supply_temp_c_mean", 0, "mean", supply),
        flux.before(of, "outdoor_temp_c_mean", 0, "mean", outdoor),
    ]
    panel = panels.lines(options.say("Supply and weather", "供水与天气"), why, queries, "celsius").height(10)
    panel.override_by_name(supply, [fixed(palette.SKY)])
    return panels.right_axis(panel, "B", "celsius", palette.ORANGE)


def drainage(options: Options) -> list[Extra]:
    return [(options.say("Rain, level, flow", "降雨、液位、流量"), [rain_over_level(options)])]


def rain_over_level(options: Options) -> timeseries.Panel:
    """Rain as bars from above would need a second, turned axis; bars on the right axis say the same."""
    why = options.say(
        "Rain of each window as bars (right axis, mean over gauges), water level in the sewers and flow: "
        "how fast the network answers.",
        "柱为各窗口雨量（右轴，雨量站均值），线为管网液位与流量：反映管网对降雨的响应。",
    )
    rain, level, flow = options.say("rain", "雨量"), options.say("level", "液位"), options.say("flow", "流量")
    queries = [
        flux.before("drainage_level", "level_m_mean", 0, "mean", level),
        flux.before("drainage_rain", "rain_mm_increase", 0, "mean", rain),
        flux.before("drainage_level", "flow_m3_h_mean", 0, "mean", flow),
    ]
    panel = (
        panels.lines(options.say("Rain over level and flow", "降雨与液位、流量"), why, queries, "suffix: m").span(24).height(10)
    )
    panels.right_axis(panel, "B", "suffix: mm", palette.SKY)
    panels.right_axis(panel, "C", "suffix: m³/h", palette.GREEN)
    bars = [DynamicConfigValue("custom.drawStyle", GraphDrawStyle.BARS.value), DynamicConfigValue("custom.fillOpacity", 60)]
    return panel.override_by_query("B", bars).override_by_name(level, [fixed(palette.ORANGE)])


def waste(options: Options) -> list[Extra]:
    return [(options.say("To serve next", "待清运"), [*filling.to_serve(options), *filling.foretold(options)])]


def bike(options: Options) -> list[Extra]:
    of = "bike_station"
    why = options.say(
        "Mean bicycles for hire and free docks of a station of the zones chosen: "
        "where one of them goes to nothing, the crew moves bicycles.",
        "所选片区每站平均可借车辆与可还车位：任一趋近于零即需调度。",
    )
    bikes, docks = options.say("bicycles", "可借车辆"), options.say("free docks", "可还车位")
    queries = [
        flux.before(of, "num_vehicles_available_mean", 0, "mean", bikes),
        flux.before(of, "num_docks_available_mean", 0, "mean", docks),
    ]
    panel = panels.lines(options.say("Bicycles and docks", "车辆与车位"), why, queries, "none").span(24)
    panel.override_by_name(bikes, [fixed(palette.SKY)]).override_by_name(docks, [fixed(palette.ORANGE)])
    return [(options.say("Balance", "供需"), [panel])]


_EXTRAS: Mapping[str, Callable[[Options], list[Extra]]] = {"heat": heat, "drainage": drainage, "waste": waste, "bike": bike}


def extras_of(stream: str, options: Options) -> list[Extra]:
    """None for a stream that has only its declaration."""
    return _EXTRAS[stream](options) if stream in _EXTRAS else []
