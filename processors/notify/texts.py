"""What people read: in Chinese or English, what happened, where, since when, what to do."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from processors.rules.model import Rule
from schemas.alert import Alert, Change, Severity, State
from schemas.instants import from_ms

_SEVERITY = {
    "zh": {
        Severity.INFORMATIONAL: "提示",
        Severity.LOW: "低",
        Severity.MEDIUM: "中",
        Severity.HIGH: "高",
        Severity.CRITICAL: "紧急",
    },
    "en": {severity: severity.value.upper() for severity in Severity},
}
_STATE = {
    "zh": {State.RESOLVED: "已恢复", State.ACKNOWLEDGED: "已确认"},
    "en": {State.RESOLVED: "resolved", State.ACKNOWLEDGED: "acknowledged"},
}
_WORDS = {
    "zh": {
        "where": "位置",
        "since": "自",
        "todo": "处置",
        "ack": "确认",
        "flapping": "反复触发",
        "more": "另有 {n} 条",
        "group": "{n} 条告警",
    },
    "en": {
        "where": "Where",
        "since": "since",
        "todo": "Do",
        "ack": "Ack",
        "flapping": "flapping",
        "more": "and {n} more",
        "group": "{n} alerts",
    },
}
_LARGE = 10_000  # from there on decimals say nothing
_MOST = 15  # lines in a message; the rest is counted


class Text(NamedTuple):
    title: str
    body: str


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def summary(alert: Alert, rule: Rule | None, language: str) -> str:
    text = _side(rule, language).summary if rule else alert.rule
    return text.format_map(_values(alert))


def todo(alert: Alert, rule: Rule | None, language: str) -> str:
    return _side(rule, language).todo.format_map(_values(alert)) if rule else ""


def _side(rule: Rule, language: str) -> Any:
    return rule.zh if language == "zh" else rule.en


def _values(alert: Alert) -> Mapping[str, Any]:
    shown = {name: _short(value) for name, value in alert.values.items()}
    return _Known(shown | {"name": alert.name or alert.subject, "site": alert.site, "zone": alert.zone, "subject": alert.subject})


def _short(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return f"{value:.4g}" if abs(value) < _LARGE else round(value)


def local_time(ms: int, time_zone: str) -> str:
    return from_ms(ms).astimezone(ZoneInfo(time_zone)).strftime("%m-%d %H:%M")


def message(alerts: Sequence[tuple[Alert, Rule | None]], language: str, time_zone: str) -> Text:
    """One text for one alert, or for a burst of them in one place."""
    words = _WORDS[language]
    if len(alerts) == 1:
        alert, rule = alerts[0]
        title = f"{_mark(alert, language)}{summary(alert, rule, language)}"
        lines = [f"{words['where']}: {' '.join(word for word in (alert.zone, alert.site, alert.subject) if word)}"]
        lines.append(f"{words['since']} {local_time(alert.onset_ms, time_zone)}")
        if alert.flapping:
            lines.append(words["flapping"])
        if alert.change is not Change.RESOLVED and rule:
            lines.append(f"{words['todo']}: {todo(alert, rule, language)}")
            lines.append(f"{words['ack']}: hanan alerts ack {alert.id}")
        return Text(title, "\n".join(lines))
    worst = max((alert for alert, _ in alerts), key=lambda alert: alert.severity.rank)
    place = worst.zone or worst.stream
    title = f"{_mark(worst, language)}{words['group'].format(n=len(alerts))} {place}"
    lines = [f"{_mark(alert, language)}{summary(alert, rule, language)} ({alert.id})" for alert, rule in alerts[:_MOST]]
    if len(alerts) > _MOST:
        lines.append(words["more"].format(n=len(alerts) - _MOST))
    return Text(title, "\n".join(lines))


def _mark(alert: Alert, language: str) -> str:
    word = _STATE[language].get(alert.state) or _SEVERITY[language][alert.severity]
    return f"【{word}】" if language == "zh" else f"[{word}] "


def webhook_body(alert: Alert, rule: Rule | None, route: str) -> dict[str, Any]:
    """The documented JSON: see docs/alerts.md. Fields are only ever added."""
    return {
        "version": 1, "route": route, "id": alert.id, "n": alert.n, "change": alert.change, "state": alert.state,
        "rule": alert.rule, "subject": alert.subject, "stream": alert.stream, "kind": alert.kind, "zone": alert.zone,
        "site": alert.site, "gateway": alert.gateway, "severity": alert.severity, "worst": alert.worst,
        "onset_ms": alert.onset_ms, "fired_ms": alert.fired_ms, "resolved_ms": alert.resolved_ms, "flapping": alert.flapping,
        "values": dict(alert.values),
        "labels": dict(rule.labels) if rule else {},
        "summary": {language: summary(alert, rule, language) for language in ("zh", "en")},
        "todo": {language: todo(alert, rule, language) for language in ("zh", "en")},
    }  # fmt: skip
