"""Panels as this project draws them: the few sorts there are, with legend, axis and colours set once."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import geomap, stat, statetimeline, table, text, timeseries
from grafana_foundation_sdk.builders.common import (
    FrameGeometrySource,
    GraphThresholdsStyleConfig,
    MapLayerOptions,
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import FieldColor
from grafana_foundation_sdk.models.common import (
    AxisPlacement,
    BigValueColorMode,
    BigValueGraphMode,
    FrameGeometrySourceMode,
    GraphDrawStyle,
    GraphTresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, FieldColorModeId

from grafana import palette
from grafana.marks import absent, fixed
from grafana.target import SOURCE, Flux

MAX_POINTS = 1_000

__all__ = ["Stacked", "bars", "lines", "map_of", "note", "number", "rows_of", "timeline"]


def lines(title: str, why: str, queries: Sequence[str], unit: str, *, zones: Mapping[str, str] | None = None) -> timeseries.Panel:
    """Trends. `zones` get their names and colours, the same on every panel."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(why)
        .datasource(SOURCE)
        .max_data_points(MAX_POINTS)
        .unit(unit)
        .display_name("${__field.labels.series}")
        .line_width(2)
        .line_interpolation(LineInterpolation.LINEAR)
        .fill_opacity(0)
        .show_points(VisibilityMode.NEVER)
        .thresholds_style(GraphThresholdsStyleConfig().mode(GraphTresholdsStyleMode.OFF))
        .legend(legend())
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .height(8)
        .span(12)
    )
    for ref, query in zip("ABCDEFGH", queries, strict=False):
        panel.with_target(Flux(query, ref))
    for (zone, name), color in zip((zones or {}).items(), palette.SERIES, strict=False):
        panel.override_by_name(zone, [fixed(color), DynamicConfigValue("displayName", name)])
    return panel


def coloured(panel: timeseries.Panel, names: Sequence[str], ending: str = "") -> timeseries.Panel:
    """Series that are known by name, each in a colour of the palette; Grafana's own would not be safe for the colour-blind."""
    for place, name in enumerate(names):
        panel.override_by_regexp(f"/^{name}{ending}$/", [fixed(palette.SERIES[place % len(palette.SERIES)])])
    return panel


def drawn(panel: timeseries.Panel) -> timeseries.Panel:
    """With its thresholds as dashed lines."""
    return panel.thresholds_style(GraphThresholdsStyleConfig().mode(GraphTresholdsStyleMode.DASHED))


def bars(title: str, why: str, queries: Sequence[str], unit: str, *, zones: Mapping[str, str] | None = None) -> timeseries.Panel:
    """Amounts of each window, on top of each other."""
    panel = lines(title, why, queries, unit, zones=zones)
    return (
        panel.draw_style(GraphDrawStyle.BARS)
        .fill_opacity(70)
        .line_width(0)
        .stacking(StackingConfig().mode(StackingMode.NORMAL).group("A"))
        .min(0)
    )


class Stacked:
    """Shares of one whole."""

    @staticmethod
    def panel(title: str, why: str, query: str, colors: dict[str, str]) -> timeseries.Panel:
        panel = lines(title, why, [query], "percentunit").fill_opacity(60).line_width(1)
        panel.stacking(StackingConfig().mode(StackingMode.PERCENT).group("A"))
        for name, color in colors.items():
            panel.override_by_name(name, [fixed(color)])
        return panel


def right_axis(panel: timeseries.Panel, ref: str, unit: str, color: str) -> timeseries.Panel:
    """The series of one query on the other side, in their own unit."""
    axis = DynamicConfigValue("custom.axisPlacement", AxisPlacement.RIGHT.value)
    return panel.override_by_query(ref, [axis, DynamicConfigValue("unit", unit), fixed(color)])


def number(title: str, why: str, query: str, unit: str) -> stat.Panel:
    """One figure that is read from five metres."""
    return (
        stat.Panel()
        .title(title)
        .description(why)
        .datasource(SOURCE)
        .unit(unit)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .graph_mode(BigValueGraphMode.NONE)
        .color_mode(BigValueColorMode.VALUE)
        .no_value("–")
        .mappings(absent())
        .with_target(Flux(query))
        .height(4)
        .span(4)
    )


def rows_of(title: str, why: str, query: str) -> table.Panel:
    return table.Panel().title(title).description(why).datasource(SOURCE).with_target(Flux(query)).height(9).span(24)


def timeline(title: str, why: str, query: str) -> statetimeline.Panel:
    return (
        statetimeline.Panel()
        .title(title)
        .description(why)
        .datasource(SOURCE)
        .max_data_points(MAX_POINTS)
        .with_target(Flux(query))
        .legend(legend())
        .show_value(VisibilityMode.AUTO)
        .merge_values(True)
        .height(8)
        .span(12)
    )


def map_of(
    title: str, why: str, query: str, color_field: str, tiles: str, outline: str, view: geomap.MapViewConfig
) -> geomap.Panel:
    """Points by `lat` and `lon`, with the text `label` below them; what has more of `color_field` is larger.

    Without a tile server there is no basemap, and nothing is asked of the internet.
    """
    style = {
        "size": {"field": color_field, "fixed": 5, "min": 4, "max": 9},
        "color": {"field": color_field, "fixed": palette.UNKNOWN},
        "opacity": 0.9,
        "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
        "text": {"mode": "field", "field": "label", "fixed": ""},
        "textConfig": {"fontSize": 11, "textAlign": "center", "textBaseline": "top", "offsetX": 0, "offsetY": 8},
    }
    place = FrameGeometrySource().mode(FrameGeometrySourceMode.COORDS).latitude("lat").longitude("lon")
    layer = (
        MapLayerOptions().type("markers").name(title).location(place).config({"showLegend": False, "style": style}).tooltip(True)
    )
    return (
        geomap.Panel()
        .title(title)
        .description(why)
        .datasource(SOURCE)
        .with_target(Flux(query))
        .basemap(_tiles(tiles) if tiles else _outline(outline))
        .layers([_outline(outline), layer] if tiles else [layer])
        .view(view)
        .controls(geomap.ControlsOptions().show_zoom(True).mouse_wheel_zoom(False).show_attribution(bool(tiles)).show_scale(True))
        .height(14)
        .span(12)
    )


def fitted() -> geomap.MapViewConfig:
    """On what is shown; the zoom is the closest there may be, and the SDK's own would be the whole world."""
    return geomap.MapViewConfig().id("fit").all_layers(True).zoom(15)


def _tiles(url: str) -> MapLayerOptions:
    return MapLayerOptions().type("xyz").name("tiles").config({"url": url, "attribution": ""})


def _outline(source: str) -> MapLayerOptions:
    style = {"color": {"fixed": palette.GREY}, "opacity": 0.15, "lineWidth": 1}
    return MapLayerOptions().type("geojson").name("outline").config({"src": source, "rules": [], "style": style}).tooltip(False)


def plain() -> FieldColor:
    """A figure that is neither good nor bad."""
    return FieldColor().mode(FieldColorModeId.FIXED).fixed_color(palette.SKY)


def note(title: str, why: str, markdown: str) -> text.Panel:
    return text.Panel().title(title).description(why).content(markdown).transparent(True).height(3).span(24)


def legend() -> VizLegendOptions:
    return VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)


def unit(name: str) -> DynamicConfigValue:
    return DynamicConfigValue("unit", name)
