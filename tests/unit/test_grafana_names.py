"""What the dashboards ask for by name is what the writers write."""

import re
from collections.abc import Iterator, Mapping

from grafana.build import all_dashboards
from grafana.options import Options
from processors.orders.points import line as order_line
from processors.rules.points import line as alert_line
from processors.windows.points import field_names
from schemas.alert import Alert
from schemas.fields import AGGREGATES, ALERTS, READINGS
from schemas.indicator import measurement
from schemas.streams import STREAMS
from schemas.workorder import Order
from tests.grafana_asked import ALL, queries

_BLOCK = re.compile(r'from\(bucket: "(\w+)"\)(.*?)(?=from\(bucket|$)', re.DOTALL)
_MEASUREMENT, _FIELD = re.compile(r'r\._measurement == "(\w+)"'), re.compile(r'r\._field == "(\w+)"')


def written() -> Mapping[str, Mapping[str, set[str]]]:
    """Bucket -> measurement -> fields, from the writers' own declarations."""
    kinds = {stream.measurement(kind.name): kind for stream in STREAMS for kind in stream.kinds}
    readings = {name: {"quality", "reasons", *(metric.name for metric in kind.metrics)} for name, kind in kinds.items()}
    windows = {name: {"devices", *field_names(kind)} for name, kind in kinds.items()}
    city = {measurement(stream.name): {row.name for row in stream.indicators} for stream in STREAMS}
    alert = set(re.findall(r"[ ,](\w+)=", alert_line(Alert("rule", "HX-1"))))
    order = set(re.findall(r"[ ,](\w+)=", order_line(Order("S1"))))
    return {READINGS: readings, AGGREGATES: windows | city, ALERTS: {"alert": alert, "workorder": order}}


def asked() -> Iterator[tuple[str, str, str, set[str]]]:
    """Panel, bucket, measurement and fields of each part of a query that names a measurement."""
    chosen = dict.fromkeys(("zone", "site", "device"), ALL)
    for board in all_dashboards(Options()):
        for query in queries(board, chosen, 0, 86_400_000):
            for bucket, rest in _BLOCK.findall(query.flux):
                fields = set(_FIELD.findall(rest)) - {"-"}
                for name in _MEASUREMENT.findall(rest):
                    yield query.name, bucket, name, fields


def test_every_field_that_is_asked_for_is_written() -> None:
    known = written()
    seen = set()
    for panel, bucket, name, fields in asked():
        if bucket not in known:
            continue  # the registry and the pipeline's own figures: tests/unit/test_grafana_points.py
        assert name in known[bucket], (panel, bucket, name)
        assert fields <= known[bucket][name], (panel, fields - known[bucket][name])
        seen.add(name)
    assert {measurement(stream.name) for stream in STREAMS} <= seen
    assert {stream.measurement(kind.name) for stream in STREAMS for kind in stream.kinds} <= seen
