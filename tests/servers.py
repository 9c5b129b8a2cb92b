"""The real servers of a test session: on free ports, in a temporary home, and gone afterwards however the session ends."""

import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.native.ports import BASES, first_of_free
from deploy.native.stack import Stack
from deploy.settings import Settings, load_settings

_ROOT = Path(__file__).parents[1]
_PORTS_PER_SESSION = 13


def fresh_settings(home: Path, **given: object) -> Settings:
    """Settings of native servers in `home` on ports that were free a moment ago; the cache is the machine's own."""
    base = first_of_free(_PORTS_PER_SESSION, random.SystemRandom().sample(BASES, k=len(BASES)))
    ours: dict[str, object] = {
        "home": home,
        "kafka_bootstrap": "",
        "kafka_port": base,
        "kafka_controller_port": base + 1,
        "mqtt_url": "",
        "mqtt_port": base + 10,
        "influx_url": "",
        "influx_port": base + 11,
        "mqtt_admin_port": base + 12,
        "influx_token": "",
        "clock_start": "",
    }
    return load_settings(**ours | given)


@contextmanager
def guarded_stack(**given: object) -> Iterator[Stack]:
    """A started stack of one's own, for tests that kill servers or want three brokers; `given` are settings."""
    home = Path(tempfile.mkdtemp(prefix="hanan-test-"))
    guard = subprocess.Popen(
        [sys.executable, "-m", "tests.guard", str(home)], stdin=subprocess.PIPE, cwd=_ROOT, start_new_session=True
    )
    assert guard.stdin is not None
    try:
        stack = Stack(fresh_settings(home, **given))
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()
    finally:
        guard.stdin.close()  # the guard's sign to end what is left
        guard.wait(timeout=60)
        shutil.rmtree(home, ignore_errors=True)
