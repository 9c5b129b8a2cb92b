"""First half of the city's state: windows of devices -> what each partition adds to each zone, and the details by device.

A partition has only some of a zone's devices, so this is done in each, and `city.py` adds the shares up. A share is written
when its span is over on the partition's clock, and again, at most once a minute of that clock, when it changed. Details of
devices that are served go to the work orders as well.
"""

from bisect import bisect_left
from collections.abc import Sequence

from processors.city.lines import detail_line
from processors.city.measured import PAST_MS, Measured, Sight
from processors.city.pools import sum_of
from processors.store import refused
from processors.task import Output, Point
from processors.windows.book import Place
from processors.windows.calendar import Calendar
from schemas import aggregate, topics
from schemas.aggregate import QUARTER, Window
from schemas.dead import to_record
from schemas.fields import AGGREGATES
from schemas.instants import MINUTE_MS
from schemas.kind import Stream
from schemas.ports import OutRecord, Position, Record
from schemas.reason import Reason
from schemas.share import Share, encode
from schemas.workorder import EVENT, Sample, encode_event


class _Device:
    """In one span."""

    __slots__ = ("kind", "windows", "zone")

    def __init__(self, kind: str) -> None:
        self.kind, self.zone = kind, ""
        self.windows: dict[int, Measured] = {}  # by start; of a span of minutes there are several


class _Span:
    __slots__ = ("changed", "devices", "end", "zones")

    def __init__(self, end: int) -> None:
        self.end = end
        self.devices: dict[str, _Device] = {}
        self.changed: set[str] = set()  # devices, since it was last written
        self.zones: set[str] = set()  # of these, now and before


class GatherTask:
    """One partition of one level. Only ticks move its time: whoever writes one has written all that was due before.

    Nothing is held back: all that an open span is made of was written not longer ago than `Sight.memory_ms`, and comes back by
    the warm-up.
    """

    def __init__(self, stream: Stream, sight: Sight, calendar: Calendar, place: Place, position: Position) -> None:
        self._stream, self._sight, self._calendar, self._place = stream, sight, calendar, place
        self._position = position
        self._spans: dict[int, _Span] = {}
        self._past: dict[str, dict[int, Window]] = {}  # newest windows of devices of which the one before matters, by start

    def position(self) -> Position:
        """After the last turn: what came since will come again."""
        return self._position

    def warm(self, records: Sequence[Record]) -> None:
        unheard = Output()
        for record in records:
            if record.key is not None:
                self._take(record, unheard)
        for span in self._spans.values():
            if span.end <= self._position.clock_ms:  # was written
                span.changed.clear()
                span.zones.clear()

    def feed(self, records: Sequence[Record]) -> Output:
        out = Output()
        for record in records:
            if record.key is not None:
                self._take(record, out)
            elif record.timestamp_ms // MINUTE_MS > self._position.clock_ms // MINUTE_MS:
                self._turn(record, out)
        return out

    def _take(self, record: Record, out: Output) -> None:
        try:
            _, windows = aggregate.decode(record.value or b"")
            for window in windows:
                if window["kind"] in self._sight.amounts:
                    self._take_window(window)
        except (ValueError, KeyError, TypeError) as error:
            letter = refused(record, Reason.NOT_JSON, f"no windows: {error!r}")._replace(stage="city")
            out.records.append(to_record(letter))
            out.counts["dead", self._stream.name, Reason.NOT_JSON.value] += 1

    def _take_window(self, window: Window) -> None:
        device_id, start = window["device_id"], window["start"]
        before, after = None, None
        if window["kind"] in self._sight.looks_back:
            window = self._sight.slim(window)
            past = self._past.setdefault(device_id, {})
            known = past.get(start)
            if known is not None and known["readings"] > window["readings"]:
                return
            past[start] = window
            starts = sorted(past)
            place = bisect_left(starts, start)
            before = past[starts[place - 1]] if place and starts[place - 1] >= start - PAST_MS else None
            after = past[starts[place + 1]] if place + 1 < len(starts) else None
        self._put(window, before)
        if after is not None and start >= after["start"] - PAST_MS:
            self._put(after, window)

    def _put(self, window: Window, before: Window | None) -> None:
        bounds = self._calendar.span(self._sight.span_level, window["start"])
        if self._is_closed(bounds.end):
            return
        span = self._spans.get(bounds.start)
        if span is None:
            span = self._spans[bounds.start] = _Span(bounds.end)
        device_id = window["device_id"]
        device = span.devices.get(device_id)
        if device is None:
            device = span.devices[device_id] = _Device(window["kind"])
        known = device.windows.get(window["start"])
        if known is not None and known.readings > window["readings"]:
            return  # the echo of a task that was started anew
        measured = self._sight.measured(window, before)
        if measured == known and device.zone == window["zone"]:
            return
        device.windows[window["start"]] = measured
        span.changed.add(device_id)
        span.zones.update({device.zone, window["zone"]} - {""})
        device.zone = window["zone"]

    def _is_closed(self, end: int) -> bool:
        return end + self._stream.lateness_ms <= self._position.clock_ms

    # Turns

    def _turn(self, record: Record, out: Output) -> None:
        clock_ms = record.timestamp_ms
        quarter = 15 * MINUTE_MS
        is_new_quarter = clock_ms // quarter != self._position.clock_ms // quarter
        self._position = Position(record.offset + 1, clock_ms)
        shares: list[Share] = []
        for start in sorted(self._spans):
            span = self._spans[start]
            if span.changed and span.end <= clock_ms:
                shares += self._shares(start, span)
                self._details(start, span, record, out)
                span.changed.clear()
                span.zones.clear()
        if shares or is_new_quarter:
            out.records.append(self._record(shares, clock_ms))
        for start in [start for start, span in self._spans.items() if self._is_closed(span.end)]:
            del self._spans[start]
        if is_new_quarter:
            self._forget(clock_ms)

    def _record(self, shares: list[Share], clock_ms: int) -> OutRecord:
        level = self._sight.level
        value = encode({"level": level, "part": self._place.number, "of": self._place.of, "clock": clock_ms, "shares": shares})
        return OutRecord(topics.city_part(self._stream.name), level.encode(), value, (), clock_ms, 0)

    def _shares(self, start: int, span: _Span) -> list[Share]:
        """Of the zones that changed, whole: summed in the order of the devices' names."""
        readings: dict[str, int] = dict.fromkeys(sorted(span.zones), 0)
        values: dict[str, dict[str, list[float]]] = {zone: {} for zone in readings}
        for device_id in sorted(span.devices):
            device = span.devices[device_id]
            if device.zone not in readings:
                continue
            own = values[device.zone]
            for _, measured in sorted(device.windows.items()):
                readings[device.zone] += measured.readings
                for amount, value in zip(self._sight.amounts[device.kind], measured.values, strict=True):
                    if value is not None:
                        own.setdefault(amount.name, []).append(value)
        return [
            {
                "zone": zone,
                "start": start,
                "end": span.end,
                "readings": readings[zone],
                "sums": {name: sum_of(many) for name, many in values[zone].items()},
            }
            for zone in readings
        ]

    def _details(self, start: int, span: _Span, record: Record, out: Output) -> None:
        for device_id in sorted(span.changed):
            device = span.devices[device_id]
            rows = self._sight.details[device.kind]
            fields: dict[str, float] = {}
            for row, place in rows:
                values = [each.values[place] for each in device.windows.values()]
                known = [value for value in values if value is not None]
                if known:
                    fields[row.name] = sum_of(known)[1]
            if fields:
                line = detail_line(self._stream.name, device.kind, device_id, self._sight.span_level, start, fields)
                out.points.append(Point(AGGREGATES, line, record))
                if device.kind in self._stream.served and self._sight.span_level == QUARTER:
                    event = encode_event(Sample(device_id, start, span.end, fields))
                    out.records.append(OutRecord(EVENT, device_id.encode(), event, (), record.timestamp_ms, 0))

    def _forget(self, clock_ms: int) -> None:
        """Windows of devices before those of open spans; the newest stays as long as it may be asked for."""
        oldest = min(self._spans, default=clock_ms)
        for device_id, past in list(self._past.items()):
            old = sorted(start for start in past if start < oldest)
            for start in old[:-1] if old and old[-1] >= oldest - PAST_MS else old:
                del past[start]
            if not past:
                del self._past[device_id]
