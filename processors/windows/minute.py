"""Minutes and quarters: from the readings of one partition. The only task that knows readings, lateness and the registry."""

import struct
from collections.abc import Iterable, Sequence

from processors.store import refused
from processors.task import Output
from processors.windows.book import Book, Place
from processors.windows.journal import Journal, Page, mark, remembered
from processors.windows.plan import Plan
from processors.windows.progress import next_second
from processors.windows.roster import Roster
from processors.windows.sweep import Sweep
from processors.windows.track import Track
from schemas import topics
from schemas.aggregate import MINUTE, QUARTER, Window, encode_late
from schemas.dead import to_record
from schemas.instants import MINUTE_MS
from schemas.kind import Stream
from schemas.numbers import Forms, NotReading
from schemas.ports import OutRecord, Position, Record
from schemas.reason import Reason

QUARTER_MS = 15 * MINUTE_MS
_UNREADABLE = (NotReading, ValueError, KeyError, TypeError, struct.error)


class _Keep:
    """All of one kind."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tracks: dict[str, Track] = {}
        self.journal = Journal(plan)


class MinuteTask:
    """One partition of `reading.<stream>`. `journal`: what it and its predecessors wrote to that of `aggregate-rows.<stream>`.

    A quarter is measured from its readings like a minute; from its minutes it would be the same, at several times the memory.
    """

    def __init__(self, stream: Stream, roster: Roster, place: Place, position: Position, journal: Iterable[Record] = ()) -> None:
        self._stream, self._roster, self._place = stream, roster, place
        self._lateness_ms, self._rows_topic = stream.lateness_ms, topics.rows(stream.name)
        plans = {kind.name: Plan(kind) for kind in stream.kinds}
        self._keeps = {name: _Keep(plan) for name, plan in plans.items()}
        forms = Forms(stream)
        self._read_numbers = forms.read
        self._keeps_of = {form: self._keeps[name] for form, name in forms.kinds.items()}
        self._clock_ms, self._turn_offset = position.clock_ms, position.offset
        self._next_turn_ms = next_second(position.clock_ms) if position.clock_ms else 0
        self._minutes = Book(MINUTE, stream, place, plans.__getitem__, self._minute, position.clock_ms)
        self._quarters = Book(QUARTER, stream, place, plans.__getitem__, self._quarter, position.clock_ms)
        self._books = ((self._minutes, MINUTE_MS), (self._quarters, QUARTER_MS))
        self._oldest_ms = 0  # rows before it are no longer part of an open window
        self._sealed_ms = -1  # windows that begin before it are not known whole, and left alone
        self._starts: dict[int, int] = {}  # of the newest minutes and quarters, as one object each
        self._late: dict[tuple[str, str], set[int]] = {}  # kind and device -> starts of the minutes that miss a reading
        self._sweep = Sweep(self._tracks, self._tidy)
        self._remember(remembered(journal, plans, position.clock_ms) if position.clock_ms else ())

    def position(self) -> Position:
        return Position(self._turn_offset, self._clock_ms)

    def warm(self, records: Sequence[Record]) -> None:
        """The journal is the memory."""

    def feed(self, records: Sequence[Record]) -> Output:
        out = Output()
        take = self._take
        for record in records:
            _, _, _, key, _, _, timestamp_ms = record
            if timestamp_ms >= self._next_turn_ms:
                self._turn(record, out)
            if key is not None:
                take(record, out)
        return out

    # Starting

    def _remember(self, pages: Iterable[Page | None]) -> None:
        whole = self._clock_ms == 0
        for page in pages:
            if page is None:
                whole = True
            else:
                self._read(page)
        if not whole:  # the journal was lost: better no window than a piece of one
            for keep in self._keeps.values():
                keep.tracks.clear()
            self._sealed_ms = self._clock_ms
        for track in self._tracks():
            for book, length in self._books:
                for start in track.starts_after(self._clock_ms - self._lateness_ms - length, track.last_ts, length):
                    if not book.is_closed(start + length):
                        book.open(start, start + length, track)
            track.last_start = track.last_ts - track.last_ts % MINUTE_MS
            track.last_quarter = track.last_ts - track.last_ts % QUARTER_MS

    def _read(self, page: Page) -> None:
        """Millions of rows where ten thousand readings come each second."""
        keep = self._keeps[page.kind]
        found = keep.tracks.get
        for device_id, event_id, time, row in zip(page.device_ids, page.event_ids, page.times, page.rows, strict=True):
            track = found(device_id) or self._admit(keep, device_id)
            ts = int(time) if time > 0 else -int(time)
            if ts > track.last_ts and track.seen is None:
                track.rows += row
                track.last_ts = ts
            elif not track.repeats(ts, ts - ts % MINUTE_MS, event_id):
                track.insert(ts, row)

    # Readings

    def _take(self, record: Record, out: Output) -> None:
        try:
            body = self._read_numbers(record.value or b"")
            keep = self._keeps_of[type(body)]
            device_id, ts = body.device_id, body.ts
            row = keep.plan.pack_numbers(body)
            track = keep.tracks.get(device_id) or self._admit(keep, device_id)
            start = ts - ts % MINUTE_MS
            late = body.received_at - ts > self._lateness_ms or start < self._sealed_ms
            if ts > track.last_ts and start + MINUTE_MS > self._clock_ms and not late and track.seen is None:
                track.rows += row  # as nearly all are: in order, in time, and before its window is over
                track.last_ts = ts
                if start != track.last_start:
                    self._begin(track, start)
                keep.journal.rows += row
                keep.journal.device_ids.append(device_id)
            elif late or start + MINUTE_MS + self._lateness_ms <= self._clock_ms:
                self._miss(track, start, out)
            elif track.repeats(ts, start, body.event_id or ""):
                out.counts["repeated", self._stream.name, ""] += 1
            else:
                self._amend(track, ts, row)
                keep.journal.add(device_id, body.event_id, row)
        except _UNREADABLE as error:  # not written by validate; never let it hold up the rest
            letter = refused(record, Reason.NOT_JSON, f"not a reading: {error!r}")._replace(stage="aggregate")
            out.records.append(to_record(letter))
            out.counts["dead", self._stream.name, Reason.NOT_JSON.value] += 1

    def _begin(self, track: Track, start: int) -> None:
        """Its first reading in a minute newer than all it has. Tracks share the numbers: of 100,000 each its own take 6 MB."""
        start = track.last_start = self._starts.setdefault(start, start)
        self._open(self._minutes, track, start, MINUTE_MS)
        quarter = start - start % QUARTER_MS
        if quarter != track.last_quarter:
            quarter = track.last_quarter = self._starts.setdefault(quarter, quarter)
            self._open(self._quarters, track, quarter, QUARTER_MS)

    def _amend(self, track: Track, ts: int, row: bytes) -> None:
        """Puts a row between others, or into a window that is over."""
        first_in = []
        for book, length in self._books:
            start = ts - ts % length
            touched = {start}
            if track.plan.remembered:
                touched.update(track.starts_after(ts, ts + track.silence_ms, length))
            for each in touched:
                if each >= self._sealed_ms:
                    book.will_change(track, each, each + length)
            if not track.has(start, start + length):
                first_in.append((book, start, length))
        track.insert(ts, row)
        for book, start, length in first_in:
            self._open(book, track, start, length)
        track.last_start = max(track.last_start, ts - ts % MINUTE_MS)
        track.last_quarter = max(track.last_quarter, ts - ts % QUARTER_MS)

    def _open(self, book: Book[Track], track: Track, start: int, length: int) -> None:
        if start >= self._sealed_ms:
            book.open(start, start + length, track)
        else:
            self._list(track, track.last_start)  # a quarter of which a part is not known

    def _miss(self, track: Track, start: int, out: Output) -> None:
        """A late reading: its window is done without it, and named for whoever will compute it again."""
        out.counts["late", self._stream.name, ""] += 1
        self._list(track, start)

    def _list(self, track: Track, start: int) -> None:
        self._late.setdefault((track.plan.kind, track.device_id), set()).add(start)

    # Turns

    def _turn(self, record: Record, out: Output) -> None:
        if not self._clock_ms and record.offset:  # begins in the midst of a log, where a predecessor left nothing
            self._sealed_ms = record.timestamp_ms
        minute = self._clock_ms // MINUTE_MS
        clock_ms = self._clock_ms = record.timestamp_ms
        self._next_turn_ms, self._turn_offset = next_second(clock_ms), record.offset
        topic = self._rows_topic
        for keep in self._keeps.values():
            if keep.journal.device_ids:
                out.records += keep.journal.records(topic, self._place.number, clock_ms)
        for book, _ in self._books:
            book.turn(clock_ms, out)
        self._oldest_ms = clock_ms - self._lateness_ms - QUARTER_MS
        if clock_ms // MINUTE_MS != minute:
            self._starts.clear()
            self._quarters.tick(out)
            self._minutes.tick(out)
        elif self._quarters.wrote:
            self._quarters.tick(out)
        for (kind, device_id), starts in self._late.items():
            value = encode_late(self._stream.name, kind, device_id, sorted(starts))
            out.records.append(OutRecord(topics.LATE, device_id.encode(), value, (), clock_ms))
        self._late.clear()
        out.records.append(mark(topic, self._place.number, clock_ms))
        self._sweep.turn()

    def _minute(self, track: Track, start: int) -> Window | None:
        track.trim(self._oldest_ms)
        if track.version != self._roster.version:
            self._describe(track)
        return track.window(start, start + MINUTE_MS)

    def _quarter(self, track: Track, start: int) -> Window | None:
        return track.window(start, start + QUARTER_MS)

    # Devices

    def _admit(self, keep: _Keep, device_id: str) -> Track:
        track = keep.tracks[device_id] = Track(keep.plan, device_id)
        self._describe(track)
        return track

    def _describe(self, track: Track) -> None:
        """A device that has left the registry in the meantime is in no zone."""
        post, before = self._roster.get(track.device_id), track.zone
        if post is not None and post.kind == track.plan.kind:
            track.describe(self._roster.version, post.zone, post.interval_ms)
        else:
            track.describe(self._roster.version, "", self._stream.by_name[track.plan.kind].interval_s * 1_000)
        if track.zone != before:
            for book, _ in self._books:
                book.zones_changed()

    def _tracks(self) -> Sequence[Track]:
        return [track for keep in self._keeps.values() for track in keep.tracks.values()]

    def _tidy(self, track: Track) -> None:
        track.trim(self._oldest_ms)
        if not track.rows:
            del self._keeps[track.plan.kind].tracks[track.device_id]
