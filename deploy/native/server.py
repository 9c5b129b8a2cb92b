"""What the stack knows of a server: which program it is, how to launch it, when it is ready. One package here for each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.native.progress import Step


@dataclass(frozen=True)
class Found:
    """A program on this machine."""

    path: Path
    version: str
    origin: str

    def __str__(self) -> str:
        return f"{self.version}, {self.origin}"


class Program(Protocol):
    """What is installed once, and may then run several times (three Kafka brokers are one program)."""

    @property
    def name(self) -> str: ...

    def find(self) -> Found | None:
        """The installed one, if there is one that will do."""

    def install(self, step: Step) -> Found:
        """Installs it whole or not at all; NativeError says what is missing."""


@dataclass(frozen=True)
class Launch:
    command: tuple[str, ...]
    cwd: Path


class Server(Protocol):
    """One process. Everything here may be called again after a crash at any point."""

    @property
    def name(self) -> str: ...

    @property
    def program(self) -> Program: ...

    @property
    def ports(self) -> tuple[tuple[int, str], ...]:
        """Each port it listens on, with the setting that moves it."""

    @property
    def start_seconds(self) -> float:
        """How long it may take to answer, when it must first put in order what a crash left."""

    @property
    def patience_seconds(self) -> float:
        """How long it may take to end by itself."""

    def prepare(self, found: Found, step: Step) -> Launch:
        """Writes its configuration, formats its storage the first time."""

    def ready(self) -> bool:
        """Does it answer its own protocol? One short try."""

    def settle(self, step: Step) -> None:
        """What can only be done once it answers: InfluxDB's organisation, buckets and tokens."""

    def explain(self) -> str:
        """What an operator should know at its start, in one line; empty when nothing."""
