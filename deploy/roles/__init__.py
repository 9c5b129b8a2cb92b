"""The roles. `groups` and `reads` say who reads what, `wiring` what they share, and one module a role puts it together.

A process imports the module of its own role alone, so that it begins soon and stays small.
"""

import gc
from collections.abc import Callable
from importlib import import_module

from deploy.metrics import PrometheusMeter
from deploy.settings import Settings
from deploy.stop import Stop

ROLES = ("collect", "validate", "aggregate", "city", "alert", "store", "notify", "recompute")
"""Each is a module here."""


Run = Callable[[str, Settings, PrometheusMeter, Stop], None]
"""Runs one process of a role under a name, until it is asked to stop."""


def load(role: str) -> Run:
    run: Run = import_module(f"deploy.roles.{role}").run
    return run


def run_role(run: Run, name: str, settings: Settings, meter: PrometheusMeter, stop: Stop) -> None:
    # The loops make millions of short-lived tuples and no cycles; the collector's default looks at all of them far too often
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    run(name, settings, meter, stop)
