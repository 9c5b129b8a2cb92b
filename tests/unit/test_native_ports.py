"""A port that is taken is named, with who has it and the setting that moves it."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.native import ports, process
from deploy.native.problems import NativeError
from tests.waiting import eventually

LISTENER = (
    "import socket, time\ns = socket.create_server(('127.0.0.1', 0))\nprint(s.getsockname()[1], flush=True)\ntime.sleep(300)"
)


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[tuple[int, process.Running]]:
    """A port held by a server started for `tmp_path`."""
    running = process.spawn("it", [sys.executable, "-c", LISTENER], home=tmp_path, log=tmp_path / "log", cwd=tmp_path)
    yield int(eventually(lambda: process.tail(tmp_path / "log"))), running
    process.stop(running, 10)


def test_a_free_port_is_fine(tmp_path: Path) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as held:
        port = held.getsockname()[1]
        assert ports.accepts(port)
    ports.require_free("kafka", port, "kafka_port", tmp_path)
    assert not ports.accepts(port)


def test_a_strangers_port(tmp_path: Path) -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as held:
        port = held.getsockname()[1]
        with pytest.raises(NativeError) as caught:
            ports.require_free("kafka", port, "kafka_port", tmp_path)
    assert f"kafka: port {port} is taken by python" in str(caught.value)
    assert f"(pid {os.getpid()}); end that or set HANAN_KAFKA_PORT" in str(caught.value)


def test_our_own_from_before(tmp_path: Path, theirs: tuple[int, process.Running]) -> None:
    port, _ = theirs
    with pytest.raises(NativeError) as caught:
        ports.require_free("kafka", port, "kafka_port", tmp_path)
    assert "our own python" in str(caught.value)
    assert "end it with `hanan servers stop` and start again" in str(caught.value)


def test_that_of_another_home(tmp_path: Path, theirs: tuple[int, process.Running]) -> None:
    with pytest.raises(NativeError) as caught:
        ports.require_free("kafka", theirs[0], "kafka_port", tmp_path / "mine")
    assert f"a native server of {tmp_path}; stop it with `HANAN_HOME={tmp_path} hanan servers stop` or set" in str(caught.value)


def test_an_owner_who_cannot_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_owner", lambda _port: None)
    with (
        socket.create_server((ports.LOOPBACK, 0)) as held,
        pytest.raises(NativeError, match="is taken by another process; end that or"),
    ):
        ports.require_free("kafka", held.getsockname()[1], "kafka_port", tmp_path)
