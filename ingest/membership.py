"""Which slots this process holds: the group decides, by the partitions of the topic `collector`.

The topic also is the slots' memory (compacted): the filters that a session was last subscribed to, which a broker keeps and does
not tell. A slot is ready to be opened when what its partition remembers has been read up to the end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from ingest.slots import recall
from schemas import topics
from schemas.ports import Partition, Record, RecordSource

log = structlog.get_logger()

Filters = tuple[str, ...]

_MAX_RECORDS = 500
_JOINING_MS = 50  # kafka-python gets nowhere with a group unless it is given a little time


@dataclass(slots=True)
class _Seat:
    """An assigned partition. `end` is None until it has been asked for; what was read before that does not count."""

    since_ms: int
    end: int | None = None
    read_up: bool = False
    memory: dict[str, Filters] = field(default_factory=dict)


class Membership:
    """`leave(numbers, in_order)` is called from inside `poll`, and when it returns those sessions must be disconnected.

    in_order is False when somebody else has them already.
    """

    def __init__(
        self,
        source: RecordSource,
        leave: Callable[[Sequence[int], bool], None],
        *,
        recall_ms: int,
        monotonic_ms: Callable[[], int],
    ) -> None:
        self._source = source
        self._leave = leave
        self._recall_ms = recall_ms
        self._monotonic_ms = monotonic_ms
        self._seats: dict[int, _Seat] = {}
        source.subscribe([topics.COLLECTOR], self)

    @property
    def memories(self) -> Mapping[int, Mapping[str, Filters]]:
        """By partition: the slots' names and filters. Only of partitions that are held and read up."""
        return {number: seat.memory for number, seat in self._seats.items() if seat.read_up}

    def poll(self) -> None:
        """RetryLater when Kafka does not answer what a slot's memory is."""
        at_rest = self._seats and all(seat.read_up for seat in self._seats.values())
        for record in self._source.poll(_MAX_RECORDS, 0 if at_rest else _JOINING_MS):
            self._take(record)
        waiting = {number: seat for number, seat in self._seats.items() if not seat.read_up}
        if waiting:
            self._read_from_the_start({n: seat for n, seat in waiting.items() if seat.end is None})
            self._give_up_waiting(waiting)

    def on_assign(self, partitions: Sequence[Partition]) -> None:
        """Only noted here: connecting takes time, and the group is waiting."""
        now_ms = self._monotonic_ms()
        self._seats |= {partition.number: _Seat(now_ms) for partition in partitions}
        log.info("slots_assigned", partitions=sorted(partition.number for partition in partitions))

    def on_revoke(self, partitions: Sequence[Partition]) -> None:
        self._drop(partitions, in_order=True)

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        self._drop(partitions, in_order=False)

    def _drop(self, partitions: Sequence[Partition], *, in_order: bool) -> None:
        numbers = [partition.number for partition in partitions]
        for number in numbers:
            self._seats.pop(number, None)
        log.info("slots_revoked" if in_order else "slots_lost", partitions=sorted(numbers))
        self._leave(numbers, in_order)

    def _take(self, record: Record) -> None:
        seat = self._seats.get(record.partition)
        if seat is None or seat.end is None:
            return
        if (remembered := recall(record)) is not None:
            name, filters = remembered
            if filters is None:
                seat.memory.pop(name, None)
            else:
                seat.memory[name] = filters
        seat.read_up = seat.read_up or record.offset + 1 >= seat.end

    def _read_from_the_start(self, seats: Mapping[int, _Seat]) -> None:
        if not seats:
            return
        bounds = self._source.bounds([Partition(topics.COLLECTOR, number) for number in seats])
        for partition, (first, end) in bounds.items():
            self._source.seek(partition, first)
            seat = seats[partition.number]
            seat.end = end
            seat.read_up = first == end

    def _give_up_waiting(self, seats: Mapping[int, _Seat]) -> None:
        """A session without its client is worse than one with a filter too many."""
        for number, seat in seats.items():
            if not seat.read_up and self._monotonic_ms() - seat.since_ms >= self._recall_ms:
                log.warning("slot_memory_not_read", partition=number)
                seat.read_up = True
