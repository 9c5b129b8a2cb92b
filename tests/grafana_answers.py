"""Every query of every panel asked of a real InfluxDB, as Grafana would: what came, how soon, and why nothing need have come."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException

from deploy.native.endpoints import Endpoints
from grafana.boards.quantities import numbers
from grafana.build import Document
from schemas.device import Device
from schemas.instants import HOUR_MS
from schemas.streams import STREAMS
from tests.grafana_asked import ALL, Asked, queries

P95_S, MAX_S = 1.0, 3.0
# Of the dashboard for one device: one that has states and a heating curve, one that has states, one that sends events
ONE_OF = (("heat", "exchange", 3), ("waste", "compactor", 48), ("waste", "weighbridge", 24 * 30))

_EVENTS = [stream.measurement(kind.name) for stream in STREAMS for kind in stream.kinds if kind.event]


class Answer(NamedTuple):
    asked: Asked
    chosen: Mapping[str, str]
    seconds: float
    series: int
    rows: int
    error: str


def choices(board: Document, devices: Sequence[Device]) -> Iterator[tuple[Mapping[str, str], int]]:
    """Variables and hours: the defaults over a day, then a zone, and a device of each kind, over two hours to a week."""
    uid = board["uid"].split("-")[1].replace("dispatch", "waste")
    if uid == "device":
        for stream, kind, hours in ONE_OF:
            first = next(device for device in devices if (device.stream, device.kind) == (stream, kind))
            sent = next(metric.name for of, metric in numbers() if of == f"{stream}_{kind}")
            yield {"zone": ALL, "site": ALL, "device": first.device_id, "metric": sent}, hours
        return
    yield {"zone": ALL, "site": ALL, "device": ALL}, 24
    own = [device for device in devices if device.stream == uid] or list(devices[:: len(devices) // 7])
    yield {"zone": own[0].zone, "site": ALL, "device": ALL}, 2
    yield {"zone": own[-1].zone, "site": ALL, "device": ALL}, 24 * 7
    for number, device in enumerate({each.kind: each for each in own}.values()):
        yield {"zone": ALL, "site": device.site, "device": device.device_id}, 2 if number % 2 else 40


def ask(places: Endpoints, boards: Iterable[Document], devices: Sequence[Device], now_ms: int) -> list[Answer]:
    """With the read-only token."""
    by_id = {device.device_id: device for device in devices}
    with InfluxDBClient(places.influx_url, places.influx_grafana_token, org=places.influx_org, timeout=60_000) as client:
        api = client.query_api()

        def answer(asked: Asked, chosen: Mapping[str, str]) -> Answer:
            began = time.perf_counter()
            try:
                tables = api.query(asked.flux)
                error = ""
            except ApiException as refused:
                tables, error = [], str(refused.body)
            rows = sum(len(table.records) for table in tables)
            values = [record.values["_value"] for table in tables for record in table.records if "_value" in record.values]
            if values and all(value is None for value in values):
                error = "nothing but nulls"
            return Answer(asked, chosen, time.perf_counter() - began, len(tables), rows, error)

        return [
            answer(asked, chosen)
            for board in boards
            for chosen, hours in choices(board, devices)
            for asked in queries(board, chosen, now_ms - hours * HOUR_MS, now_ms)
            if chosen["device"] == ALL or board["uid"].startswith("hanan-device") or _reads(asked, by_id[chosen["device"]])
        ]


def reason_to_be_empty(answer: Answer, devices: Sequence[Device]) -> str:
    """Why nothing is the right answer here; empty when there should be something."""
    asked, chosen = answer.asked, answer.chosen
    if asked.board.startswith("hanan-device"):
        kind = next(device.kind for device in devices if device.device_id == chosen["device"])
        if asked.ref == "B":
            return "none of its readings need be suspect"
        if (
            asked.panel
            in {"States", "Completeness", "Why suspect", "For the indicators", "状态", "数据完整率", "可疑原因", "指标贡献"}
            or kind == "weighbridge"
        ):
            return "the kind has no states, no interval, or nothing is suspect"
        if asked.panel in {"Its alerts", "该设备告警"}:
            return "nothing need have been wrong with it"
        return ""
    if reason := next((why for is_so, why in _reasons(asked, chosen) if is_so), ""):
        return reason
    if not any(_reads(asked, device) and _is_chosen(device, chosen) for device in devices):
        return "no device of the kind is in what is chosen"
    return ""


def _reasons(asked: Asked, chosen: Mapping[str, str]) -> Iterator[tuple[bool, str]]:
    """What the data need not have, whoever is chosen."""
    flux, panel = asked.flux, asked.panel
    some = chosen["zone"] != ALL or chosen["device"] != ALL
    yield "timeShift(duration: 7d)" in flux, "what was a week before the range is not in the store"
    yield '"city_' in flux and some, "the zone need not have what the indicator is of"
    yield panel in {"Rain held back in this event", "本场径流控制率"}, "it need not have rained of late"
    yield any(f'"{of}"' in flux for of in _EVENTS) and chosen["device"] != ALL, "no event need have come in the range"
    yield 'level = "1d"' in flux, "no day need be over in the range"
    yield "device_id =~ wanted" in flux and chosen["site"] == chosen["device"] == ALL, "lines of devices come with one chosen"
    yield '"workorder"' in flux, "nothing need be to serve"
    yield 'from(bucket: "alerts")' in flux and "ops" not in flux, "nothing need have fired in the range"
    yield panel in {"Suspect share", "可疑占比"}, "nothing need have come in the last hour of the range, of which it is a share"
    yield panel in {"Silent devices", "Why suspect", "失联设备", "可疑原因"}, "nobody need be silent, nothing need be suspect"


def _reads(asked: Asked, device: Device) -> bool:
    name = f"{device.stream}_{device.kind}"
    whole = "=> exists r.device_id)" in asked.flux or f"_measurement =~ /^{device.stream}_/" in asked.flux
    return whole or f'"{name}"' in asked.flux or f'"city_{device.stream}"' in asked.flux


def _is_chosen(device: Device, chosen: Mapping[str, str]) -> bool:
    return all(
        chosen[name] in {ALL, value}
        for name, value in (("zone", device.zone), ("site", device.site), ("device", device.device_id))
    )


def table(answers: Sequence[Answer]) -> str:
    """By dashboard: how many queries, how many were empty, and their times in milliseconds."""
    by_board: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_board[answer.asked.board].append(answer)
    by_board["all"] = list(answers)
    lines = [f"{'dashboard':24}{'queries':>8}{'empty':>8}{'p50 ms':>8}{'p95 ms':>8}{'max ms':>8}"]
    for board, some in by_board.items():
        empty = sum(not answer.rows for answer in some)
        times = "".join(f"{quantile(some, q) * 1e3:8.0f}" for q in (0.5, 0.95, 1))
        lines.append(f"{board:24}{len(some):8}{empty:8}{times}")
    slowest = max(answers, key=lambda answer: answer.seconds)
    return "\n".join([*lines, f"slowest: {slowest.asked.name}"])


def quantile(answers: Sequence[Answer], q: float) -> float:
    seconds = sorted(answer.seconds for answer in answers)
    return seconds[int(q * (len(seconds) - 1))]
