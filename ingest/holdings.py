"""The slots served here: opened when the group gives them, left when it takes them, emptied when they are no more."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import structlog

from ingest.counts import Counts
from ingest.lane import Lane, Patience
from ingest.membership import Filters, Membership
from ingest.pace import Pace
from ingest.placing import Placer
from ingest.session import Sessions
from ingest.slots import Slot, forget, remember
from schemas.ports import OutRecord, RecordSink, RecordSource, RetryLater

log = structlog.get_logger()


class Holdings:
    """One lane a slot. Exactly one connection bears a slot's client id: it is closed before the partition is given up."""

    def __init__(
        self,
        source: RecordSource,
        sink: RecordSink,
        sessions: Sessions,
        slots: Sequence[Slot],
        placer: Placer,
        *,
        retired: Sequence[str],
        monotonic_ms: Callable[[], int],
        pace: Pace,
    ) -> None:
        self.counts: dict[str, Counts] = {}
        self.patience = Patience()
        self._sink, self._sessions, self._placer, self._pace = sink, sessions, placer, pace
        self._slots = {slot.number: slot for slot in slots}
        self._names = {slot.name for slot in slots}
        self._retired = frozenset(retired) - self._names
        self._lanes: dict[str, Lane] = {}
        self._unwritten: dict[str, OutRecord] = {}  # memories to be written once the subscription is confirmed
        self._opened: set[int] = set()
        self._membership = Membership(source, self.leave, recall_ms=pace.recall_ms, monotonic_ms=monotonic_ms)

    def __iter__(self) -> Iterator[Lane]:
        return iter(tuple(self._lanes.values()))

    def follow(self) -> None:
        """Does what the group decided. To be called often, or the group takes us for dead."""
        try:
            self._membership.poll()
        except RetryLater as later:
            log.info("group_wait", why=later.why)
        for number, memory in self._membership.memories.items():
            if number not in self._opened:
                try:
                    self._open(number, memory)
                except RetryLater as later:
                    log.info("slot_wait", partition=number, why=later.why)
        for lane in self:
            if lane.session.ready:
                self._write_memory(lane.slot.name)
                self._retire(lane)

    def leave(self, numbers: Sequence[int], in_order: bool) -> None:
        """Disconnects these slots. In order: what is on its way is waited for, in bounded time, and acknowledged."""
        leaving = [lane for lane in self if lane.slot.number in numbers]
        self._opened -= set(numbers)
        if in_order and any(lane.in_flight for lane in leaving):
            try:
                self._sink.flush(self._pace.flush_ms)
            except RetryLater as later:
                log.warning("left_unacknowledged", why=later.why, in_flight=sum(lane.in_flight for lane in leaving))
        for lane in leaving:
            del self._lanes[lane.slot.name]
            self._unwritten.pop(lane.slot.name, None)
            lane.close()

    def leave_all(self) -> None:
        self.leave([lane.slot.number for lane in self], in_order=True)

    def _open(self, number: int, memory: Mapping[str, Filters]) -> None:
        """Serves the partition's slot, and those it remembers that are to be retired."""
        slot = self._slots.get(number)
        if slot is not None:
            self._open_lane(slot, memory.get(slot.name, ()))
        for name in memory.keys() - self._names:
            if name in self._retired:
                self._open_lane(Slot(number, name, ()), memory[name])
            else:
                log.warning("slot_unknown", slot=name, advice="if it is no more, name it as retired and it will be emptied")
        self._opened.add(number)

    def _open_lane(self, slot: Slot, before: Filters) -> None:
        """First what the session will have been subscribed to is written down, so that no filter is ever forgotten."""
        if slot.name in self._lanes:
            return
        if set(slot.filters) - set(before):
            self._sink.send(remember(slot, {*before, *slot.filters}))
            self._sink.flush(self._pace.flush_ms)
        gone = sorted(set(before) - set(slot.filters))
        if gone:
            self._unwritten[slot.name] = remember(slot, slot.filters)
        session = self._sessions.open(slot.client_id, slot.filters, gone)
        counts = self.counts.setdefault(slot.name, Counts())
        self._lanes[slot.name] = Lane(
            slot, session, self._placer, self._sink, counts=counts, patience=self.patience, pace=self._pace
        )
        log.info("slot_opened", slot=slot.name, filters=slot.filters, unsubscribe=gone)

    def _write_memory(self, name: str) -> None:
        """The old filters are gone. Should this record be lost, they are unsubscribed once more."""
        if (record := self._unwritten.get(name)) is not None and self._send(record):
            del self._unwritten[name]

    def _retire(self, lane: Lane) -> None:
        """Unsubscribed, empty and silent: nothing can come into the session any more."""
        if lane.slot.name not in self._retired or lane.quiet_ms < self._pace.drained_ms:
            return
        del self._lanes[lane.slot.name]
        lane.close()
        if self._sessions.erase(lane.slot.client_id) and self._send(forget(lane.slot)):
            log.info("slot_retired", slot=lane.slot.name)
        else:
            self._opened.discard(lane.slot.number)  # once more, from the start

    def _send(self, record: OutRecord) -> bool:
        try:
            self._sink.send(record)
        except RetryLater:
            return False
        return True
