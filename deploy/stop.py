"""Being asked to stop: SIGTERM and Ctrl-C set a flag that the loops look at between two batches."""

import signal
from types import FrameType


class Stop:
    """Called as a question. The second signal is answered as if there were no handler."""

    def __init__(self) -> None:
        self._asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        self._asked = True
        signal.signal(number, signal.SIG_DFL)

    def __call__(self) -> bool:
        return self._asked
