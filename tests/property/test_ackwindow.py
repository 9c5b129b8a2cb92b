"""Any interleaving of receipts, confirmations and reconnects: acknowledgements come in order, after their cause, once."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ingest.ackwindow import AckWindow, Ticket

LIMIT = 8
LIMIT_BYTES = 1_000


class AckWindowMachine(RuleBasedStateMachine):
    """Against the plainest model: a list of what was received on this connection, and a set of what is safe."""

    def __init__(self) -> None:
        super().__init__()
        self.window = AckWindow(LIMIT, LIMIT_BYTES)
        self.received: list[Ticket] = []  # on this connection, in order
        self.safe: set[int] = set()  # by id()
        self.released: list[int] = []
        self.stale: list[Ticket] = []
        self.mid = 0

    @precondition(lambda self: self.window.room > 0)
    @rule(size=st.integers(0, 600), acknowledged=st.booleans())
    def receive(self, size: int, *, acknowledged: bool) -> None:
        self.mid = self.mid % 5 + 1  # so few that they are used again all the time
        self.received.append(self.window.open(self.mid if acknowledged else 0, size))

    @precondition(lambda self: self.window.room <= 0 and len(self.window) >= LIMIT)
    @rule()
    def refuse_beyond_the_limit(self) -> None:
        try:
            self.window.open(1, 1)
        except IndexError:
            return
        raise AssertionError("the window took more than its limit")

    @precondition(lambda self: self.received)
    @rule(data=st.data())
    def confirm_any(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(self.received))
        self.safe.add(id(ticket))
        self.released += self.window.done(ticket)

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def confirm_one_of_an_older_connection(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(self.stale))
        assert not self.window.current(ticket)
        assert self.window.done(ticket) == []

    @rule()
    def reconnect(self) -> None:
        assert self.window.reset() == len(self.received) - self._settled()
        self.stale += self.received
        self.received, self.safe, self.released = [], set(), []

    def _settled(self) -> int:
        """How many from the front are safe without a gap."""
        for count, ticket in enumerate(self.received):
            if id(ticket) not in self.safe:
                return count
        return len(self.received)

    @invariant()
    def exactly_the_safe_ones_from_the_front_are_released_in_order(self) -> None:
        assert self.released == [t.mid for t in self.received[: self._settled()] if t.mid]

    @invariant()
    def it_is_bounded_and_counts_right(self) -> None:
        waiting = self.received[self._settled() :]
        size = sum(ticket.size for ticket in waiting)
        assert len(self.window) == len(waiting) <= LIMIT
        assert self.window.room_bytes == max(0, LIMIT_BYTES - size)
        assert (self.window.room > 0) == (len(waiting) < LIMIT and size < LIMIT_BYTES)


TestAckWindow = AckWindowMachine.TestCase
