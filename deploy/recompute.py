"""Windows computed again from the readings that InfluxDB has, and written under their old identities.

InfluxDB has each reading once, those that came too late among them, in order of device and time, for longer than Kafka. What is
made goes to the windows' topics in Kafka, from which store writes it: the last version of a window there is the right one, also
for whoever rewinds. Windows that are still open are left to their tasks.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any, NamedTuple

from deploy.clock import deployment_clock
from deploy.native.endpoints import endpoints
from deploy.native.progress import Progress
from deploy.settings import Settings
from processors.aggregate import GROUP, read_of
from processors.io import clients
from processors.io.influx import InfluxReader
from processors.io.kafka_admin import Admin
from processors.io.kafka_read import TableReader
from processors.points import NO_REASONS
from processors.windows.again import Again, Leveled, Unit, units
from processors.windows.calendar import Calendar, Span
from processors.windows.roster import Post
from schemas import topics
from schemas.aggregate import Window, encode
from schemas.device import Registry
from schemas.fields import READINGS
from schemas.instants import SECOND_MS, format_rfc3339, to_ms
from schemas.kind import Kind, Stream
from schemas.partitions import partition_of
from schemas.ports import OutRecord, RecordSink, RetryLater
from schemas.reading import Reading
from schemas.streams import STREAMS

_DEVICES_A_QUESTION = 100
_WINDOWS_A_RECORD = 200
_AT_ONCE = 20_000  # windows in hand
_FLUSH_MS = 30_000


class Wanted(NamedTuple):
    """Empty fields mean all."""

    span: Span
    stream: str = ""
    kind: str = ""
    devices: frozenset[str] = frozenset()


@dataclass
class Recount:
    """What was done; with a dry run, the devices and readings that would be looked at."""

    devices: int = 0
    readings: int = 0
    windows: Counter[str] = field(default_factory=Counter)  # by level


def recompute(settings: Settings, wanted: Sequence[Wanted], progress: Progress, *, dry_run: bool = False) -> Recount:
    """All windows that have any part of the times wanted, up to those that are closed."""
    done = Recount()
    places = endpoints(settings)
    registry = _registry(places.kafka_bootstrap)
    work = list(_work(settings, wanted, registry))
    with closing(Admin(places.kafka_bootstrap)) as admin:
        closed = {stream.name: closed_ms(admin, stream) for stream in STREAMS}
    done.devices = len({device_id for _, unit, _ in work for device_id in unit.posts})
    with (
        closing(InfluxReader(places.influx_url, places.influx_token, places.influx_org)) as influx,
        closing(clients.open_sink(settings.kafka_client, places.kafka_bootstrap, "hanan-recompute")) as sink,
        progress.step("count the readings" if dry_run else "compute the windows again") as step,
    ):
        for number, (stream, unit, chosen) in enumerate(work, 1):
            again = Again(unit.kind, unit.posts, Calendar(settings.time_zone), unit.span, closed[stream.name])
            if dry_run:
                done.readings += _count(influx, stream, again, unit)
            else:
                _carry_out(_Kafka(sink, stream.name, settings), influx, stream, again, unit, chosen, done)
            step.waiting(f"for InfluxDB: {number:,} of {len(work):,} zones and days, {done.readings:,} readings so far")
        made = ", ".join(f"{count:,} of {level}" for level, count in done.windows.items())
        step.result = f"{done.readings:,} readings of {done.devices:,} devices"
        if not dry_run:
            step.result += f"; windows: {made or 'none'}"
    return done


def _registry(bootstrap: str) -> Registry:
    registry = Registry()
    with closing(TableReader(bootstrap, topics.DEVICE)) as table:
        for key, value in table.changes():
            registry.apply(key.decode(errors="replace"), value)
    return registry


def _work(settings: Settings, wanted: Sequence[Wanted], registry: Registry) -> Iterator[tuple[Stream, Unit, frozenset[str]]]:
    """Whole zones, since a zone's window is made of all its devices; last those whose own windows are written, too."""
    calendar = Calendar(settings.time_zone)
    for span, only, only_kind, chosen in wanted:
        kinds = [(stream, kind) for stream in STREAMS if only in {"", stream.name} for kind in stream.kinds]
        for stream, kind in kinds:
            if only_kind in {"", kind.name}:
                devices = [device for device in registry if (device.stream, device.kind) == (stream.name, kind.name)]
                zones = {device.zone for device in devices if not chosen or device.device_id in chosen}
                posts = {
                    device.device_id: Post(stream.name, kind.name, device.zone, device.interval_s * SECOND_MS)
                    for device in devices
                    if device.zone in zones
                }
                for unit in units(kind, posts, calendar, span):
                    yield stream, unit, chosen


def closed_ms(admin: Admin, stream: Stream) -> int:
    """Windows that end no later are closed for all tasks of the stream, which will write them no more; 0 if that is not known."""
    partitions = admin.partitions(read_of(stream.name))
    begun = [partition for partition, end in admin.ends(partitions).items() if end]
    committed = admin.committed(GROUP, begun)
    clocks = [committed[partition].clock_ms if partition in committed else 0 for partition in begun]
    return max(0, min(clocks, default=0) - stream.lateness_ms)


def _carry_out(
    kafka: "_Kafka",
    influx: InfluxReader,
    stream: Stream,
    again: Again,
    unit: Unit,
    chosen: frozenset[str],
    done: Recount,
) -> None:
    for device_id, readings in _by_device(influx, stream, again, unit):
        done.readings += len(readings)
        made = list(again.device(device_id, readings))
        if not chosen or device_id in chosen:
            kafka.put(device_id, made)
            done.windows.update(level for level, _ in made)
    zone = list(again.zone())
    kafka.put("", zone)
    done.windows.update(level for level, _ in zone)
    kafka.flush()


class _Kafka:
    """Windows on their way to their topics, those of a device into its own partition."""

    def __init__(self, sink: RecordSink, stream: str, settings: Settings) -> None:
        self._sink, self._stream, self._partitions = sink, stream, settings.kafka_partitions
        self._now_ms = deployment_clock(settings).now_ms
        self._waiting = 0

    def put(self, device_id: str, made: Iterable[Leveled]) -> None:
        for level, group in groupby(made, key=lambda each: each[0]):
            windows = (window for _, window in group)
            while some := list(islice(windows, _WINDOWS_A_RECORD)):
                self._send(self._record(device_id, level, some))
                self._waiting += len(some)
        if self._waiting > _AT_ONCE:
            self.flush()

    def _record(self, device_id: str, level: str, windows: Sequence[Window]) -> OutRecord:
        topic, number = topics.zone(self._stream), 0
        if device_id:
            topic, number = topics.aggregate(level, self._stream), partition_of(device_id.encode(), self._partitions)
        return OutRecord(topic, level.encode(), encode(level, windows), (), self._now_ms(), number)

    def _send(self, record: OutRecord) -> None:
        try:
            self._sink.send(record)
        except RetryLater:  # make room, once
            self._sink.flush(_FLUSH_MS)
            self._sink.send(record)

    def flush(self) -> None:
        self._sink.flush(_FLUSH_MS)
        self._waiting = 0


# Asking InfluxDB


def _by_device(influx: InfluxReader, stream: Stream, again: Again, unit: Unit) -> Iterator[tuple[str, list[Reading]]]:
    for question in _questions(stream, again, unit):
        rows = influx.rows(f'{question} |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")')
        for device_id, some in groupby(rows, key=lambda row: str(row["device_id"])):
            yield device_id, [_reading(stream.name, unit.kind, row) for row in some]


def _count(influx: InfluxReader, stream: Stream, again: Again, unit: Unit) -> int:
    asked = [
        f'{question} |> filter(fn: (r) => r._field == "quality") |> group() |> count()'
        for question in _questions(stream, again, unit)
    ]
    return sum(int(row["_value"]) for flux in asked for row in influx.rows(flux))


def _questions(stream: Stream, again: Again, unit: Unit) -> Iterator[str]:
    ids = sorted(unit.posts)
    for at in range(0, len(ids), _DEVICES_A_QUESTION):
        devices = " or ".join(f'r.device_id == "{device_id}"' for device_id in ids[at : at + _DEVICES_A_QUESTION])
        yield f"""
            from(bucket: "{READINGS}")
              |> range(start: {format_rfc3339(again.needs.start)}, stop: {format_rfc3339(again.needs.end)})
              |> filter(fn: (r) => r._measurement == "{stream.measurement(unit.kind.name)}")
              |> filter(fn: (r) => {devices})
        """


def _reading(stream: str, kind: Kind, row: Any) -> Reading:
    """A point as the reading that it was. Of an event the nanoseconds are its identity."""
    values = {name: value for name in kind.by_name if (value := row.values.get(name)) is not None}
    reasons = str(row.values.get("reasons") or NO_REASONS)
    flags = {} if reasons == NO_REASONS else dict(reason.split(":", 1) for reason in reasons.split(","))
    moment = row["_time"]
    event_id = moment.isoformat() if kind.event else None
    return Reading(stream, kind.name, str(row["device_id"]), to_ms(moment), 0, values, flags, None, event_id)
