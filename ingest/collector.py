"""MQTT -> Kafka: the loop of one collector process. It knows only ports.

One step: hear the group, tend the connections, take what has arrived and send it on, tick, let the sink report, acknowledge
what became safe, and rest until there is more. Whatever dies in between, the broker still has what was not acknowledged.
"""

from collections.abc import Callable, Mapping, Sequence

import structlog

from ingest.counts import Counts
from ingest.lane import Lane, Patience
from ingest.membership import Filters, Membership
from ingest.pace import DEFAULT_PACE, Pace
from ingest.placing import Placer
from ingest.session import Sessions
from ingest.slots import Slot, forget, remember
from ingest.ticks import Ticker
from schemas.ports import Clock, OutRecord, RecordSink, RecordSource, RetryLater

log = structlog.get_logger()


class Collector:
    """One process of the role. Not thread-safe: `step` is called by one thread, and calls everything else.

    name        what stands in the `collector` header of its records
    slots       all of the deployment's, of which the group gives this process some
    partitions  of each raw topic
    retired     names of slots that are no more, whose sessions are to be emptied and ended
    """

    def __init__(
        self,
        source: RecordSource,
        sink: RecordSink,
        sessions: Sessions,
        slots: Sequence[Slot],
        *,
        name: str,
        partitions: int,
        clock: Clock,
        monotonic_ms: Callable[[], int],
        retired: Sequence[str] = (),
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        self.counts: dict[str, Counts] = {}
        self._source, self._sink, self._sessions = source, sink, sessions
        self._slots = {slot.number: slot for slot in slots}
        self._names = {slot.name for slot in slots}
        self._retired = frozenset(retired) - self._names
        self._clock, self._monotonic_ms, self._pace = clock, monotonic_ms, pace
        self._placer = Placer([stream for slot in slots for stream in slot.streams], name)
        self._ticker = Ticker(partitions, name)
        self._lanes: dict[str, Lane] = {}
        self._unwritten: dict[str, OutRecord] = {}  # memories to be written once the subscription is confirmed
        self._opened: set[int] = set()
        self._patience = Patience()
        self._poll_at_ms = 0
        self._tick_at_ms = 0
        self._nap_ms = 1
        self._membership = Membership(source, self._leave, recall_ms=pace.recall_ms, monotonic_ms=monotonic_ms)

    @property
    def held(self) -> Sequence[str]:
        """The names of the slots that are served here."""
        return tuple(self._lanes)

    def run(self, stop: Callable[[], bool]) -> None:
        """Until `stop()`. Leaves in order: nothing in flight is lost, and the slots are free for others at once."""
        try:
            while not stop():
                self.step()
        finally:
            self.close()

    def close(self) -> None:
        self._leave([lane.slot.number for lane in self._lanes.values()], in_order=True)
        self._source.close()
        self._sink.close()

    def step(self) -> None:
        now_ms = self._monotonic_ms()
        if now_ms >= self._poll_at_ms:
            self._poll_at_ms = now_ms + self._pace.poll_ms
            self._hear_the_group()
        received_at_ms = self._clock.now_ms()
        taken = 0
        lanes = list(self._lanes.values())
        for lane in lanes:
            lane.tend(now_ms)
            taken += lane.take(received_at_ms)
        if now_ms >= self._tick_at_ms:
            self._tick_at_ms = now_ms + self._pace.tick_ms
            self._tick(lanes, now_ms, received_at_ms)
        in_flight = sum(lane.in_flight for lane in lanes)
        self._sink.serve()
        for lane in lanes:
            lane.settle()
        settled = in_flight - sum(lane.in_flight for lane in lanes)
        self._rest(lanes, taken, settled)

    # The group

    def _hear_the_group(self) -> None:
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
        for lane in list(self._lanes.values()):
            if lane.session.ready:
                self._write_memory(lane.slot.name)
                self._retire(lane)

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
            slot, session, self._placer, self._sink, counts=counts, patience=self._patience, pace=self._pace
        )
        log.info("slot_opened", slot=slot.name, filters=slot.filters, unsubscribe=gone)

    def _write_memory(self, name: str) -> None:
        """The old filters are gone; if this is lost, they are unsubscribed once more."""
        if (record := self._unwritten.get(name)) is not None and self._send(record):
            del self._unwritten[name]

    def _retire(self, lane: Lane) -> None:
        if lane.slot.name not in self._retired or lane.quiet_ms < self._pace.drained_ms:
            return
        del self._lanes[lane.slot.name]
        lane.close()
        if self._sessions.erase(lane.slot.client_id) and self._send(forget(lane.slot)):
            log.info("slot_retired", slot=lane.slot.name)
        else:
            self._opened.discard(lane.slot.number)  # once more, from the start

    def _leave(self, numbers: Sequence[int], in_order: bool) -> None:
        """Disconnects these slots. In order: what is on its way is waited for, in bounded time, and acknowledged."""
        leaving = [lane for lane in self._lanes.values() if lane.slot.number in set(numbers)]
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

    # Time

    def _tick(self, lanes: Sequence[Lane], now_ms: int, received_at_ms: int) -> None:
        """Best effort: a tick that is missing is made good by the next one."""
        if now_ms < self._patience.until_ms or any(lane.holding for lane in lanes):
            return
        for record in self._ticker.due(received_at_ms, [stream for lane in lanes for stream in lane.slot.streams]):
            if not self._send(record):
                return

    def _send(self, record: OutRecord) -> bool:
        try:
            self._sink.send(record)
        except RetryLater as later:
            self._patience.until_ms = self._monotonic_ms() + later.after_ms
            return False
        return True

    def _rest(self, lanes: Sequence[Lane], taken: int, settled: int) -> None:
        """Until there is something to do. What waits for Kafka is looked after in naps, since no socket tells of that."""
        listening = [lane for lane in lanes if lane.listening]
        if any(lane.session.pending for lane in listening):
            return
        if taken:
            self._nap_ms = 1
            self._sessions.wait((), self._pace.gather_ms)
        elif any(lane.in_flight or lane.holding for lane in lanes):
            self._nap_ms = 1 if settled else min(2 * self._nap_ms, 20)
            self._sessions.wait([lane.session for lane in listening], self._nap_ms)
        else:
            self._sessions.wait([lane.session for lane in listening], self._pace.idle_ms)
