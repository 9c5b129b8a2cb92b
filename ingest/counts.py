"""What a slot has seen. Plain numbers; the deployment exports them."""

from collections import Counter
from dataclasses import dataclass, field

from schemas.reason import Reason


@dataclass(slots=True)
class Counts:
    """Of one slot since this process started.

    received = forwarded + dead + failed + in flight + those given up before they were sent, because their connection was lost.
    A message that the broker sends again is received again.
    """

    received: int = 0
    forwarded: int = 0  # safe in raw.<stream>
    dead: Counter[Reason] = field(default_factory=Counter)  # safe in dead, by reason
    failed: int = 0  # Kafka gave them up; the broker sends them again
    acked: int = 0  # PUBACKs written
    in_flight: int = 0
    reconnects: int = 0  # attempts included
    stalls: int = 0  # reconnects because Kafka failed to take something
    waits: int = 0  # times that Kafka said RetryLater
    ready: bool = False
