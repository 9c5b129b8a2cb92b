"""What all partitions have told of one stream, by level, start and zone; and the indicators that follow from it."""

from collections.abc import Iterable

from processors.city.measured import QUARTER_MS, is_taken
from processors.city.pools import in_time, side_by_side
from processors.city.spans import Days, event_start, memory_ms, pool_of
from processors.windows.calendar import Calendar
from schemas.aggregate import DAY, MINUTE, QUARTER
from schemas.indicator import DISTRICT, Amount, Indicator, Pool, Span
from schemas.instants import HOUR_MS
from schemas.kind import Stream
from schemas.share import Share, Sum

Place = tuple[str, int]  # level and start


class _Told:
    """The latest share of one partition."""

    __slots__ = ("clock_ms", "readings", "sums")

    def __init__(self, share: Share, clock_ms: int) -> None:
        self.clock_ms, self.readings, self.sums = clock_ms, share["readings"], share["sums"]


class Board:
    """Kept for as long as an indicator looks back."""

    def __init__(self, stream: Stream, calendar: Calendar) -> None:
        self._stream, self._calendar = stream, calendar
        self._told: dict[Place, dict[str, dict[int, _Told]]] = {}
        self._pools: dict[tuple[Place, str, str], Pool] = {}
        self._amounts = {level: [amount for amount in stream.amounts if is_taken(amount, level)] for level in (MINUTE, QUARTER)}

    def put(self, level: str, part: int, share: Share, clock_ms: int) -> bool:
        """False for what is not newer than what is known."""
        place = level, share["start"]
        told = self._told.setdefault(place, {}).setdefault(share["zone"], {})
        known = told.get(part)
        if known is not None and known.clock_ms > clock_ms and known.readings > share["readings"]:
            return False
        told[part] = _Told(share, clock_ms)
        for amount in self._stream.amounts:
            self._pools.pop((place, share["zone"], amount.name), None)
            self._pools.pop((place, DISTRICT, amount.name), None)
        return True

    def zones(self, level: str, start: int, end: int) -> set[str]:
        """Those that have a share in a window."""
        found = set(self._told.get((level, start), ()))
        for quarter in range(start, end, QUARTER_MS):
            for base in (MINUTE, QUARTER):
                found.update(self._told.get((base, quarter), ()))
        return found

    def forget(self, before_ms: int) -> None:
        for place in [place for place in self._told if place[1] < before_ms]:
            del self._told[place]
        self._pools = {key: pool for key, pool in self._pools.items() if key[0] in self._told}

    def pool(self, level: str, zone: str, start: int, amount: Amount) -> Pool:
        """Of all partitions, and for the district of all zones."""
        place = level, start
        key = place, zone, amount.name
        found = self._pools.get(key)
        if found is None:
            by_zone = self._told.get(place, {})
            zones = sorted(by_zone) if zone == DISTRICT else [zone]
            sums: list[Sum] = []
            for each in zones:
                told = by_zone.get(each, {})
                sums += [told[part].sums[amount.name] for part in sorted(told) if amount.name in told[part].sums]
            found = self._pools[key] = side_by_side(sums)
        return found

    def quarter(self, zone: str, start: int, amount: Amount) -> Pool:
        return self.pool(amount.base, zone, start, amount)

    def day(self, zone: str, start: int) -> dict[str, Pool]:
        """What a day has added so far to the indicators of the year."""
        end = self._calendar.span(DAY, start).end
        yearly = dict.fromkeys(amount for row in self._stream.indicators if row.span is Span.YEAR for amount in row.amounts)
        found = {
            amount.name: in_time(self.quarter(zone, each, amount) for each in range(start, end, QUARTER_MS)) for amount in yearly
        }
        return {name: pool for name, pool in found.items() if pool.n}

    def indicators(self, zone: str, level: str, start: int, end: int, days: Days) -> dict[str, float]:
        """Those that have something to say at the end of a window. `days`: what the zone's days have added to the year."""
        event = self._stream.event
        since = event_start(event, zone, end, self.quarter) if event else None
        found: dict[str, float] = {}
        for row in self._stream.indicators:
            if level in row.windows:
                pools = [self._pool_of(row, amount, zone, level, start, end, since, days) for amount in row.amounts]
                value = row.value(pools, self._hours(row, start, end))
                if value is not None:
                    found[row.name] = value
        return found

    def _pool_of(
        self, row: Indicator, amount: Amount, zone: str, level: str, start: int, end: int, since: int | None, days: Days
    ) -> Pool:
        if not amount.base:
            return self.pool(level, zone, start, amount)
        return pool_of(row, amount, zone, (start, end), since, self.quarter, days, self._calendar)

    @staticmethod
    def _hours(row: Indicator, start: int, end: int) -> float:
        return row.hours if row.span is Span.ROLLING else (end - start) / HOUR_MS

    @property
    def memory_ms(self) -> int:
        return memory_ms(self._stream)


def touched(level: str, start: int, calendar: Calendar) -> Iterable[tuple[str, int, int]]:
    """The windows that a share of that level and start is a part of, with their ends."""
    levels = ("15m", "1h", "1d") if level in {MINUTE, QUARTER} else (level,)
    for each in levels:
        span = calendar.span(each, start)
        yield each, span.start, span.end
