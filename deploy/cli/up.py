"""`hanan up`: everything, by one command, until Ctrl-C."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Annotated, Literal

import structlog
import typer
from rich.console import Console
from rich.live import Live

from deploy import children, durations
from deploy.alarms import alarms
from deploy.alert_topic import AlertsNow
from deploy.board import alerts_lines, board, streams_table
from deploy.cli.common import FAILED, USAGE, Json, clear_errors, fail, print_json
from deploy.cli.feed import default_data
from deploy.clock import deployment_clock, monotonic_ms
from deploy.demo.city.district import load_district
from deploy.demo.city.registry import district_devices
from deploy.demo.recordings import RecordingError, recorded_devices
from deploy.health_points import HealthKeeper
from deploy.native.endpoints import endpoints
from deploy.native.problems import NativeError
from deploy.native.progress import progress_to
from deploy.native.stack import Stack
from deploy.observe import Drain, observe
from deploy.operation import FLOW, Operation, OperationError
from deploy.prepare import ensure_topics, load_registry
from deploy.roles.wiring import open_sink
from deploy.settings import Settings
from deploy.stop import Stop
from deploy.watch import StreamRow, Watch
from processors.io.kafka_admin import Admin, WrongTopic
from schemas.alert import Alert
from schemas.device import Device
from schemas.ports import RetryLater

log = structlog.get_logger()

Feed = Literal["city", "recordings", "none"]
_FEEDS: Mapping[str, tuple[Sequence[str], Callable[[], Iterable[Device]]]] = {
    "city": (["simulate"], lambda: district_devices(load_district())),
    "recordings": (["feed", "--speed", "60"], lambda: recorded_devices(default_data())),
}
"""The command that speaks, and the devices it speaks for beside those of the registry's file."""

_LOOK_SECONDS = 1.0
_SAY_SECONDS = 15.0  # where there is no terminal, the table is printed from time to time
_DRAIN_SECONDS = 30.0


def up(
    for_: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="End after this long, with a summary: 90s, 2m, 1h.")
    ] = "",
    feed: Annotated[Feed, typer.Option(help="The simulated city, the recordings, or nobody.")] = "city",
    broker: Annotated[
        Literal["mosquitto", "rabbitmq"] | None, typer.Option(help="Which MQTT broker, whatever HANAN_MQTT_BROKER says.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Processes of each role.")] = 1,
    keep_servers: Annotated[bool, typer.Option("--keep-servers", help="Leave the servers running at the end.")] = False,
    as_json: Json = False,
) -> None:
    """Start servers, topics, registry, roles and a feed; show a live table; stop all of it at Ctrl-C.

    Exit code 0 when all that was fed is stored, 1 when a role ended or something was left on its way.
    """
    if broker:
        os.environ["HANAN_MQTT_BROKER"] = broker  # for the roles and the feed as well
    with clear_errors() as settings:
        try:
            seconds = durations.seconds(for_) if for_ else float("inf")
        except ValueError as error:
            fail(f"--for: {error}", USAGE)
        if others := [one.name for one in children.running(settings.home)]:
            fail(f"roles of this home run already ({', '.join(others)}); `hanan status` shows them, `hanan down` stops them")
        run = Run(settings, Operation(settings))
        try:
            run.start(feed, workers)
            run.show(seconds)
        except (OperationError, NativeError, RetryLater, WrongTopic, RecordingError) as error:
            run.problem = str(error)
        except KeyboardInterrupt:
            run.problem = "interrupted while starting; what was finished is kept"
        finally:
            run.stop(keep_servers)
        run.report(as_json)
        if run.problem or not run.drained:
            raise typer.Exit(FAILED)


class Run:
    """One `hanan up`, from its start to its summary."""

    def __init__(self, settings: Settings, operation: Operation) -> None:
        self._settings, self._operation = settings, operation
        self._clock = deployment_clock(settings)
        self._watch = Watch()
        self._keep_health = HealthKeeper(settings, self._clock)
        self._admin: Admin | None = None
        self._alerts: AlertsNow | None = None
        self._open: list[Alert] = []
        self._began = time.monotonic()
        self._rows: list[StreamRow] = []
        self.problem = ""
        self.drained = True

    def start(self, feed: Feed, workers: int) -> None:
        with progress_to(sys.stderr) as progress:
            Stack(self._settings, progress).start()
            self._admin = Admin(endpoints(self._settings).kafka_bootstrap)
            ensure_topics(self._settings, self._admin, progress)
            self._alerts = AlertsNow(self._settings)
            with closing(open_sink(self._settings, "hanan-up")) as sink:
                load_registry(self._settings, sink, progress, _FEEDS[feed][1]() if feed in _FEEDS else ())
            self._operation.start_roles(dict.fromkeys(FLOW, workers), progress)
            if feed in _FEEDS:
                self._operation.start_feed(_FEEDS[feed][0])
            progress.note(f"ready after {time.monotonic() - self._began:.1f} s; Ctrl-C stops everything")

    def show(self, seconds: float) -> None:
        """The live table, until it is time, Ctrl-C, or a role ends."""
        stop = Stop()
        end = time.monotonic() + seconds
        console = Console(stderr=True)
        said = time.monotonic()
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while not stop() and time.monotonic() < end:
                self._operation.require_alive()
                self._look()
                lines = [self._operation.feed_state(), f"up for {time.monotonic() - self._began:.0f} s; Ctrl-C stops everything"]
                now_ms = self._clock.now_ms()
                if console.is_terminal:
                    live.update(board(self._watch, self._open, now_ms, lines), refresh=True)
                elif time.monotonic() - said >= _SAY_SECONDS:
                    said = time.monotonic()
                    console.print(streams_table(self._rows, now_ms), alerts_lines(self._open, now_ms))
                time.sleep(min(_LOOK_SECONDS, max(0.0, end - time.monotonic())))

    def stop(self, keep_servers: bool) -> None:
        """In order, and to the end: the second Ctrl-C is the impatient one."""
        with progress_to(sys.stderr) as progress:
            self.drained = self._operation.stop(self._nothing_left(), _DRAIN_SECONDS, progress)
            for client in (self._admin, self._alerts):
                if client:
                    client.close()
            if not keep_servers:
                Stack(self._settings, progress).stop()

    def report(self, as_json: bool) -> None:
        if as_json:
            streams = [asdict(row) for row in self._rows]
            lost = list(alarms(self._watch.latest))
            counts = {"streams": streams, "open_alerts": len(self._open)}
            print_json(counts | {"drained": self.drained, "problem": self.problem, "alarms": lost})
            return
        console = Console()
        if self._rows:
            now_ms = self._clock.now_ms()
            console.print(streams_table(self._rows, now_ms), alerts_lines(self._open, now_ms))
        for line in alarms(self._watch.latest):
            console.print(f"[red]{line}[/red]", highlight=False)
        elapsed = f"{time.monotonic() - self._began:.0f} s"
        if self.problem:
            console.print(f"[red]{self.problem}[/red]", highlight=False)
        elif not self.drained:
            console.print("[yellow]not all was stored: Kafka keeps the rest, and it goes on at the next start[/yellow]")
        else:
            console.print(f"[green]ended in order after {elapsed}; all that came in is stored[/green]", highlight=False)

    def _nothing_left(self) -> Callable[[], bool]:
        drain: Drain | None = None  # begun when it is first asked, which is after the feed has stopped

        def asked() -> bool:
            nonlocal drain
            if self._admin is None:
                return True
            self._look()
            try:
                drain = drain or Drain(self._admin)
                return drain()
            except RetryLater:
                return False

        return asked

    def _look(self) -> None:
        self._watch.add(observe(self._settings, monotonic_ms(), self._admin))
        self._rows = self._watch.streams()
        self._keep_health(self._watch)
        if self._alerts:
            try:
                self._open = self._alerts.look().open()
            except RetryLater as later:
                log.debug("alerts_unknown", why=str(later))
