"""Second half of the city's state: the shares of all partitions -> indicators of zones and of the district."""

from collections.abc import Iterable, Sequence

from processors.city.board import Board, touched
from processors.city.lines import indicator_line
from processors.city.measured import levels_of
from processors.store import refused
from processors.task import Output, Point
from processors.windows.calendar import Calendar
from schemas import topics
from schemas.aggregate import DAY, MINUTE, QUARTER
from schemas.dead import to_record
from schemas.fields import AGGREGATES
from schemas.indicator import DISTRICT, Pool, Span
from schemas.kind import Stream
from schemas.ports import OutRecord, Position, Record
from schemas.reason import Reason
from schemas.share import Shares, decode, decode_day, encode_day

Key = tuple[str, int, int]  # level, start and end of a window


class _Changes:
    """What a batch has changed: zones by window, and for each zone the earliest start of a quarter."""

    __slots__ = ("since", "windows")

    def __init__(self) -> None:
        self.windows: dict[Key, set[str]] = {}
        self.since: dict[str, int] = {}


class CityTask:
    """The partition of `city-part.<stream>`. `days`: what `city-day.<stream>` held when it was started.

    A point is first written when all levels of all partitions have passed the end of its window, and again with every share
    that changes what it is made of. What an indicator looks back upon comes back by the warm-up; of the year, by the table.
    """

    def __init__(
        self, stream: Stream, calendar: Calendar, position: Position, days: Iterable[tuple[bytes, bytes | None]] = ()
    ) -> None:
        self._stream, self._calendar, self._position = stream, calendar, position
        self._began = position
        self._board = Board(stream, calendar)
        self._levels = levels_of(stream)
        self._clocks: dict[tuple[str, int], int] = {}  # of each level and partition
        self._of = 0
        self._windows: set[Key] = set()  # known, and not forgotten yet
        self._is_yearly = any(row.span is Span.YEAR for row in stream.indicators)
        self._looks_back = any(row.span is not Span.WINDOW for row in stream.indicators)
        self._days: dict[str, dict[int, dict[str, Pool]]] = {}  # by zone and start of the day
        for key, value in days:
            zone, _, start = key.decode().rpartition("/")
            if value is not None:
                of_zone = self._days.setdefault(zone, {})
                of_zone[int(start)] = {name: Pool(*_numbers(sums)) for name, sums in decode_day(value).items()}

    def position(self) -> Position:
        """Not beyond where it began as long as the clock is unknown: without it there is no warm-up."""
        return self._position if self._position.clock_ms else self._began

    def warm(self, records: Sequence[Record]) -> None:
        unheard = Output()
        for record in records:
            self._take(record, _Changes(), unheard)

    def feed(self, records: Sequence[Record]) -> Output:
        out = Output()
        changes = _Changes()
        for record in records:
            self._take(record, changes, out)
        if records:
            before, reached = self._position.clock_ms, max(self._position.clock_ms, self._slowest())
            self._position = Position(records[-1].offset + 1, reached)
            for key, zones in sorted(self._due(changes, before, reached).items(), key=_in_time):
                self._write(key, zones, records[-1], out)
            self._forget(reached)
        return out

    def _slowest(self) -> int:
        """What no level of no partition is known to be behind of; at the start, where the task before left off."""
        told, since = self._clocks.get, self._position.clock_ms
        return min((told((level, part), since) for level in self._levels for part in range(self._of)), default=since)

    def _take(self, record: Record, changes: "_Changes", out: Output) -> None:
        try:
            self._take_shares(decode(record.value or b""), changes)
        except (ValueError, KeyError, TypeError) as error:
            letter = refused(record, Reason.NOT_JSON, f"no shares: {error!r}")._replace(stage="city")
            out.records.append(to_record(letter))
            out.counts["dead", self._stream.name, Reason.NOT_JSON.value] += 1

    def _take_shares(self, body: Shares, changes: "_Changes") -> None:
        level, part, clock_ms = body["level"], body["part"], body["clock"]
        for share in body["shares"]:
            if not self._board.put(level, part, share, clock_ms):
                continue
            zone, start = share["zone"], share["start"]
            for key in touched(level, start, self._calendar):
                self._windows.add(key)
                changes.windows.setdefault(key, set()).add(zone)
            if level in {MINUTE, QUARTER}:
                changes.since[zone] = min(start, changes.since.get(zone, start))
        self._of = max(self._of, body["of"])
        self._clocks[level, part] = max(clock_ms, self._clocks.get((level, part), 0))

    def _due(self, changes: "_Changes", before: int, reached: int) -> dict[Key, set[str]]:
        """Windows to be written, with their zones: those that are over by now, and those that were and have changed."""
        due = {key: self._board.zones(*key) for key in self._windows if before < key[2] <= reached}
        for key, zones in changes.windows.items():
            if key[2] <= reached:
                due.setdefault(key, set()).update(zones)
        if self._looks_back and changes.since:  # windows of later look back on what has changed
            since = min(changes.since.values())
            for key in self._windows:
                if since < key[2] <= reached:
                    later = {zone for zone, start in changes.since.items() if start < key[2]}
                    due.setdefault(key, set()).update(later & self._board.zones(*key))
        return due

    def _write(self, key: Key, zones: set[str], record: Record, out: Output) -> None:
        level, start, end = key
        for zone in (*sorted(zones), DISTRICT):
            if level == DAY and self._is_yearly:
                self._keep_day(zone, start, out)
            fields = self._board.indicators(zone, level, start, end, self._days.get(zone, {}))
            if fields:
                out.points.append(Point(AGGREGATES, indicator_line(self._stream.name, zone, level, start, fields), record))
                out.counts["indicators", self._stream.name, level] += len(fields)

    def _keep_day(self, zone: str, start: int, out: Output) -> None:
        sums = self._board.day(zone, start)
        of_zone = self._days.setdefault(zone, {})
        if sums and sums != of_zone.get(start):
            of_zone[start] = sums
            value = encode_day({name: list(pool) for name, pool in sums.items()})
            out.records.append(OutRecord(topics.city_day(self._stream.name), f"{zone}/{start}".encode(), value, (), 0, 0))

    def _forget(self, reached: int) -> None:
        oldest = reached - self._board.memory_ms
        self._windows = {key for key in self._windows if key[2] > oldest}
        self._board.forget(oldest)


def _numbers(sums: Sequence[float]) -> tuple[int, float, float, float, float, int]:
    n, total, low, high, means, quarters = sums
    return int(n), total, low, high, means, int(quarters)


def _in_time(item: tuple[Key, set[str]]) -> tuple[int, bool, str]:
    """By their ends; of those that end together the day first, since what follows counts it among the year's."""
    (level, _, end), _ = item
    return end, level != DAY, level
