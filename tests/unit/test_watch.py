import pytest
from rich.console import Console

from deploy.board import alerts_lines
from deploy.durations import seconds
from deploy.metrics import PrometheusMeter
from deploy.watch import Sample, Watch, quantile, scrape
from schemas.alert import Alert, Severity, State


def test_what_a_role_counts_can_be_scraped_and_becomes_a_row() -> None:
    meter = PrometheusMeter("store")
    port = meter.serve()
    watch = Watch()
    watch.add(Sample(0, scrape([port])))
    meter.add("points", 500, stream="heat")
    meter.add("dead", 2, stream="heat", reason="not_json")
    meter.observe("stored_after_ms", [8] * 99 + [1_500], stream="heat", bucket="readings")
    meter.observe("stored_age_ms", [300] * 100, stream="heat")
    meter.set("last_stored_ms", 12_345, stream="heat", bucket="readings")
    watch.add(Sample(10_000, scrape([port]), {"heat": 7}))
    row = next(row for row in watch.streams() if row.stream == "heat")
    assert (row.stored, row.stored_per_s, row.lag, row.last_ms) == (500, 50.0, 7, 12_345)
    assert (row.dead, row.dead_reasons) == (2, [("not_json", 2)])
    assert row.p50_ms is not None
    assert 5 < row.p50_ms < 10
    assert row.p99_ms is not None
    assert row.p99_ms <= 10
    assert row.age_p50_ms == 350, "in the middle of its bucket"
    assert [(role.role, role.processes) for role in watch.roles()] == [("store", 1)]


def test_a_role_that_does_not_answer_is_absent() -> None:
    assert scrape([9]) == {}


def test_only_the_last_minute_counts() -> None:
    watch = Watch()
    series = {("hanan_points_total", (("role", "store"), ("stream", "heat"))): 0.0}
    for second in range(0, 200, 10):
        series = dict.fromkeys(series, second * 5.0)
        watch.add(Sample(second * 1_000, series))
    row = next(row for row in watch.streams() if row.stream == "heat")
    assert row.stored_per_s == 5.0


def test_quantiles_lie_within_their_bucket() -> None:
    cumulative = [(10.0, 50), (100.0, 100), (float("inf"), 100)]
    assert quantile(cumulative, 0.5) == 10.0
    assert quantile(cumulative, 0.75) == 55.0
    assert quantile([(10.0, 0), (float("inf"), 4)], 0.5) == 10.0
    assert quantile([], 0.5) is None
    assert quantile([(10.0, 0)], 0.5) is None


@pytest.mark.parametrize(("text", "expected"), [("90", 90), ("90s", 90), ("2m", 120), ("1h30m", 5_400), ("0.5s", 0.5)])
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "2 m", "1d"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|longer"):
        seconds(text)


def test_open_alerts_stand_below_the_table_the_gravest_first() -> None:
    def one(number: int, state: State, severity: Severity) -> Alert:
        return Alert("heat-room-cold", f"RM-{number}", state, onset_ms=60_000, severity=severity, zone="old-town")

    alerts = [one(n, State.FIRING, Severity.HIGH) for n in range(7)]
    alerts += [one(8, State.ACKNOWLEDGED, Severity.CRITICAL), one(9, State.FIRING, Severity.INFORMATIONAL)]
    console = Console(width=100)
    with console.capture() as said:
        console.print(alerts_lines(alerts, 240_000))
        console.print(alerts_lines([], 240_000))
    lines = said.get().splitlines()
    assert lines[0] == "alerts  7 high, 1 acknowledged"
    assert lines[1].split() == ["high", "heat-room-cold", "old-town", "RM-0", "for", "3", "min"]
    assert lines[6:] == ["  and 2 more: hanan alerts list", "alerts  none"]
