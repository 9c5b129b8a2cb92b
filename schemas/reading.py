"""A reading: what one device said of one moment, after it was found to be valid."""

from collections.abc import Mapping
from typing import NamedTuple

from schemas.metric import Value


class Reading(NamedTuple):
    """Identity is (device_id, kind, ts_ms), for an event (device_id, kind, event_id).

    values   the metrics that were sent, without sentinels; flagged values stay
    flags    metric -> Flag for each value that is suspect; a flag without a value is a sentinel
    seq      the device's own counter, if it has one
    """

    stream: str
    kind: str
    device_id: str
    ts_ms: int
    received_at_ms: int
    values: Mapping[str, Value]
    flags: Mapping[str, str]
    seq: int | None = None
    event_id: str | None = None

    @property
    def quality(self) -> str:
        return "suspect" if self.flags else "good"

    @property
    def identity(self) -> tuple[str, str, int | str]:
        return self.device_id, self.kind, self.ts_ms if self.event_id is None else self.event_id
