"""The rule packs of the deployment, for the roles that go by them."""

from collections.abc import Sequence

import structlog

from deploy.clock import monotonic_ms
from deploy.settings import Settings
from processors.rules.load import Book
from processors.rules.problems import Problem
from processors.rules.shelf import Shelf

log = structlog.get_logger()


def rules(settings: Settings) -> Shelf:
    """Taken up again when a file changes."""
    return Shelf(monotonic_ms, settings.alert_rules, _say)


def _say(book: Book | None, problems: Sequence[Problem]) -> None:
    if book is not None:
        log.info("rules_taken_up", rules=len(book.rules))
    for problem in problems:
        log.error("rules_not_taken_up", why=str(problem))
