"""What is kept of a device: its readings of the last minutes, as one buffer of rows in order of time.

It holds the readings of all windows that may still change, and those before them that a window must know of.
"""

from functools import lru_cache
from struct import Struct

from processors.windows.measure import NOTHING, Before, measure
from processors.windows.plan import Plan
from schemas.aggregate import Window, silence_ms

_first = Struct("<d").unpack_from
_silence_ms = lru_cache(silence_ms)  # one number for all that have the same


def time_of(rows: bytes | bytearray, at: int) -> int:
    return int(abs(_first(rows, at)[0]))


class Track:
    __slots__ = (
        "device_id",
        "interval_ms",
        "last_quarter",
        "last_start",
        "last_ts",
        "plan",
        "rows",
        "seen",
        "silence_ms",
        "version",
        "zone",
    )

    def __init__(self, plan: Plan, device_id: str) -> None:
        self.plan = plan
        self.device_id = device_id
        self.rows = bytearray()
        self.last_ts = -1  # of the last row; the task that appends keeps it
        self.last_start = self.last_quarter = -1  # of the newest minute and quarter that have a row
        self.seen: set[tuple[int, str]] | None = set() if plan.event else None  # windows and ids of events
        self.version = -1  # of the registry, when the following were looked up
        self.zone = ""
        self.interval_ms = 1
        self.silence_ms = 1

    def describe(self, version: int, zone: str, interval_ms: int) -> None:
        self.version, self.zone, self.interval_ms, self.silence_ms = version, zone, interval_ms, _silence_ms(interval_ms)

    def place(self, ts: float) -> int:
        """Where in the buffer the first row stands that is not older than `ts`."""
        rows, size = self.rows, self.plan.row.size
        low, high = 0, len(rows) // size
        while low < high:
            middle = (low + high) // 2
            if time_of(rows, middle * size) < ts:
                low = middle + 1
            else:
                high = middle
        return low * size

    def repeats(self, ts: int, start: int, event_id: str) -> bool:
        """Whether a reading of that identity is in its window already. Not to be asked twice of an event."""
        if self.seen is None:
            return ts <= self.last_ts and (at := self.place(ts)) < len(self.rows) and time_of(self.rows, at) == ts
        if (start, event_id) in self.seen:
            return True
        self.seen.add((start, event_id))
        return False

    def insert(self, ts: int, row: bytes) -> None:
        """In its place, unless there is a reading of that time. Events may share a time: their rows stand in a fixed order."""
        size = len(row)
        at = self.place(ts)
        while at < len(self.rows) and time_of(self.rows, at) == ts:
            if not self.plan.event:
                return
            if self.rows[at : at + size] >= row:
                break
            at += size
        self.rows[at:at] = row
        self.last_ts = max(self.last_ts, ts)

    def has(self, start: int, end: int) -> bool:
        at = self.place(start)
        return at < len(self.rows) and time_of(self.rows, at) < end

    def starts_after(self, ts: int, until: int, length: int) -> list[int]:
        """The windows of that length that have a row after `ts`, as far as those that begin at `until`."""
        times = memoryview(self.rows)[self.place(ts + 1) :].cast("d")[:: self.plan.width].tolist()
        return [number * length for number in sorted({int(abs(when)) // length for when in times}) if number * length <= until]

    def trim(self, oldest: int) -> None:
        """Forgets what is older than the windows that may change, and older than these must know of."""
        if self.plan.remembered:
            oldest -= self.silence_ms
        if self.rows and abs(_first(self.rows)[0]) < oldest:
            del self.rows[: self.place(oldest)]
            if self.seen:
                self.seen = {key for key in self.seen if key[0] >= oldest}

    def window(self, start: int, end: int) -> Window | None:
        """The window as it is now; None without a reading in it."""
        rows, plan, interval_ms = self.rows, self.plan, self.interval_ms
        size = plan.row.size
        expected = (end - 1) // interval_ms - (start - 1) // interval_ms  # `expected_readings`, for which this is too hot
        stop = len(rows) if self.last_ts < end else self.place(end)
        at = stop - expected * size  # as nearly all have what is expected, and all else is to be looked for
        if at == stop or at < 0 or abs(_first(rows, at)[0]) < start or (at and abs(_first(rows, at - size)[0]) >= start):
            at = self.place(start)
            if at >= stop:
                return None
        count = (stop - at) // size
        found = (plan.row if count == 1 else plan.several(count)).unpack_from(rows, at)
        times = found[:: plan.width]
        suspect = 0 if min(times) > 0 else sum([ts < 0 for ts in times])
        moments = [abs(ts) for ts in times] if suspect else times
        before = self._before(at, start) if at and plan.remembered else NOTHING
        return {
            "kind": plan.kind,
            "device_id": self.device_id,
            "zone": self.zone,
            "start": start,
            "end": end,
            "readings": count,
            "suspect": suspect,
            "expected": 0 if plan.event else expected,
            "devices": 1,
            "interval_ms": interval_ms,
            "metrics": measure(plan, moments, found, before, (start, end), self.silence_ms),
        }

    def _before(self, at: int, start: int) -> Before:
        """Of each metric that needs it, the last good value before, unless it is too old to matter."""
        row, wanted = self.plan.row, self.plan.remembered
        oldest = start - self.silence_ms
        found: dict[int, tuple[float, float]] = {}
        while at and len(found) < len(wanted):
            at -= row.size
            values = row.unpack_from(self.rows, at)
            if (when := abs(values[0])) < oldest:
                break
            for place in wanted:
                if (value := values[place]) == value and place not in found:
                    found[place] = (when, value)
        return found
