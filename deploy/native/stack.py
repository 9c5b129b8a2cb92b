"""The native servers of one home: which there are, and their life from installation to the end."""

import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import TypeVar

from deploy.native import build, lifecycle, mqtt, process
from deploy.native.brokers import broker
from deploy.native.endpoints import Endpoints, endpoints
from deploy.native.influxdb.program import InfluxProgram
from deploy.native.influxdb.server import InfluxServer
from deploy.native.kafka.program import KafkaProgram
from deploy.native.kafka.server import KafkaServer
from deploy.native.problems import NativeError, raise_all
from deploy.native.progress import Progress, QuietProgress, QuietStep
from deploy.native.server import Found, Server
from deploy.settings import Settings

T = TypeVar("T")

_LOCK_MINUTES = 60.0  # a first start builds
_PATIENCE_SECONDS = 20.0


def servers_of(settings: Settings) -> list[Server]:
    """The servers that are ours to run: all but those the settings name."""
    servers: list[Server] = []
    if not settings.kafka_bootstrap:
        program = KafkaProgram(settings.cache)
        servers += [KafkaServer(settings, program, number) for number in range(1, settings.kafka_brokers + 1)]
    if not settings.mqtt_url:
        servers.append(broker(settings))
    if not settings.influx_url:
        servers.append(InfluxServer(settings, InfluxProgram(settings.cache)))
    return servers


class Stack:
    """The servers of a home. They outlive the process that started them; another one finds them by their pid files."""

    def __init__(self, settings: Settings, progress: Progress | None = None) -> None:
        self.settings = settings
        self._progress = progress or QuietProgress()
        self._servers = {server.name: server for server in servers_of(settings)}

    def install(self) -> dict[str, Found]:
        """Every program that is missing, side by side. What succeeded stays, whatever else failed."""
        programs = {server.program.name: server.program for server in self._servers.values()}
        return self._each({name: partial(lifecycle.install, one, self._progress) for name, one in programs.items()})

    def start(self) -> list[str]:
        """Installs and starts what is not there yet, and gives the names of what it started."""
        with self._alone():
            missing = [server for server in self._servers.values() if not self._alive(server.name)]
            lifecycle.require_ports(self.settings, missing)
            self._each({name: partial(self._start, server) for name, server in self._servers.items()})
            return [server.name for server in missing]

    def stop(self, names: Iterable[str] | None = None) -> list[str]:
        """Stops every server of this home (also one the settings no longer name, or whose pid file is gone), or only `names`."""
        with self._alone():
            wanted = process.names(self.settings.home) if names is None else list(names)
            alive = [name for name in wanted if self._alive(name)]
            self._each({name: partial(self._stop, name) for name in alive})
            for name in wanted:
                process.forget(self.settings.home, name)
            return alive if names is not None else alive + self._stop_strays()

    def status(self) -> list[lifecycle.Status]:
        return [lifecycle.status(self.settings, server) for server in self._servers.values()]

    def endpoints(self) -> Endpoints:
        return endpoints(self.settings)

    def admit(self, *users: str) -> dict[str, str]:
        """Lets devices log in to the native MQTT broker, at once if it runs; gives each one's password, new or as it was."""
        broker = self._mqtt_server()
        given = mqtt.ensure(self.settings, users)
        broker.admit(users)
        return given

    def mqtt_listener(self) -> mqtt.Listener:
        """For who wants to know for long what the native MQTT broker holds, drops and refuses."""
        return self._mqtt_server().listen()

    def mqtt_figures(self) -> mqtt.Figures:
        """The same, once; NativeError when it does not answer."""
        with closing(self.mqtt_listener()) as listener:
            return listener.figures()

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """As a crash would: no notice is given, and nobody tidies up. After a SIGKILL it returns when the process is gone."""
        running = self._running(name)
        process.send(running, number)
        if number == signal.SIGKILL and not process.wait_end(running, 10.0):
            raise NativeError(f"{name} (pid {running.pid}) survives SIGKILL", "its disk may hang; look at dmesg")

    def pause(self, name: str) -> None:
        """As a machine that hangs: connections stay open and nobody answers."""
        process.send(self._running(name), signal.SIGSTOP)

    def resume(self, name: str) -> None:
        process.send(self._running(name), signal.SIGCONT)

    def restart(self, name: str) -> None:
        """Stops it in order if it runs, starts it, and returns when it answers."""
        server = self._server(name)
        if running := process.find(self.settings.home, name):
            process.stop(running, server.patience_seconds)
        self._start(server)

    def pid(self, name: str) -> int:
        return self._running(name).pid

    def _running(self, name: str) -> process.Running:
        running = process.find(self.settings.home, self._server(name).name)
        if running is None:
            raise NativeError(f"{name} is not running", "run `hanan servers start`")
        return running

    def _server(self, name: str) -> Server:
        if name not in self._servers:
            raise NativeError(f"there is no native server {name}", f"there are: {', '.join(self._servers)}")
        return self._servers[name]

    def _mqtt_server(self) -> mqtt.MqttServer:
        if self.settings.mqtt_url:
            raise NativeError(f"the MQTT broker at {self.settings.mqtt_url} is your own", "ask it, or unset HANAN_MQTT_URL")
        return broker(self.settings)

    def _alive(self, name: str) -> bool:
        return process.find(self.settings.home, name) is not None

    def _start(self, server: Server) -> None:
        if self._alive(server.name):
            lifecycle.greet(self.settings, server, self._progress)
        else:
            found = lifecycle.install(server.program, self._progress)
            lifecycle.start(self.settings, server, found, self._progress)

    def _stop(self, name: str) -> None:
        seconds = self._servers[name].patience_seconds if name in self._servers else _PATIENCE_SECONDS
        lifecycle.stop(self.settings, name, seconds, self._progress)

    def _stop_strays(self) -> list[str]:
        strays = process.marked(self.settings.home)
        for stray in strays:
            with self._progress.step(f"process {stray.pid}, whose pid file is gone: stop") as step:
                step.result = process.stop(stray, _PATIENCE_SECONDS)
        return [str(stray.pid) for stray in strays]

    def _alone(self) -> AbstractContextManager[None]:
        """Two `hanan servers start` of one home: the second waits, then finds everything running."""
        return build.only_one(self.settings.home / "run" / "lock", QuietStep(self._progress), minutes=_LOCK_MINUTES)

    def _each(self, jobs: Mapping[str, Callable[[], T]]) -> dict[str, T]:
        """Runs them side by side to their ends and only then reports: one that fails leaves the others alone."""
        with ThreadPoolExecutor(max_workers=max(1, len(jobs)), thread_name_prefix="native") as pool:
            futures = {name: pool.submit(job) for name, job in jobs.items()}
            try:
                wait(futures.values())
            except BaseException:  # Ctrl-C: those at work notice at their next breath
                self._progress.cancelled.set()
                raise
        raise_all([error for future in futures.values() if isinstance(error := future.exception(), NativeError)])
        return {name: future.result() for name, future in futures.items()}


@contextmanager
def native_stack(settings: Settings, progress: Progress | None = None) -> Iterator[Endpoints]:
    """Starts what is not running, and at the end stops what it started: servers that were there before stay."""
    stack = Stack(settings, progress)
    before = {server.name for server in servers_of(settings) if process.find(settings.home, server.name)}
    try:
        stack.start()
        yield stack.endpoints()
    finally:
        stack.stop(name for name in process.names(settings.home) if name not in before)
