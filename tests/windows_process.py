"""One process of the aggregate or the store role on the trial stream: `python -m tests.windows_process ROLE SEED`.

The trial stream has all natures of metric and is not one that is registered, so `hanan run` does not know it.
"""

import sys
from random import Random

from deploy.clock import deployment_clock, monotonic_ms
from deploy.metrics import PrometheusMeter
from deploy.native.endpoints import endpoints
from deploy.settings import load_settings
from deploy.stop import Stop
from processors.aggregate import AggregateTasks
from processors.io import clients
from processors.io.influx import InfluxWriter
from processors.io.kafka_read import LogReader, TableReader
from processors.runner import Runner
from processors.store import StoreTasks
from processors.task import Tasks
from processors.windows.roster import Roster
from schemas import topics
from schemas.device import Device
from schemas.kind import Stream
from tests.windows_log import devices, trial

PARTITIONS = 3
TIME_ZONE = "Asia/Shanghai"


def cast(seed: int) -> tuple[Random, Stream, list[Device]]:
    """What the test and its processes know alike."""
    random = Random(seed)
    return random, trial(random), devices(random)


def main() -> None:
    role, seed = sys.argv[1], int(sys.argv[2])
    settings = load_settings()
    places = endpoints(settings)
    bootstrap = places.kafka_bootstrap
    _, stream, fleet = cast(seed)
    tasks: Tasks
    writer = None
    if role == "store":
        tasks = StoreTasks({stream.name: stream})
        tasks.topics.remove(topics.reading(stream.name))  # older than the bucket keeps them
        writer = InfluxWriter(places.influx_url, places.influx_token, places.influx_org)
    else:
        tasks = AggregateTasks(
            TableReader(bootstrap, topics.DEVICE), LogReader(bootstrap), TIME_ZONE, PARTITIONS, {stream.name: stream}
        )
        tasks.refresh()
        tasks._roster = Roster(fleet)
    Runner(
        clients.open_source(settings.kafka_client, bootstrap, f"trial-{role}", role),
        clients.open_batch_sink(settings.kafka_client, bootstrap, role),
        tasks,
        clock=deployment_clock(settings),
        meter=PrometheusMeter(role),
        monotonic_ms=monotonic_ms,
        writer=writer,
    ).run(Stop())


if __name__ == "__main__":
    main()
