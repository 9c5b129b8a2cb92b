"""The memory of the minutes' tasks, as a topic: each row as it was taken in, written at the turn after.

Readings may come up to a quarter of an hour late, so whoever takes over a partition must know all readings of the last half
hour. To read and judge them all again takes minutes where ten thousand come each second; as rows they are there in seconds.
What is written at a turn carries the turn's time, and is safe before that turn is committed. So all that was taken in before
the turn at which a successor begins is what is written up to that time; what a dead predecessor wrote after it is left aside,
since the successor takes in the same again.
"""

from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from processors.windows.plan import Plan
from schemas import codec
from schemas.numbers import NAN
from schemas.ports import OutRecord, Record

_LENGTH = Struct("<I")
_ROWS_IN_A_RECORD = 4_000  # some 300 kB


class Page(NamedTuple):
    """The rows of one record."""

    kind: str
    device_ids: Sequence[str]
    event_ids: Sequence[str]
    times: Sequence[float]  # as they begin the rows
    rows: Sequence[bytes]


class Journal:
    """Of one kind, between two turns."""

    __slots__ = ("_plan", "device_ids", "event_ids", "rows")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.device_ids: list[str] = []
        self.event_ids: list[str] = []  # of events only
        self.rows = bytearray()

    def add(self, device_id: str, event_id: str | None, row: bytes) -> None:
        self.device_ids.append(device_id)
        self.rows += row
        if event_id is not None:
            self.event_ids.append(event_id)

    def records(self, topic: str, partition: int, clock_ms: int) -> Iterator[OutRecord]:
        """What is there, which is empty afterwards."""
        size = self._plan.row.size
        for at in range(0, len(self.device_ids), _ROWS_IN_A_RECORD):
            until = at + _ROWS_IN_A_RECORD
            index = {"kind": self._plan.kind, "metrics": self._plan.names, "devices": self.device_ids[at:until]}
            if self.event_ids:
                index["events"] = self.event_ids[at:until]
            value = _packed(codec.dumps(index), self.rows[at * size : until * size])
            yield OutRecord(topic, self._plan.kind.encode(), value, (), clock_ms, partition)
        self.device_ids, self.event_ids, self.rows = [], [], bytearray()


def mark(topic: str, partition: int, clock_ms: int) -> OutRecord:
    """Written at every turn after all else: without it a successor does not know that the journal is whole."""
    return OutRecord(topic, b"turn", b"", (), clock_ms, partition)


def _packed(index: bytes, rows: bytearray) -> bytes:
    return b"".join((_LENGTH.pack(len(index)), index, rows))


def remembered(records: Iterable[Record], plans: dict[str, Plan], clock_ms: int) -> Iterator[Page | None]:
    """What was taken in before the turn at `clock_ms`; None for that turn's own mark."""
    for record in records:
        if record.timestamp_ms <= clock_ms:
            if record.value:
                page = _page(record.value, plans)
                if page:
                    yield page
            elif record.timestamp_ms == clock_ms:
                yield None


def _page(value: bytes, plans: dict[str, Plan]) -> Page | None:
    (length,) = _LENGTH.unpack_from(value)
    begin = _LENGTH.size + length
    index = codec.loads(value[_LENGTH.size : begin])
    plan = plans.get(index["kind"])
    if plan is None:
        return None
    devices, names = index["devices"], tuple(index["metrics"])
    events = index.get("events") or [""] * len(devices)
    size = (len(value) - begin) // len(devices)
    rows = [value[at : at + size] for at in range(begin, len(value), size)]
    times = memoryview(value)[begin:].cast("d")[:: 1 + len(names)].tolist()
    if names != plan.names:
        rows = [_translated(row, names, plan) for row in rows]
    return Page(plan.kind, devices, events, times, rows)


def _translated(row: bytes, names: tuple[str, ...], plan: Plan) -> bytes:
    """A row from before a metric was declared, or dropped."""
    ts, *numbers = Struct(f"<{1 + len(names)}d").unpack(row)
    found = dict(zip(names, numbers, strict=True))
    return plan.row.pack(ts, *[found.get(name, NAN) for name in plan.names])
