"""Zones: the shares of all partitions added up, at every level."""

from collections.abc import Iterable, Sequence

from processors.store import refused
from processors.task import Output
from processors.windows.plan import Plan
from processors.windows.roster import Roster
from processors.windows.zones import Pool
from schemas import topics
from schemas.aggregate import LEVELS, Window, decode_part, encode, expected_readings
from schemas.dead import to_record
from schemas.kind import Stream
from schemas.ports import OutRecord, Position, Record
from schemas.reason import Reason

Key = tuple[str, str, str, int]  # level, zone, kind, start


class _Zone:
    """An open window of a zone: the latest share of each partition."""

    __slots__ = ("end", "offset", "shares")

    def __init__(self, end: int, offset: int) -> None:
        self.end, self.offset = end, offset
        self.shares: dict[int, Window] = {}


class ZoneTask:
    """The partition of `aggregate-part.<stream>`.

    A zone's window is first written when every partition has passed its end, so that it is never a piece of itself, and again
    with each share that changes. The task's clock is that of the slowest partition and level.
    """

    def __init__(self, stream: Stream, roster: Roster, position: Position) -> None:
        self._stream, self._roster = stream, roster
        self._plans = {kind.name: Plan(kind) for kind in stream.kinds}
        self._position = position
        self._clocks: dict[tuple[str, int], int] = {}  # of each level and partition
        self._told: dict[tuple[str, int], int] = {}  # offset of the record that last told it
        self._of = 0
        self._open: dict[Key, _Zone] = {}
        self._pending: set[Key] = set()  # changed, and not written since
        self._intervals: dict[tuple[str, str], list[int]] = {}
        self._version = -1

    def position(self) -> Position:
        """A successor must learn again how far each partition is, even if that one has fallen silent."""
        needed = [zone.offset for zone in self._open.values()]
        return Position(min([self._position.offset, *needed, *self._told.values()]), self._position.clock_ms)

    def warm(self, records: Sequence[Record]) -> None:
        """Nothing is remembered."""

    def feed(self, records: Sequence[Record]) -> Output:
        out = Output()
        for record in records:
            if record.key is None:
                continue
            try:
                self._take(record)
            except (ValueError, KeyError, TypeError) as error:
                out.records.append(to_record(refused(record, Reason.NOT_JSON, f"no shares: {error!r}")))
                out.counts["dead", self._stream.name, Reason.NOT_JSON.value] += 1
        if records:
            self._position = Position(records[-1].offset + 1, max(self._position.clock_ms, self._slowest(LEVELS)))
        self._write(out)
        for key in [key for key, zone in self._open.items() if self._is_closed(zone.end)]:
            del self._open[key]
        return out

    def _is_closed(self, end: int) -> bool:
        return end + self._stream.lateness_ms <= self._position.clock_ms

    def _slowest(self, levels: Iterable[str]) -> int:
        """What no partition is known to be behind of; at the start, where the task before left off."""
        told, since = self._clocks.get, self._position.clock_ms
        return min((told((level, part), since) for level in levels for part in range(self._of)), default=since)

    def _take(self, record: Record) -> None:
        part = decode_part(record.value or b"")
        level, number = part["window"], part["part"]
        heard_ms = self._clocks.get((level, number), 0)
        for window in part["windows"]:
            if self._is_closed(window["end"]) or window["end"] + self._stream.lateness_ms <= heard_ms:
                continue  # the echo of a task that was started anew
            key = level, window["zone"], window["kind"], window["start"]
            zone = self._open.get(key)
            if zone is None:
                zone = self._open[key] = _Zone(window["end"], record.offset)
            known = zone.shares.get(number)
            if known is None or window["readings"] >= known["readings"]:
                zone.shares[number] = window
                self._pending.add(key)
        self._of = max(self._of, part["of"])
        if part["clock"] >= heard_ms:
            self._clocks[level, number], self._told[level, number] = part["clock"], record.offset

    def _write(self, out: Output) -> None:
        reached = {level: self._slowest([level]) for level in LEVELS}
        ready = sorted(key for key in self._pending if key in self._open and self._open[key].end <= reached[key[0]])
        for level in LEVELS:
            windows = [self._window(key) for key in ready if key[0] == level]
            if windows:
                value = encode(level, windows)
                out.records.append(OutRecord(topics.zone(self._stream.name), level.encode(), value, (), reached[level], 0))
                out.counts["zone_windows", self._stream.name, level] += len(windows)
        self._pending.difference_update(ready)

    def _window(self, key: Key) -> Window:
        zone = self._open[key]
        shares = [zone.shares[number] for number in sorted(zone.shares)]
        pool = Pool(self._plans[key[2]], shares[0])
        for share in shares:
            pool.add(share)
        whole = pool.window()
        whole["expected"] = self._expected(whole)
        return whole

    def _expected(self, window: Window) -> int:
        """Counts also the devices that are silent."""
        if self._plans[window["kind"]].event:
            return 0
        if self._version != self._roster.version:
            self._version = self._roster.version
            self._intervals = {}
            for post in self._roster.posts():
                if post.stream == self._stream.name:
                    self._intervals.setdefault((post.zone, post.kind), []).append(post.interval_ms)
        intervals = self._intervals.get((window["zone"], window["kind"]), ())
        return sum(expected_readings(window["start"], window["end"], interval) for interval in intervals)
