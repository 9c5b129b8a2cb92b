"""The validate role: raw messages -> readings with their quality, or dead letters with their reason.

decode -> schema -> identity -> registry -> time -> plausibility. One partition of `raw.<stream>` becomes the partition
of the same number of `reading.<stream>`, ticks included, so that order and time are the same in both.
"""

from collections.abc import Sequence
from typing import NamedTuple

from processors.judge import Impossible, Memory, judge
from processors.limits import Limits, limits_of
from processors.lookup import follow
from processors.short import Short, short_way
from processors.task import Output
from schemas import codec, raw, topics
from schemas.dead import DeadLetter, Fault, letters, to_record
from schemas.device import Registry
from schemas.instants import DAY_MS, HOUR_MS, format_rfc3339
from schemas.kind import Kind, Stream
from schemas.payload import Candidate, decode
from schemas.ports import Headers, OutRecord, Partition, Position, Record, Table, new_out_record
from schemas.reason import Reason
from schemas.streams import BY_NAME
from schemas.topics import MAX_FUTURE_MS, SENML, STATUS

_MAX_ROUTES = 200_000  # topics are invented by whoever may publish; the registry bounds only the honest ones


class Route(NamedTuple):
    """What a topic leads to: the kind, and the device with its limits if the registry knows it as that kind."""

    kind: Kind
    device_id: str
    key: bytes
    channel: str
    limits: Limits | None
    memory: Memory
    unknown: Fault | None = None
    short: Short | None = None


class ValidateTask:
    """One partition of one raw topic."""

    def __init__(self, stream: Stream, registry: Registry, retention_ms: int, position: Position) -> None:
        self._stream = stream
        self._registry = registry
        self._retention_ms = retention_ms
        self._position = position
        self._out_topic = topics.reading(stream.name)
        self._memory: dict[str, Memory] = {}
        self._routes: dict[bytes, Route | Fault] = {}
        self._routes_version = registry.version
        self._readings = self._suspect = 0  # of the batch under way

    def position(self) -> Position:
        return self._position

    def warm(self, records: Sequence[Record]) -> None:
        """Fills the memory, no further back than each kind's judgements reach. No more than that, since everyone waits for it."""
        self._refresh_routes()
        for record in records:
            if record.key is None:
                continue
            received_at_ms = record.timestamp_ms
            route = self._routes.get(record.key) or self._add_route(record.key)
            if isinstance(route, Fault) or route.limits is None or route.channel == STATUS:
                continue
            if received_at_ms < self._position.clock_ms - route.kind.memory_ms:
                continue
            payload = record.value or b""
            if route.short and route.short(payload, received_at_ms):
                continue
            for _, ts_ms, values, _, _ in decode(payload, route.kind, route.device_id, route.channel).candidates:
                if self._untimely(ts_ms, received_at_ms) is None:
                    judge(ts_ms, values, route.limits, route.memory)

    def feed(self, records: Sequence[Record]) -> Output:
        self._refresh_routes()
        out = Output()
        clock_ms, short_ones = self._position.clock_ms, 0
        routes, topic, append = self._routes, self._out_topic, out.records.append
        for record in records:
            _, partition, _, key, payload, headers, received_at_ms = record
            if received_at_ms > clock_ms:  # noqa: PLR1730 - for each record, and max() costs four times as much
                clock_ms = received_at_ms
            if key is None:  # a tick
                append(record_on(topic, record, b""))
                continue
            route = routes.get(key) or self._add_route(key)
            if type(route) is Route and (short := route.short) and payload and (value := short(payload, received_at_ms)):
                short_ones += 1
                append(new_out_record((topic, route.key, value, _carried(headers) if headers else (), received_at_ms, partition)))
            elif isinstance(route, Fault):
                self._readings += 1
                self._bury(record, [route], received_at_ms, out)
            elif route.channel == STATUS:
                out.counts["status", self._stream.name, ""] += 1
            else:
                self._message(record, route, received_at_ms, out)
        if records:
            self._position = Position(records[-1].offset + 1, clock_ms)
        out.counts["readings", self._stream.name, ""], self._readings = self._readings + short_ones, 0
        out.counts["suspect", self._stream.name, ""], self._suspect = self._suspect, 0
        return out

    def _message(self, record: Record, route: Route, received_at_ms: int, out: Output) -> None:
        candidates, faults = decode(record.value or b"", route.kind, route.device_id, route.channel)
        self._readings += len(candidates)
        if faults:
            self._readings += sum(fault.readings for fault in faults)
        for candidate in candidates:
            value = self._reading(candidate, route, received_at_ms)
            if isinstance(value, Fault):
                faults.append(value)
                continue
            fields = self._out_topic, route.key, value, _carried(record.headers), received_at_ms, record.partition
            out.records.append(new_out_record(fields))
        if faults:
            self._bury(record, faults, received_at_ms, out)

    def _reading(self, candidate: Candidate, route: Route, received_at_ms: int) -> bytes | Fault:
        """The reading as bytes, or why there is none."""
        place, ts_ms, values, seq, event_id = candidate
        if route.limits is None:
            assert route.unknown is not None
            return route.unknown._replace(place=place)
        if untimely := self._untimely(ts_ms, received_at_ms):
            return Fault(place, untimely, _moment(ts_ms))
        flags = judge(ts_ms, values, route.limits, route.memory)
        if isinstance(flags, Impossible):
            return Fault(place, Reason.IMPOSSIBLE_VALUE, f"{flags.metric} = {flags.value:g}")
        if flags:
            self._suspect += 1
        return codec.encode_fields(route.kind.name, route.device_id, ts_ms, received_at_ms, values, flags, seq, event_id)

    def _untimely(self, ts_ms: int, received_at_ms: int) -> Reason | None:
        if ts_ms > received_at_ms + MAX_FUTURE_MS:
            return Reason.FROM_THE_FUTURE
        if ts_ms < received_at_ms - self._retention_ms:
            return Reason.BEYOND_RETENTION
        return None

    def _refresh_routes(self) -> None:
        if self._routes_version != self._registry.version or len(self._routes) > _MAX_ROUTES:
            self._routes.clear()
            self._routes_version = self._registry.version

    def _add_route(self, key: bytes) -> Route | Fault:
        route = self._routes[key] = self._route(raw.origin_of(key)[0])
        return route

    def _route(self, mqtt_topic: str) -> Route | Fault:
        parsed = topics.parse(mqtt_topic)
        if not isinstance(parsed, topics.MqttTopic):
            return Fault(0, *parsed)
        kind = self._stream.by_name.get(parsed.kind)
        if kind is None:
            return Fault(0, Reason.UNKNOWN_KIND, f"{self._stream.name} has no {parsed.kind[:40]!r}")
        channel = parsed.channel
        if channel not in {kind.channel, SENML, STATUS} or (channel == SENML and kind.event):
            return Fault(0, Reason.UNKNOWN_CHANNEL, f"{kind.name} has no channel {channel[:40]!r}")
        device = self._registry.get(parsed.device_id)
        key = parsed.device_id.encode()
        if device is None:
            return Route(kind, parsed.device_id, key, channel, None, {}, Fault(0, Reason.UNKNOWN_DEVICE, parsed.device_id))
        if (device.stream, device.kind) != (parsed.stream, parsed.kind):
            known_as = Fault(0, Reason.WRONG_KIND, f"registered as {device.stream}/{device.kind}")
            return Route(kind, parsed.device_id, key, channel, None, {}, known_as)
        memory = self._memory.setdefault(parsed.device_id, {})
        limits = limits_of(kind, device)
        short = short_way(kind, device.device_id, limits, memory, self._retention_ms) if channel == kind.channel else None
        return Route(kind, parsed.device_id, key, channel, limits, memory, None, short)

    def _bury(self, record: Record, faults: list[Fault], received_at_ms: int, out: Output) -> None:
        mqtt_topic, collector = raw.origin_of(record.key or b"")
        parsed = topics.parse(mqtt_topic)
        common = DeadLetter(
            Reason.NOT_JSON,
            "",
            "validate",
            record.value or b"",
            mqtt_topic,
            received_at_ms,
            stream=self._stream.name,
            device_id=parsed.device_id if isinstance(parsed, topics.MqttTopic) else "",
            collector=collector,
            origin=f"{record.topic}/{record.partition}@{record.offset}",
        )
        for letter in letters(faults, common):
            out.records.append(to_record(letter))
            out.counts["dead", self._stream.name, letter.reason.value] += letter.readings


def record_on(topic: str, record: Record, value: bytes) -> OutRecord:
    """The same record on another topic: same key, partition, headers and time."""
    return OutRecord(topic, record.key, value, record.headers, record.timestamp_ms, record.partition)


def _carried(headers: Headers) -> tuple[tuple[str, bytes], ...]:
    """The headers that still matter behind validate: that a reading was retained by the broker or replayed by a person."""
    return tuple(header for header in headers if header[0] in {topics.RETAINED, topics.REPLAYED})


def _moment(ts_ms: int) -> str:
    try:
        return format_rfc3339(ts_ms)
    except ValueError:
        return f"{ts_ms} ms"


class ValidateTasks:
    """Validates all streams. The registry is read from its compacted topic and kept current."""

    def __init__(self, table: Table, retention_days: int) -> None:
        self.topics = [topics.raw(name) for name in BY_NAME]
        self._table = table
        self._registry = Registry()
        # An hour less than the bucket keeps, so that a point is never refused for being on the edge
        self._retention_ms = retention_days * DAY_MS - HOUR_MS

    def refresh(self, *, up_to_now: bool = False) -> None:
        follow(self._table, self._registry.apply, up_to_now=up_to_now)

    def memory_ms(self, partition: Partition) -> int:
        return BY_NAME[topics.stream_of(partition.topic)].memory_ms

    def start(self, partition: Partition, position: Position) -> ValidateTask:
        return ValidateTask(BY_NAME[topics.stream_of(partition.topic)], self._registry, self._retention_ms, position)
