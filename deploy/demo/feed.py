"""The loop of a feed: sends what is due, counts it, and waits for what was sent to be acknowledged."""

import time
from collections.abc import Callable, Iterator
from math import inf

from deploy.demo.ledger import COMPLETE, FAILED, STOPPED, Ledger
from deploy.demo.player import Due
from deploy.demo.publisher import Publisher
from schemas.instants import SECOND_MS
from schemas.ports import Clock

Position = Callable[[], float]
"""How far the feed's own time has come, in milliseconds; what is due by then is sent."""

_IDLE_S = 0.1
_SAVE_S = 1.0


def at_once() -> float:
    """As fast as it goes."""
    return inf


def at_speed(speed: float) -> Position:
    """So many recorded seconds in each real one, from now."""
    began = time.monotonic()
    return lambda: (time.monotonic() - began) * speed * SECOND_MS


def by_clock(clock: Clock, start_ms: int) -> Position:
    """With the deployment's clock."""
    return lambda: clock.now_ms() - start_ms


def run_feed(
    dues: Iterator[Due],
    publisher: Publisher,
    ledger: Ledger,
    clock: Clock,
    *,
    position: Position = at_once,
    stopped: Callable[[], bool] = lambda: False,
    each_round: Callable[[], None] = lambda: None,
    patience_s: float = 30.0,
) -> None:
    """Until the messages end or `stopped` says so, and then until all is acknowledged or `patience_s` are over.

    BrokerError when the broker turns us away; the ledger is written in every case.
    """
    rounds = _Rounds(ledger, clock, each_round)
    try:
        pending = next(dues, None)
        while pending is not None and not stopped():
            now_ms, reached = clock.now_ms(), position()
            room = publisher.room
            while room > 0 and pending is not None and pending.at_ms <= reached:
                publisher.send(pending.message)
                ledger.sent(pending.message, now_ms)
                room -= 1
                pending = next(dues, None)
            publisher.serve(_IDLE_S)
            rounds.end(publisher)
        deadline = time.monotonic() + patience_s
        while publisher.unacked and time.monotonic() < deadline:
            publisher.serve(_IDLE_S)
            rounds.end(publisher)
    except BaseException as error:
        ledger.report.state, ledger.report.why = FAILED, str(error) or type(error).__name__
        raise
    else:
        ledger.report.state = COMPLETE if pending is None else STOPPED
        if publisher.unacked:
            because = f": {publisher.trouble}" if publisher.trouble else ""
            ledger.report.why = f"{publisher.unacked} messages without an answer after {patience_s:.0f} s{because}"
    finally:
        ledger.save(clock.now_ms())


class _Rounds:
    """What happens between two batches, some of it not every time."""

    def __init__(self, ledger: Ledger, clock: Clock, each_round: Callable[[], None]) -> None:
        self._ledger, self._clock, self._each_round = ledger, clock, each_round
        self._next_save = 0.0

    def end(self, publisher: Publisher) -> None:
        self._ledger.report.reconnects = publisher.reconnects
        if time.monotonic() >= self._next_save:
            self._next_save = time.monotonic() + _SAVE_S
            self._ledger.save(self._clock.now_ms())
        self._each_round()
