"""Thresholds, mappings and colours of a metric, from its row."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.dashboard import (
    DashboardSpecialValueMapOptions,
    DynamicConfigValue,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from grafana import palette
from grafana.targets import LIMITS, Limits
from grafana.words import Language, Words
from schemas.kind import Kind, Stream
from schemas.metric import Metric

GOOD = Words("good", "正常")
SUSPECT = Words("suspect", "可疑")
_NONE = Limits(None, None)


def limits_of(stream: Stream, kind: Kind, metric: Metric) -> Limits:
    return LIMITS.get((stream.name, kind.name, metric.name), _NONE)


def thresholds(stream: Stream, kind: Kind, metric: Metric) -> ThresholdsConfig:
    """What people act on; where nothing is known, what the metric cannot plausibly be."""
    limits = limits_of(stream, kind, metric)
    if limits.warn is not None and limits.bad is not None:
        if limits.low:
            return steps([(None, palette.BAD), (limits.bad, palette.WARN), (limits.warn, palette.GOOD)])
        return steps([(None, palette.GOOD), (limits.warn, palette.WARN), (limits.bad, palette.BAD)])
    low, high = number(metric.plausible.low), number(metric.plausible.high)
    found: list[tuple[float | None, str]] = [(None, palette.SUSPECT if low is not None else palette.GOOD)]
    if low is not None:
        found.append((low, palette.GOOD))
    if high is not None:
        found.append((high, palette.SUSPECT))
    return steps(found)


def steps(found: Sequence[tuple[float | None, str]]) -> ThresholdsConfig:
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([Threshold(value=value, color=color) for value, color in found])


def number(bound: object) -> float | None:
    """A bound that is the same for all devices."""
    return float(bound) if isinstance(bound, int | float) else None


def fixed(color: str) -> DynamicConfigValue:
    return DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})


def mapping(words: dict[str, tuple[str, str]]) -> list[ValueMapping]:
    """Value -> what to write, and in which colour."""
    results = {key: ValueMappingResult(text=text, color=color) for key, (text, color) in words.items()}
    return [ValueMap(options=results)]


def named(names: Mapping[str, str]) -> list[ValueMapping]:
    """Value -> what people call it, in no colour of its own."""
    return [ValueMap(options={key: ValueMappingResult(text=text) for key, text in names.items()})]


def absent() -> list[ValueMapping]:
    """A figure without a value: a dash, neither good nor bad."""
    result = ValueMappingResult(text="–", color=palette.UNKNOWN)
    return [SpecialValueMap(options=DashboardSpecialValueMapOptions(match=SpecialValueMatch.NULL, result=result))]


def quality_mapping(language: Language) -> list[ValueMapping]:
    return mapping({"good": (GOOD.of(language), palette.GOOD), "suspect": (SUSPECT.of(language), palette.SUSPECT)})


def condition_mapping(language: Language) -> list[ValueMapping]:
    words = (Words("reports", "在线"), Words("suspect", "可疑"), Words("silent", "失联"))
    colors = (palette.GOOD, palette.SUSPECT, palette.BAD)
    return mapping({str(n): (word.of(language), color) for n, (word, color) in enumerate(zip(words, colors, strict=True))})


def is_trouble(state: str) -> bool:
    return state in {"fault", "full", "red", "burning", "vandalized", "dropped", "moved"}
