"""The partition of `workorder-event`: what is measured and said in, orders out."""

from collections.abc import Iterable, Sequence
from typing import Final

from processors.orders.life import measured, over, said
from processors.orders.reasons import MEMORY_MS
from processors.store import refused
from processors.task import Output
from schemas import workorder
from schemas.dead import to_record
from schemas.device import Registry
from schemas.instants import HOUR_MS
from schemas.ports import OutRecord, Position, Record
from schemas.reason import Reason
from schemas.workorder import WORKORDER, Order, Sample

_STALE_MS: Final = 2 * HOUR_MS  # what is measured and comes so much later is history
WARM_MS: Final = MEMORY_MS + _STALE_MS + HOUR_MS


class OrderTask:
    """`orders`: what the topic `workorder` held when it was started; it may be ahead of the events.

    An order names the event that led to it. Until the log has passed that event its place is left alone, so what is read twice
    is answered once. The samples of the last hours come back by the warm-up.
    """

    def __init__(self, registry: Registry, orders: Iterable[tuple[bytes, bytes | None]], position: Position) -> None:
        self._registry, self._position = registry, position
        self._orders: dict[str, Order] = {}
        for _, value in orders:
            if value is not None:
                order = workorder.decode(value)
                self._orders[order.place] = order
        self._history: dict[str, list[Sample]] = {}
        self._version = -1

    def position(self) -> Position:
        return self._position

    def warm(self, records: Sequence[Record]) -> None:
        for record in records:
            event = self._decode(record, Output())
            if isinstance(event, Sample):
                self._remember(event, record.timestamp_ms)

    def feed(self, records: Sequence[Record]) -> Output:
        out = Output()
        self._keep_up(records[0].offset - 1, out)
        for record in records:
            event = self._decode(record, out)
            clock_ms = self._position.clock_ms
            if isinstance(event, Sample):
                clock_ms = max(clock_ms, record.timestamp_ms)  # of what people's clocks say nothing depends
                self._position = Position(record.offset + 1, clock_ms)
                self._take(event, record.offset, out)
                continue
            self._position = Position(record.offset + 1, clock_ms)
            order = self._orders.get(event.place) if event else None
            if event and order and order.offset < record.offset:
                self._put(order, said(order, event), record.offset, out)
        return out

    def _decode(self, record: Record, out: Output) -> workorder.Sample | workorder.Command | None:
        try:
            return workorder.decode_event(record.value or b"")
        except (ValueError, KeyError, TypeError) as error:
            out.records.append(to_record(refused(record, Reason.NOT_JSON, f"no event: {error!r}")._replace(stage="orders")))
            out.counts["dead", "", Reason.NOT_JSON.value] += 1
            return None

    def _take(self, sample: Sample, offset: int, out: Output) -> None:
        device = self._registry.get(sample.device_id)
        if device is None or not self._remember(sample, self._position.clock_ms):
            return
        order = self._orders.get(device.site, Order(device.site))
        if order.offset < offset:
            self._put(order, measured(order, device, self._history[sample.device_id]), offset, out)

    def _remember(self, sample: Sample, clock_ms: int) -> bool:
        """False for what is not the newest of its device, or is too old to be about now."""
        history = self._history.get(sample.device_id, [])
        if sample.end < clock_ms - _STALE_MS or (history and sample.start < history[-1].start):
            return False
        kept = [one for one in history if sample.end - MEMORY_MS <= one.start < sample.start]
        self._history[sample.device_id] = [*kept, sample]
        return True

    def _put(self, before: Order, after: Order, offset: int, out: Output) -> None:
        if after == before:
            return
        after = self._orders[after.place] = after._replace(offset=offset)
        out.records.append(OutRecord(WORKORDER, after.place.encode(), workorder.encode(after), (), after.at_ms, 0))
        if after.n != before.n or after.opened_ms != before.opened_ms:
            out.counts["orders", after.stream, after.change.value] += 1

    def _keep_up(self, offset: int, out: Output) -> None:
        """Orders of places of which no device is registered any more."""
        if self._registry.version == self._version:
            return
        self._version = self._registry.version
        places = {device.site for device in self._registry}
        for place, order in list(self._orders.items()):
            if order.is_active and place not in places and order.offset <= offset:
                self._put(order, over(order, max(order.at_ms, self._position.clock_ms)), offset, out)
