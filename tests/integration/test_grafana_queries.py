"""Every query of every panel and variable, as Grafana would ask it, on a real InfluxDB with a made-up week in it.

`pytest -s` shows the table of times; `python -m tests.bench.dashboards` does the same with a week of the simulated city.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing

import pytest
import yaml
from influxdb_client.client.influxdb_client import InfluxDBClient

from deploy.cli.grafana import rule_texts
from deploy.clock import SystemClock
from deploy.native.stack import Stack
from deploy.registry_file import load_devices
from deploy.settings import load_settings
from grafana import provisioning
from grafana.build import all_dashboards
from grafana.options import options_of
from processors.io.influx import InfluxWriter
from tests.grafana_answers import MAX_S, P95_S, Answer, ask, quantile, reason_to_be_empty, table
from tests.grafana_week import week
from tests.servers import guarded_stack

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

DEVICES = load_devices(load_settings().registry)
_BATCH = 5_000


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[Stack, int]]:
    """InfluxDB alone, with a week in it. The settings name the other two, so that they are not started."""
    with guarded_stack(kafka_bootstrap="127.0.0.1:1", mqtt_url="mqtt://127.0.0.1:1") as stack:
        places = stack.endpoints()
        now_ms = SystemClock().now_ms()
        pending: dict[str, list[str]] = defaultdict(list)
        with closing(InfluxWriter(places.influx_url, places.influx_token, places.influx_org)) as writer:
            for bucket, line in week(DEVICES, now_ms):
                pending[bucket].append(line)
                if len(pending[bucket]) >= _BATCH:
                    assert writer.write(bucket, pending.pop(bucket)) == []
            for bucket, lines in pending.items():
                assert writer.write(bucket, lines) == []
        yield stack, now_ms


@pytest.fixture(scope="module")
def answers(filled: tuple[Stack, int]) -> list[Answer]:
    stack, now_ms = filled
    return ask(stack.endpoints(), all_dashboards(options_of(DEVICES, "en", rules=rule_texts())), DEVICES, now_ms)


def test_no_query_fails(answers: list[Answer]) -> None:
    assert [f"{answer.asked.name}: {answer.error}\n{answer.asked.flux}" for answer in answers if answer.error] == []


def test_no_frame_is_empty_without_a_reason(answers: list[Answer]) -> None:
    empty = [answer for answer in answers if not answer.rows and not answer.error]
    assert [(answer.asked.name, dict(answer.chosen)) for answer in empty if not reason_to_be_empty(answer, DEVICES)] == []


def test_what_is_asked_is_bounded(answers: list[Answer]) -> None:
    assert max(answer.series for answer in answers) <= 60
    assert max(answer.rows for answer in answers) <= 30_000


def test_each_panel_shows_something_for_some_choice(answers: list[Answer]) -> None:
    shown = {answer.asked.name for answer in answers if answer.rows}
    never = {answer.asked.name for answer in answers} - shown
    assert never == set()


def test_queries_are_quick(answers: list[Answer]) -> None:
    """The limits are the ones that people notice, on a machine that others use too."""
    sys.stderr.write(f"\n{table(answers)}\n")
    assert quantile(answers, 0.95) < P95_S
    slowest = max(answers, key=lambda answer: answer.seconds)
    assert slowest.seconds < MAX_S, slowest.asked.name


def test_dead_mans_switches_always_answer_one_number(filled: tuple[Stack, int]) -> None:
    """While data flow it is how many came; long after, nothing at all is told and a stream's absence is a season's."""
    places = filled[0].endpoints()
    groups = yaml.safe_load(provisioning.files()["alerting/hanan.yaml"])["groups"]
    found = {}
    with InfluxDBClient(places.influx_url, places.influx_grafana_token, org=places.influx_org, timeout=60_000) as client:
        for rule in groups[0]["rules"]:
            flux = rule["data"][0]["model"]["query"]
            asked = {"flows": _at(flux, "-3h"), "stopped": _at(flux, "-1s"), "away": _at(flux, "-1s", "-2s")}
            for name, text in asked.items():
                (table,) = client.query_api().query(text)
                found[rule["uid"], name] = tuple(record.get_value() > 0 for record in table.records)
    assert {each for (_, name), each in found.items() if name == "flows"} == {(True,)}
    assert {each for (_, name), each in found.items() if name == "stopped"} == {(False,)}
    rules = ("nothing-stored", "heat-not-stored", "role-gone")
    assert [found[f"hanan-{name}", "away"] for name in rules] == [(False,), (True,), (True,)]


def _at(flux: str, lately: str, day: str = "-24h") -> str:
    return flux.replace("-10m", lately).replace("-24h", day)
