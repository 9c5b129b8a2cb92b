"""The registration: a new stream is one module and one line here."""

from collections.abc import Mapping

from schemas import bike, drainage, heat, waste
from schemas.kind import Kind, Stream, check_declaration

STREAMS: tuple[Stream, ...] = (
    bike.STREAM,
    waste.STREAM,
    heat.STREAM,
    drainage.STREAM,
)

BY_NAME: Mapping[str, Stream] = {stream.name: stream for stream in STREAMS}

_problems = [problem for stream in STREAMS for problem in check_declaration(stream)]
if _problems:
    raise ValueError("; ".join(_problems))


def find_kind(stream: str, kind: str) -> Kind | None:
    found = BY_NAME.get(stream)
    return found.by_name.get(kind) if found else None
