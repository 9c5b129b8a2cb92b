"""Which quarters an indicator speaks of at the end of a window, and what their amounts come to."""

from collections.abc import Callable, Iterator, Mapping

from processors.city.measured import QUARTER_MS
from processors.city.pools import in_time
from processors.windows.calendar import Calendar
from schemas.aggregate import DAY
from schemas.indicator import Amount, Event, Indicator, Pool, Span
from schemas.instants import DAY_MS, HOUR_MS
from schemas.kind import Stream

EVENT_DAYS = 5  # no event is followed back further
NO_EVENT_MS = HOUR_MS
Quarters = Callable[[str, int, Amount], Pool]  # zone and start of a quarter
Days = Mapping[int, Mapping[str, Pool]]  # of one zone, by start of the day


def memory_ms(stream: Stream) -> int:
    """How far back quarters are needed: a day in any case, which may be an hour longer than most."""
    spans = [DAY_MS + HOUR_MS]
    spans += [int(row.hours * HOUR_MS) for row in stream.indicators]
    if stream.event is not None:
        spans.append(EVENT_DAYS * DAY_MS)
    return max(spans) + DAY_MS + HOUR_MS  # a day's point may be written anew when it is over


def quarters(start: int, end: int) -> Iterator[int]:
    return iter(range(start - start % QUARTER_MS, end, QUARTER_MS))


def event_start(event: Event, zone: str, end: int, at: Quarters) -> int | None:
    """When the event began that goes on at `end`; None if none does. A quarter without word of it is a dry one."""
    gap_ms = event.gap_hours * HOUR_MS
    began, last = None, end
    for start in range(end - QUARTER_MS, end - EVENT_DAYS * DAY_MS - 1, -QUARTER_MS):
        if start + QUARTER_MS < last - gap_ms:
            return began
        pool = at(zone, start, event.amount)
        if pool.n and pool.means >= event.least:
            began = last = start
    return began


def pool_of(
    row: Indicator,
    amount: Amount,
    zone: str,
    window: tuple[int, int],
    since: int | None,
    at: Quarters,
    days: Days,
    calendar: Calendar,
) -> Pool:
    """Of an amount with a base. `window`: its start and end; `since`: the event's start."""
    start, end = window
    if row.span is Span.EVENT:
        if since is not None:
            return in_time(at(zone, each, amount) for each in quarters(since, end))
        # There is none. Nought is said only where somebody would have told of one, and is said, since a point
        # written again without a field keeps the field that it had
        told = in_time(at(zone, each, amount) for each in quarters(end - NO_EVENT_MS, end))
        return Pool(n=told.n, quarters=told.quarters)
    if row.span is Span.ROLLING:
        return in_time(at(zone, each, amount) for each in quarters(end - int(row.hours * HOUR_MS), end))
    if row.span is Span.WINDOW:
        return in_time(at(zone, each, amount) for each in quarters(start, end))
    today, year = calendar.span(DAY, end - 1).start, calendar.year(end - 1)
    before = [
        sums[amount.name]
        for day, sums in sorted(days.items())
        if day < today and calendar.year(day) == year and amount.name in sums
    ]
    return in_time([*before, *(at(zone, each, amount) for each in quarters(today, end))])
