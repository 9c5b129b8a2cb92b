"""What `hanan up` runs: the roles and the feed as child processes, started from the end of the flow, stopped from its start."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from deploy import children
from deploy.native.progress import Progress
from deploy.settings import Settings
from deploy.watch import scrape
from ingest.slots import slots_of
from schemas.streams import STREAMS

# The order in which data flows.
FLOW = ("collect", "validate", "aggregate", "city", "alert", "store", "recompute", "notify")
FEED = "feed"
_READY_SECONDS = 60.0


class OperationError(Exception):
    """One line: what happened, and where to look."""

    def __init__(self, what: str, log: str) -> None:
        super().__init__(f"{what}; its log is {log}")


class Operation:
    """The children of one `hanan up`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._roles: dict[str, subprocess.Popen[bytes]] = {}
        self._feed: subprocess.Popen[bytes] | None = None

    def start_roles(self, workers: Mapping[str, int], progress: Progress) -> None:
        """As many processes of each role as asked for; returns when all answer."""
        with progress.step("roles") as step:
            for role in reversed(FLOW):
                for number in range(1, workers.get(role, 0) + 1):
                    name = f"{role}-{number}"
                    self._roles[name] = children.spawn_role(self._settings, name)
            deadline = time.monotonic() + _READY_SECONDS
            while waiting := self._not_ready():
                step.waiting("for " + ", ".join(waiting))
                self.require_alive()
                if time.monotonic() > deadline:
                    raise OperationError(
                        f"{waiting[0]} not ready within {_READY_SECONDS:.0f} s", self._log(waiting[0].split()[0])
                    )
                time.sleep(0.1)
            step.result = ", ".join(self._roles)

    def _not_ready(self) -> list[str]:
        """Roles that do not answer yet, and MQTT sessions that are not subscribed yet.

        Before the very first subscription nobody is there to be sent anything, and a broker acknowledges that to nobody's gain.
        """
        found = children.running(self._settings.home)
        silent = sorted(self._roles.keys() - {one.name for one in found})
        if silent:
            return silent
        if not any(name.startswith("collect") for name in self._roles):
            return []
        series = scrape(one.metrics_port for one in found if one.role == "collect")
        ready = {dict(labels)["stream"] for (name, labels), value in series.items() if name == "hanan_mqtt_ready" and value}
        return [f"collect-1 to subscribe to {slot.name}" for slot in slots_of(STREAMS) if slot.name not in ready]

    def start_feed(self, command: Sequence[str]) -> None:
        self._feed = children.spawn(self._settings, FEED, command)

    def require_alive(self) -> None:
        """OperationError when a role has ended by itself."""
        for name, child in self._roles.items():
            code = child.poll()
            if code is not None:
                raise OperationError(f"{name} ended with exit code {code}", self._log(name))

    def feed_state(self) -> str:
        """For the line under the table."""
        if self._feed is None:
            return "no feed"
        code = self._feed.poll()
        if code is None:
            return "feed running"
        return "feed has sent all" if code == 0 else f"feed ended with exit code {code}: {self._log(FEED)}"

    def stop(self, drained: Callable[[], bool], patience_seconds: float, progress: Progress) -> bool:
        """Feed first; then, once nothing lags, the roles in the order of the flow. Returns whether all was drained."""
        if self._feed:
            with progress.step("stop the feed"):
                children.stop(self._feed)
        if not self._roles:
            return True
        with progress.step("drain") as step:
            deadline = time.monotonic() + patience_seconds
            while not (done := drained()) and time.monotonic() < deadline:
                step.waiting("for what is on its way to be stored")
                time.sleep(0.2)
            step.result = "nothing is left on its way" if done else "not all: Kafka keeps it, and it goes on at the next start"
        with progress.step("stop the roles"):
            self.stop_roles()
        return done

    def stop_roles(self) -> None:
        """In the order of the flow, each role's processes together."""
        for role in FLOW:
            ours = {name: child for name, child in self._roles.items() if name.startswith(role)}
            for child in ours.values():
                child.terminate()
            for name, child in ours.items():
                children.stop(child)
                del self._roles[name]

    def _log(self, name: str) -> str:
        return str(self._settings.home / "logs" / f"{name}.log")
