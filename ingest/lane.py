"""One slot held by this process: its session, what is in flight, and what Kafka would not take yet."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from ingest.ackwindow import AckWindow, Ticket
from ingest.counts import Counts
from ingest.pace import Pace
from ingest.placing import Placer, cut_letter
from ingest.session import Session
from ingest.slots import Slot
from schemas.ports import OutRecord, RecordSink, RetryLater
from schemas.reason import Reason

log = structlog.get_logger()

Done = Callable[[str | None], None]

_CUT_BYTES = 512 * 1024  # passes a Kafka with the limits it comes with


@dataclass(slots=True)
class Patience:
    """How long Kafka asked to be left alone. All lanes share it, since an attempt may take seconds while Kafka is away."""

    until_ms: int = 0


class Lane:
    """Message -> record -> Kafka's word that it is safe -> acknowledgement, in this order and no other."""

    def __init__(
        self,
        slot: Slot,
        session: Session,
        placer: Placer,
        sink: RecordSink,
        *,
        counts: Counts,
        patience: Patience,
        pace: Pace,
    ) -> None:
        self.slot = slot
        self.session = session
        self.counts = counts
        self._placer = placer
        self._sink = sink
        self._patience = patience
        self._pace = pace
        self._window = AckWindow(pace.window, pace.window_bytes)
        self._held: deque[tuple[OutRecord, Done]] = deque()
        self._released: list[int] = []
        self._epoch = session.epoch
        self._now_ms = 0  # monotonic, of this step
        self._failed_at_ms: int | None = None
        self._quiet_since_ms: int | None = None

    @property
    def listening(self) -> bool:
        """Whether a message that arrives now would be taken. If not, nothing is read and the broker keeps it."""
        return not self._held and self._now_ms >= self._patience.until_ms and self._window.room > 0

    @property
    def in_flight(self) -> int:
        return len(self._window)

    @property
    def holding(self) -> bool:
        """Records of an earlier `received_at` wait to be sent; no tick may overtake them."""
        return bool(self._held)

    @property
    def quiet_ms(self) -> int:
        """For how long the session has been ready, has brought nothing, and nothing was in flight."""
        return 0 if self._quiet_since_ms is None else self._now_ms - self._quiet_since_ms

    def tend(self, now_ms: int) -> None:
        """Keeps the connection. On a new one all that was in flight is forgotten: the broker sends it again."""
        self._now_ms = now_ms
        self.session.tend()
        if self.session.epoch != self._epoch:
            self.counts.reconnects += self._epoch > 0
            self._epoch = self.session.epoch
            self._forget()
        elif self._failed_at_ms is not None and now_ms - self._failed_at_ms >= self._pace.stall_ms:
            # A broker sends unacknowledged messages again only on a new connection.
            self._failed_at_ms = None
            self.counts.stalls += 1
            self.session.reconnect("Kafka failed to take a message")
        if not self.session.ready or len(self._window) or self._held:
            self._quiet_since_ms = None
        elif self._quiet_since_ms is None:
            self._quiet_since_ms = now_ms

    def take(self, received_at_ms: int) -> int:
        """Reads a batch and sends it on; returns how many messages that was."""
        if not self._send_held() or not self.listening:
            return 0
        window = self._window
        messages = self.session.read(min(window.room, self._pace.batch), window.room_bytes)
        for message in messages:
            ticket = window.open(message.mid, len(message.payload))
            record, reason = self._placer.place(message, received_at_ms)
            if reason is None:
                self._send(record, partial(self._done, ticket))
            else:
                self._send(record, partial(self._buried, ticket, record, reason))
        if messages:
            self.counts.received += len(messages)
            self._quiet_since_ms = None
        return len(messages)

    def settle(self) -> None:
        """Acknowledges what became safe, after the sink was served."""
        if self._released:
            if self.session.ack(self._released):
                self.counts.acked += len(self._released)
            self._released = []
        self.counts.in_flight = len(self._window)
        self.counts.ready = self.session.ready

    def close(self) -> None:
        """Leaves with the last acknowledgements. What is not safe stays with the broker, for whoever comes next."""
        self.settle()
        self._forget()
        self.session.close()
        self.counts.in_flight = 0
        self.counts.ready = False

    def _send(self, record: OutRecord, done: Done) -> None:
        if self._held:
            self._held.append((record, done))
            return
        try:
            self._sink.send(record, done)
        except RetryLater as later:
            self._held.append((record, done))
            self._pause(later)
        except ValueError as refusal:
            done(f"too large: {refusal}")

    def _send_held(self) -> bool:
        """In the order they came, before anything new. False while Kafka asks for patience."""
        if self._now_ms < self._patience.until_ms:
            return False
        while self._held:
            record, done = self._held[0]
            try:
                self._sink.send(record, done)
            except RetryLater as later:
                self._pause(later)
                return False
            except ValueError as refusal:
                done(f"too large: {refusal}")
            self._held.popleft()
        return True

    def _pause(self, later: RetryLater) -> None:
        self._patience.until_ms = self._now_ms + later.after_ms
        self.counts.waits += 1

    def _done(self, ticket: Ticket, error: str | None) -> None:
        if error is not None:
            self._fail(ticket, error)
            return
        self.counts.forwarded += 1
        self._released += self._window.done(ticket)

    def _buried(self, ticket: Ticket, letter: OutRecord, reason: Reason, error: str | None) -> None:
        if error is None:
            self.counts.dead[reason] += 1
            self._released += self._window.done(ticket)
        elif _says_too_large(error) and len(letter.value or b"") > _CUT_BYTES:
            # A Kafka with smaller limits than its MQTT broker: a message must not block the slot for that.
            log.error("dead_letter_cut", slot=self.slot.name, why=error, size=len(letter.value or b""))
            cut = cut_letter(letter, _CUT_BYTES)
            if self._window.current(ticket):
                self._held.append((cut, partial(self._buried, ticket, cut, reason)))
        else:
            self._fail(ticket, error)

    def _fail(self, ticket: Ticket, error: str) -> None:
        """Never acknowledged. It holds up the acknowledgements behind it until the broker has sent it all again."""
        self.counts.failed += 1
        if self._failed_at_ms is None and self._window.current(ticket):
            self._failed_at_ms = self._now_ms
            log.warning("kafka_failed", slot=self.slot.name, why=error, in_flight=len(self._window))

    def _forget(self) -> None:
        self._window.reset()
        self._held.clear()
        self._released = []
        self._failed_at_ms = None


def _says_too_large(error: str) -> bool:
    """Both clients' words for it: MSG_SIZE_TOO_LARGE, MessageSizeTooLargeError, `Message size too large`."""
    return "toolarge" in "".join(letter for letter in error.lower() if letter.isalpha())
