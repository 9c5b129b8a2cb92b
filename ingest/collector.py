"""MQTT -> Kafka: the loop of one collector process. It knows only ports.

One step: hear the group, tend the connections, take what has arrived and send it on, tick, let the sink report, acknowledge
what became safe, and rest until there is more. Whatever dies in between, the broker still has what was not acknowledged.
"""

from collections.abc import Callable, Mapping, Sequence

from ingest.counts import Counts
from ingest.holdings import Holdings
from ingest.lane import Lane
from ingest.pace import DEFAULT_PACE, Pace
from ingest.placing import Placer
from ingest.session import Sessions
from ingest.slots import Slot
from ingest.ticks import Ticker
from schemas.ports import Clock, RecordSink, RecordSource, RetryLater

_LONGEST_NAP_MS = 20


class Collector:
    """One process of the role. Not thread-safe: `step` is called by one thread, and calls everything else.

    source      a member of the group `slots.GROUP`, not yet subscribed
    slots       all of the deployment's, of which the group gives this process some
    name        what its records call it; without a space
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
        self._source, self._sink, self._sessions = source, sink, sessions
        self._clock, self._monotonic_ms, self._pace = clock, monotonic_ms, pace
        self._ticker = Ticker(partitions, name)
        self._holdings = Holdings(
            source,
            sink,
            sessions,
            slots,
            Placer([stream for slot in slots for stream in slot.streams], name, partitions),
            retired=retired,
            monotonic_ms=monotonic_ms,
            pace=pace,
        )
        self._follow_at_ms = 0
        self._tick_at_ms = 0
        self._nap_ms = 1

    @property
    def held(self) -> Sequence[str]:
        """The names of the slots that are served here."""
        return [lane.slot.name for lane in self._holdings]

    @property
    def counts(self) -> Mapping[str, Counts]:
        """By the name of the slot: of all that were ever served here."""
        return self._holdings.counts

    def run(self, stop: Callable[[], bool]) -> None:
        """Until `stop()`. Leaves in order: what is in flight is acknowledged, and the slots are free for others at once."""
        try:
            while not stop():
                self.step()
        finally:
            self.close()

    def close(self) -> None:
        self._holdings.leave_all()
        self._source.close()
        self._sink.close()

    def step(self) -> None:
        now_ms = self._monotonic_ms()
        if now_ms >= self._follow_at_ms:
            self._follow_at_ms = now_ms + self._pace.follow_ms
            self._holdings.follow()
        received_at_ms = self._clock.now_ms()
        lanes = list(self._holdings)
        taken = 0
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

    def _tick(self, lanes: Sequence[Lane], now_ms: int, received_at_ms: int) -> None:
        """Best effort: a tick that is missing is made good by the next one.

        While messages are held back since Kafka asks for patience there are none, so that no tick overtakes what came before it.
        """
        patience = self._holdings.patience
        if now_ms < patience.until_ms:
            return
        for record in self._ticker.due(received_at_ms, [stream for lane in lanes for stream in lane.slot.streams]):
            try:
                self._sink.send(record)
            except RetryLater as later:
                patience.until_ms = now_ms + later.after_ms
                return

    def _rest(self, lanes: Sequence[Lane], taken: int, settled: int) -> None:
        """Until there is something to do. What waits for Kafka is looked after in naps, since no socket tells of that."""
        listening = [lane for lane in lanes if lane.listening]
        if any(lane.session.pending for lane in listening):
            return
        if taken:
            self._nap_ms = 1
            self._sessions.wait((), self._pace.gather_ms)
        elif any(lane.in_flight or lane.holding for lane in lanes):
            self._nap_ms = 1 if settled else min(2 * self._nap_ms, _LONGEST_NAP_MS)
            self._sessions.wait([lane.session for lane in listening], self._nap_ms)
        else:
            self._sessions.wait([lane.session for lane in listening], self._pace.idle_ms)
