"""What was taken from the MQTT broker and is not yet safe in Kafka: bounded, and acknowledged in the order of receipt.

MQTT wants PUBACKs in the order of the PUBLISHes [MQTT-4.6.0-2], and Kafka's acknowledgements of several partitions come in any
order. So an acknowledgement waits until all before it are safe. That one lost record holds up what came after it is meant: the
broker still has all of that, and sends it again on the next connection.
"""

from collections import deque


class Ticket:
    """One message on its way. `mid` is its MQTT packet identifier, 0 where there is nothing to acknowledge (QoS 0)."""

    __slots__ = ("connection", "mid", "safe", "size")

    def __init__(self, mid: int, size: int, connection: int) -> None:
        self.mid = mid
        self.size = size
        self.connection = connection
        self.safe = False


class AckWindow:
    """Tickets in the order of receipt.

    A ticket, not its identifier, says what is done: the broker uses identifiers again, and after a reconnect what Kafka confirms
    of the old connection must not acknowledge a new message that happens to bear the same one. A ticket from before a `reset`
    is no longer in the line, so it can release nothing.
    """

    def __init__(self, limit: int, limit_bytes: int) -> None:
        if limit < 1 or limit_bytes < 1:
            raise ValueError(f"a window of {limit} messages and {limit_bytes} bytes lets nothing through")
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._line: deque[Ticket] = deque()
        self._bytes = 0
        self._connection = 0

    def __len__(self) -> int:
        return len(self._line)

    @property
    def room(self) -> int:
        """How many more messages may be taken now; none when the bytes are used up."""
        return 0 if self._bytes >= self._limit_bytes else self._limit - len(self._line)

    @property
    def room_bytes(self) -> int:
        """How many more bytes may be taken; the one message that passes the limit is still let in, or it would never be."""
        return max(0, self._limit_bytes - self._bytes)

    def open(self, mid: int, size: int) -> Ticket:
        """Takes a message in. Asking for room first is the caller's part; IndexError when it did not."""
        if len(self._line) >= self._limit:
            raise IndexError(f"the window of {self._limit} messages is full")
        ticket = Ticket(mid, size, self._connection)
        self._line.append(ticket)
        self._bytes += size
        return ticket

    def done(self, ticket: Ticket) -> list[int]:
        """Kafka has this one. Returns the identifiers that may be acknowledged now, in the order of receipt."""
        ticket.safe = True
        line = self._line
        released = []
        while line and line[0].safe:
            head = line.popleft()
            self._bytes -= head.size
            if head.mid:
                released.append(head.mid)
        return released

    def current(self, ticket: Ticket) -> bool:
        """Whether it was opened since the last reset: if not, it is no longer our concern what became of it."""
        return ticket.connection == self._connection

    def reset(self) -> int:
        """Forgets all that is in flight, since the broker will send it again. Returns how much that was."""
        forgotten = len(self._line)
        self._line.clear()
        self._bytes = 0
        self._connection += 1
        return forgotten
