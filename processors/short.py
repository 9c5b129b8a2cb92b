"""The short way through validate, made ready for one device: from payload to reading where nothing is left to ask."""

from collections.abc import Callable

from processors.judge import Memory, is_good
from processors.limits import Limits
from schemas.kind import Kind
from schemas.plain import NotPlain, encoder, parser
from schemas.topics import MAX_FUTURE_MS

Short = Callable[[bytes, int], bytes | None]
"""Of a payload and its time of receipt: the reading as bytes, or None for what must go the long way, as all that is flagged."""


def short_way(kind: Kind, device_id: str, limits: Limits, memory: Memory, retention_ms: int) -> Short | None:
    """None for kinds that have none. Judges with the memory that the long way has, and leaves it as the long way would."""
    parse = parser(kind)
    if parse is None:
        return None
    encode, asks = encoder(kind, device_id), bool(limits.doubted or limits.checks)

    def short(payload: bytes, received_at_ms: int) -> bytes | None:
        try:
            found = parse(payload)
        except NotPlain:
            return None
        if not received_at_ms - retention_ms <= found.ts <= received_at_ms + MAX_FUTURE_MS:
            return None
        if asks and not is_good(found, limits, memory):
            return None
        return encode(found, received_at_ms)

    return short
