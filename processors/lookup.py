"""What roles look up: a table of devices, kept current."""

from collections.abc import Callable

import structlog

from schemas.ports import Table

log = structlog.get_logger()


def follow(table: Table, apply: Callable[[str, bytes | None], str | None], *, up_to_now: bool) -> None:
    """Applies what is new in the topic of devices. An entry that cannot be read is said, and leaves what was there before."""
    for key, value in table.changes(up_to_now=up_to_now):
        problem = apply(key.decode(errors="replace"), value)
        if problem:
            log.warning("registry_entry_unreadable", why=problem)
