"""Minutes: from the readings of one partition. The only level that knows readings, lateness and the registry."""

import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from processors.store import refused
from processors.task import Output
from processors.windows.keeper import Keeper, Place
from processors.windows.plan import Plan
from processors.windows.track import Track
from schemas import codec, topics
from schemas.aggregate import MINUTE, Window, encode_late
from schemas.dead import to_record
from schemas.device import Registry
from schemas.instants import MINUTE_MS
from schemas.kind import Stream
from schemas.ports import OutRecord, Position, Record
from schemas.reason import Reason

_UNREADABLE = (ValueError, KeyError, TypeError, struct.error)


class MinuteTask(Keeper[Track]):
    """One partition of `reading.<stream>`."""

    def __init__(self, stream: Stream, registry: Registry, place: Place, position: Position) -> None:
        self._plans = {kind.name: Plan(kind) for kind in stream.kinds}
        super().__init__(MINUTE, stream, place, position, self._plans.__getitem__)
        self._registry = registry
        self._tracks: dict[str, dict[str, Track]] = {kind.name: {} for kind in stream.kinds}
        self._late: dict[tuple[str, str], set[int]] = {}  # kind and device -> starts of the windows that miss a reading

    def warm(self, records: Sequence[Record]) -> None:
        """Readings of windows long closed: what they say of the time before an open one is all that counts."""
        progress = self._progress
        for record in records:
            if record.timestamp_ms >= progress.next_turn_ms:
                progress.hear(record.timestamp_ms)
            if record.key is not None:
                with suppress(*_UNREADABLE):
                    body = codec.loads(record.value or b"")
                    plan = self._plans[body["kind"]]
                    if plan.remembered and self._is_in_time(body):
                        row = plan.pack(body["ts"], body["values"], body["flags"])
                        self._track(plan, body["device_id"]).insert(body["ts"], row)

    def _end(self, start: int) -> int:
        return start + MINUTE_MS

    def _window(self, subject: Track, start: int) -> Window | None:
        if subject.version != self._registry.version:
            self._describe(subject)
        return subject.window(start, start + MINUTE_MS)

    def _subjects(self) -> Sequence[Track]:
        return [track for tracks in self._tracks.values() for track in tracks.values()]

    def _tidy(self, subject: Track) -> None:
        subject.trim(self._progress.clock_ms - self._lateness_ms - MINUTE_MS)  # no window that begins earlier is open
        if not subject.rows:
            del self._tracks[subject.plan.kind][subject.device_id]

    def _track(self, plan: Plan, device_id: str) -> Track:
        tracks = self._tracks[plan.kind]
        track = tracks.get(device_id)
        if track is None:
            track = tracks[device_id] = Track(plan, device_id)
            self._describe(track)
        return track

    def _describe(self, track: Track) -> None:
        """A device that has left the registry in the meantime is in no zone."""
        before, device = track.zone, self._registry.get(track.device_id)
        if device is not None and device.kind == track.plan.kind:
            track.describe(self._registry.version, device.zone, device.interval_s * 1_000)
        else:
            track.describe(self._registry.version, "", self._stream.by_name[track.plan.kind].interval_s * 1_000)
        if track.zone != before:
            self._shares.forget_all()

    def _take(self, record: Record, out: Output) -> None:
        try:
            body = codec.loads(record.value or b"")
            plan = self._plans[body["kind"]]
            row = plan.pack(body["ts"], body["values"], body["flags"])
            self._place_row(plan, row, body, record.offset, out)
        except _UNREADABLE as error:  # not written by validate; never let it hold up the rest
            out.records.append(to_record(refused(record, Reason.NOT_JSON, f"not a reading: {error!r}")))
            out.counts["dead", self._stream.name, Reason.NOT_JSON.value] += 1

    def _place_row(self, plan: Plan, row: bytes, body: dict[str, Any], offset: int, out: Output) -> None:
        ts: int = body["ts"]
        device_id: str = body["device_id"]
        start = ts - ts % MINUTE_MS
        track = self._tracks[plan.kind].get(device_id) or self._track(plan, device_id)
        end, clock_ms = start + MINUTE_MS, self._progress.clock_ms
        if ts > track.last_ts and end > clock_ms and body["received_at"] - ts <= self._lateness_ms and track.seen is None:
            track.rows += row  # as nearly all are: in order, in time, and before its window is over
            track.last_ts = ts
            if start != track.last_start:
                track.last_start = start
                self._opened(start, end, track, offset)
        elif not self._is_in_time(body):
            self._miss(track, start, out)
        elif end + self._lateness_ms <= clock_ms:  # was in time, in a window that is closed by now
            if plan.remembered:
                track.insert(ts, row)
        elif track.repeats(ts, start, body.get("event_id", "")):
            out.counts["repeated", self._stream.name, ""] += 1
        else:
            self._amend(track, ts, row, start, offset)

    def _amend(self, track: Track, ts: int, row: bytes, start: int, offset: int) -> None:
        """Puts a row between others, or into a window that is over."""
        end = start + MINUTE_MS
        begins = not track.has(start, end)
        touched = {start}
        if track.plan.remembered:
            touched.update(track.starts_after(ts, ts + track.silence_ms, MINUTE_MS))
        for each in sorted(touched):
            if each + MINUTE_MS <= self._progress.clock_ms:
                self._will_change(track, each)
        track.insert(ts, row)
        if begins:
            track.last_start = max(track.last_start, start)
            self._opened(start, end, track, offset)

    def _is_in_time(self, body: dict[str, Any]) -> bool:
        """By its own stamps, and by the partition's clock when it came, since the clocks of collectors differ."""
        ts: int = body["ts"]
        lateness_ms = self._lateness_ms
        closes = ts - ts % MINUTE_MS + MINUTE_MS + lateness_ms
        return bool(body["received_at"] - ts <= lateness_ms and closes > self._progress.heard_ms)

    def _miss(self, track: Track, start: int, out: Output) -> None:
        """A late reading: its window is done without it, and named for whoever will compute it again."""
        if not self._progress.muted:
            out.counts["late", self._stream.name, ""] += 1
            self._late.setdefault((track.plan.kind, track.device_id), set()).add(start)

    def _turn(self, record: Record, out: Output) -> None:
        super()._turn(record, out)
        for (kind, device_id), starts in self._late.items():
            value = encode_late(self._stream.name, kind, device_id, sorted(starts))
            out.records.append(OutRecord(topics.LATE, device_id.encode(), value, (), self._progress.clock_ms))
        self._late.clear()
