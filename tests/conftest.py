"""Fixtures every test may use: `servers` (where the real ones are) and `stack` (to kill, pause and restart them)."""

import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from deploy.native.endpoints import Endpoints
from deploy.native.problems import NativeError
from deploy.native.progress import progress_to
from deploy.native.stack import Stack
from deploy.settings import load_settings
from tests.servers import guarded_stack

_problem = pytest.StashKey[str]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"servers", "stack"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("servers")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Installs before the first test: a build takes minutes, and a test's time limit would cut it off."""
    needed = any(item.get_closest_marker("servers") for item in session.items)
    if not needed or session.config.option.collectonly:
        return
    with progress_to(sys.__stderr__ or sys.stderr) as progress:
        try:
            Stack(load_settings(kafka_bootstrap="", mqtt_url="", influx_url=""), progress).install()
        except NativeError as problem:
            session.config.stash[_problem] = str(problem)


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The session's own servers. Whoever kills one leaves it restarted."""
    if problem := request.config.stash.get(_problem, ""):
        pytest.fail(problem, pytrace=False)
    with guarded_stack() as started:
        yield started


@pytest.fixture(scope="session")
def servers(stack: Stack) -> Endpoints:
    return stack.endpoints()


@pytest.fixture
def quiet_log() -> Iterator[None]:
    """Each start of a partition is a line, and in some tests there are thousands."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()
