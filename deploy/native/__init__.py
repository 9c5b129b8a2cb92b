"""Real Kafka, Mosquitto and InfluxDB as child processes on loopback, from package registries, without Docker."""

from deploy.native.endpoints import Credential, Endpoints, endpoints
from deploy.native.problems import NativeError
from deploy.native.progress import Progress, QuietProgress, progress_to
from deploy.native.stack import Stack, native_stack

__all__ = [
    "Credential",
    "Endpoints",
    "NativeError",
    "Progress",
    "QuietProgress",
    "Stack",
    "endpoints",
    "native_stack",
    "progress_to",
]
