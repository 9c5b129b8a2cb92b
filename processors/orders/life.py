"""The life of an order: what a sample, and what a person, makes of the newest order of a place. Pure."""

from collections.abc import Sequence

from processors.orders.reasons import GRACE_MS, LIMITS, reasons_of
from schemas.device import Device
from schemas.workorder import Change, Command, Order, Reason, Sample, State, Verb, Why


def measured(order: Order, device: Device, history: Sequence[Sample]) -> Order:
    """After the last sample of `history`, all of one device. The same order when it says nothing new."""
    sample, own = history[-1], device.device_id
    mine = {one.why: one.since_ms for one in order.reasons if one.device_id == own} if order.is_active else {}
    served = [why for device_id, why in order.served if device_id == own]
    found = reasons_of(device.kind, history, dict.fromkeys(served, order.served_ms) | mine)
    if sample.start < order.served_ms:  # perhaps seen before somebody came: what holds there is served
        served = list({*served, *(one.why for one in found)})
    else:
        served = [why for why in served if any(_covers(why, one.why) for one in found)]
    kept = [_kept(one, device.kind, served, mine, sample.start >= order.served_ms + GRACE_MS, sample.end) for one in found]
    others = [one for one in order.reasons if one.device_id != own] if order.is_active else []
    reasons = tuple(sorted([*others, *(one for one in kept if one)], key=_by_deadline))
    after = order._replace(served=_served(order, own, served))
    if not order.is_active:
        return _opened(after, device, reasons, sample.end) if reasons else after
    if not reasons:
        return over(after, sample.end)
    return after if reasons == order.reasons else _changed(after, Change.UPDATED, sample.end)._replace(reasons=reasons)


def said(order: Order, command: Command) -> Order:
    """The same order when the command is about another one, or says what is so already."""
    if not order.is_active or command.id != order.id:
        return order
    spoken = order._replace(by=command.by, note=command.text)
    if command.verb is Verb.TAKE:
        if command.at_ms <= order.taken_ms or (order.state is State.TAKEN and order.by == command.by):
            return order
        return _changed(spoken, Change.TAKEN, command.at_ms)._replace(state=State.TAKEN, taken_ms=command.at_ms)
    served = tuple(sorted({*order.served, *((one.device_id, one.why) for one in order.reasons)}))
    done = _changed(spoken, Change.DONE, command.at_ms)
    return done._replace(state=State.DONE, served=served, served_ms=command.at_ms)


def over(order: Order, at_ms: int) -> Order:
    """No reason is left, or the place is gone. Its reasons stay to be read."""
    return _changed(order, Change.OVER, at_ms)._replace(state=State.OVER)


def _opened(before: Order, device: Device, reasons: tuple[Reason, ...], at_ms: int) -> Order:
    return Order(
        before.place, State.OPEN, Change.OPENED, 1, at_ms, at_ms,
        stream=device.stream, kind=device.kind, zone=device.zone, name=device.name or device.device_id,
        reasons=reasons, served=before.served, served_ms=before.served_ms,
    )  # fmt: skip


def _covers(served: Why, why: Why) -> bool:
    """Whoever emptied what was full also did what was due; but what is full now is more than what was due."""
    return served is why or 0 < why.stage <= served.stage


def _kept(one: Reason, kind: str, served: Sequence[Why], mine: dict[Why, int], was_time: bool, at_ms: int) -> Reason | None:
    """What is left of a reason when what was served is taken off. Served, and as full as ever long after: nobody was there."""
    if not any(_covers(why, one.why) for why in served):
        return one
    if Why.NOT_EMPTIED in served or one.why not in {Why.DUE, Why.FULL} or not was_time:
        return None
    since = mine.get(Why.NOT_EMPTIED, at_ms)
    severity = LIMITS[kind].severity[Why.NOT_EMPTIED]
    return one._replace(why=Why.NOT_EMPTIED, since_ms=since, due_ms=since + GRACE_MS, severity=severity)


def _served(order: Order, device_id: str, now: Sequence[Why]) -> tuple[tuple[str, Why], ...]:
    others = [each for each in order.served if each[0] != device_id]
    return tuple(sorted([*others, *((device_id, why) for why in now)]))


def _changed(order: Order, change: Change, at_ms: int) -> Order:
    return order._replace(change=change, n=order.n + 1, at_ms=at_ms)


def _by_deadline(one: Reason) -> tuple[int, int, str, Why]:
    return one.due_ms, -one.severity.rank, one.device_id, one.why
