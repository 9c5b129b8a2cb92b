"""The worst ten of a kind as one table: newest values, quality marked, age, with the way to the device."""

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue

from grafana import flux, panels
from grafana.fields import measurement
from grafana.marks import limits_of, named, quality_mapping, thresholds
from grafana.options import Options
from grafana.targets import WORST
from grafana.units import unit_of
from grafana.variables import TITLES, device_link
from grafana.words import Words, name_of
from schemas.kind import Kind, Stream
from schemas.metric import Metric, Nature

_MOST_COLUMNS = 9
NEVER_H = 9_999.0  # hours to full of what does not rise
WORDS = {
    "device_id": TITLES["device"],
    "name": Words("Name", "名称"),
    "zone": TITLES["zone"],
    "site": TITLES["site"],
    "quality": Words("Quality", "质量"),
    "seen": Words("Last reading", "最近上报"),
    "age_s": Words("Age", "读数时长"),
    "interval_s": Words("Reports every", "上报周期"),
    "before": Words("Before", "此前"),
    "fill": Words("Full", "填充率"),
    "hours": Words("Full in", "满载还需"),
    "trucks": Words("Trucks", "车次"),
    "net": Words("Net", "净重"),
    "kind": Words("Kind", "类型"),
    "reason": Words("Value and reason", "数值与原因"),
    "readings": Words("Readings", "读数"),
}


def worst(stream: Stream, kind: Kind, options: Options, rows: int = 10) -> table.Panel:
    by, descending = order(stream, kind)
    metrics = _columns(kind, by)
    names = [metric.name for metric in metrics]
    hours = max(24, 3 * kind.interval_s // 3_600)
    query = flux.latest(measurement(stream, kind), names, order=by.name, descending=descending, rows=rows, hours=hours)
    which = options.say("highest first" if descending else "lowest first", "由高到低" if descending else "由低到高")
    title = f"{name_of(kind, options.language)}: {name_of(by, options.language)}, {which}"
    text = options.say(
        f"The newest values of the last {hours} h, {rows} devices at most, {which}. "
        "A suspect reading says so; its device's page tells why.",
        f"最近 {hours} 小时内的最新值，最多 {rows} 台设备，{which}。可疑读数已标注，原因见设备页。",
    )
    panel = panels.rows_of(title, text, query).height(3 + rows * 2 // 3)
    columns = ("device_id", "name", "zone", "site", *names, "quality", "age_s")
    readable(panel, columns, options, {metric.name: name_of(metric, options.language) for metric in metrics})
    for metric in metrics:
        _column(panel, stream, kind, metric, options)
    return panel


def order(stream: Stream, kind: Kind) -> tuple[Metric, bool]:
    """By which metric the worst are found, and whether large is worse."""
    named = WORST.get((stream.name, kind.name))
    if named:
        return kind.by_name[named[0]], named[1]
    numbers = [metric for metric in kind.metrics if metric.nature in {Nature.GAUGE, Nature.COUNTER}]
    return (numbers or list(kind.metrics))[0], True


def _columns(kind: Kind, by: Metric) -> list[Metric]:
    others = [metric for metric in kind.metrics if metric is not by]
    kept = [by, *others][:_MOST_COLUMNS]
    return [metric for metric in kind.metrics if metric in kept]


def _column(panel: table.Panel, stream: Stream, kind: Kind, metric: Metric, options: Options) -> None:
    properties = []
    if metric.nature is not Nature.STATE:
        properties.append(DynamicConfigValue("unit", unit_of(metric)))
    if limits_of(stream, kind, metric).bad is not None:
        properties += [DynamicConfigValue("thresholds", thresholds(stream, kind, metric).build().to_json()), _coloured()]
    if properties:
        panel.override_by_name(name_of(metric, options.language), properties)


def _coloured() -> DynamicConfigValue:
    return DynamicConfigValue("custom.displayMode", "color-text")


def readable(panel: table.Panel, columns: Sequence[str], options: Options, words: Mapping[str, str] = {}) -> table.Panel:
    """A query's columns in this order, by names that people use: of metrics those in `words`, else WORDS."""
    titles = {name: words[name] if name in words else WORDS[name].of(options.language) for name in columns}
    panel.with_transformation(ordered(titles))
    for name, properties in _properties(options).items():
        if name in titles and name not in words:
            panel.override_by_name(titles[name], [DynamicConfigValue(key, value) for key, value in properties.items()])
    return panel


def ordered(titles: Mapping[str, str]) -> DataTransformerConfig:
    """Columns in this order, by these titles."""
    places = {name: place for place, name in enumerate(titles)}
    return DataTransformerConfig("organize", options={"indexByName": places, "renameByName": titles, "excludeByName": {}})


def _properties(options: Options) -> dict[str, dict[str, Any]]:
    never = [{"type": "range", "options": {"from": NEVER_H / 2, "to": 2 * NEVER_H, "result": {"text": "–"}}}]
    return {
        "device_id": {"links": [device_link(options)]},
        "zone": {"mappings": [each.to_json() for each in named(options.titles)]},
        "quality": {
            "mappings": [each.to_json() for each in quality_mapping(options.language)],
            "custom.displayMode": "color-text",
        },
        "age_s": {"unit": "s", "decimals": 0},
        "interval_s": {"unit": "s"},
        "fill": {"unit": "percentunit"},
        "before": {"unit": "percentunit"},
        "hours": {"unit": "h", "mappings": never},
        "net": {"unit": "suffix: t", "decimals": 1},
    }
