"""Waiting for what is on its way, stage by stage; and the places that commits speak of."""

from collections.abc import Iterable

from deploy.observe import Drain
from deploy.roles.reads import Reads
from processors.io import kafka_common as common
from schemas.ports import Partition, Position

RAW, READING = Partition("raw.x", 0), Partition("reading.x", 0)
STAGES = (Reads("validate", ("raw.x",)), Reads("store", ("reading.x",)))


class Broker:
    """What an `Admin` would say."""

    def __init__(self) -> None:
        self.end = {RAW: 10, READING: 7}
        self.at: dict[Partition, Position] = {}

    def partitions(self, topics: Iterable[str]) -> list[Partition]:
        return [partition for partition in self.end if partition.topic in set(topics)]

    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        return {partition: self.end[partition] for partition in partitions}

    def firsts(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        return dict.fromkeys(partitions, 0)

    def committed(self, _group: str, partitions: Iterable[Partition]) -> dict[Partition, Position]:
        return {partition: self.at[partition] for partition in partitions if partition in self.at}


def test_what_comes_after_it_was_asked_is_not_waited_for() -> None:
    broker = Broker()
    drained = Drain(broker, STAGES)  # type: ignore[arg-type]
    assert not drained()
    broker.end[RAW] = 12  # ticks go on
    broker.at[RAW] = Position(10)
    assert not drained()
    broker.end[READING] = 20
    broker.at[READING] = Position(7)  # what validate had written by then
    assert drained()
    assert drained()


def test_what_is_held_back_but_read_is_no_lag() -> None:
    broker = Broker()
    broker.at = {RAW: Position(2, 5, 10), READING: Position(0, 5, 7)}
    assert Drain(broker, STAGES)()  # type: ignore[arg-type]


def test_a_commit_carries_the_clock_and_how_far_was_read() -> None:
    for position in (Position(3), Position(3, 77), Position(3, 77, 9)):
        assert common.position_of(3, common.metadata_of(position)) == position
        assert common.position_of(3, common.ended(common.metadata_of(position)) + "rubbish") == position
    assert common.position_of(3, None) == common.position_of(3, "another program's") == Position(3)
