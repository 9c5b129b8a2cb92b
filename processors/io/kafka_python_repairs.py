"""Faults of kafka-python 3.0.12, mended from outside.

Each has a contract test that fails without its repair; with a release of the library that passes them this module can go.
"""

import socket
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from kafka import KafkaConsumer
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket
from kafka.structs import TopicPartition

T = TypeVar("T")


class TidySocket(KafkaNetSocket):  # type: ignore[misc]  # the library has no types
    """Closes what could not connect. The library leaves that to the garbage collector, and tries again twice a second."""

    SCHEMES = ("tidy",)  # the way in that the library has for other sockets: the scheme of its `proxy_url`

    async def sock_connect(self, net: Any, sock: socket.socket, sockaddr: Any, timeout_at: float | None = None) -> socket.socket:
        try:
            connected: socket.socket = await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise
        return connected


def connect(make: Callable[..., T], **config: Any) -> tuple[T, KafkaNetClient]:
    """An object of the library and the client under it. One that finds nobody would leave a thread behind that tries for ever."""
    clients: list[KafkaNetClient] = []

    def make_client(**settings: Any) -> KafkaNetClient:
        clients.append(KafkaNetClient(**settings))
        return clients[0]

    try:
        return make(**config, proxy_url="tidy://", kafka_client=make_client), clients[0]
    except KafkaError:
        for client in clients:
            client.close()
        raise


class PatientCoordinator(ConsumerCoordinator):  # type: ignore[misc]  # the library has no types
    """The library's, but for three things.

    - It throws away the outcome of a join that came while nobody was in `poll`, and joins anew, which makes every other member
      join anew: with polls shorter than a rebalance takes, a group may go round for ever
      (`test_two_members_share_and_one_inherits`).
    - A partition that a member gave up and got back in the same rebalance goes on being barred as one that is being given up, and
      is never read again (`test_what_is_revoked_may_still_be_committed`).
    - An answer for which nobody waits any more is handed to whoever next asks for committed offsets, however old it is
      (`test_questions_ask_to_retry_later_while_kafka_is_away`).
    """

    _unclaimed: tuple[Any, bytes] | None = None

    async def _do_join_and_sync_async(self) -> bytes:
        unclaimed, self._unclaimed = self._unclaimed, None
        if unclaimed and self.rebalance_in_progress() and unclaimed[0] == self._generation:
            return unclaimed[1]
        assignment: bytes = await super()._do_join_and_sync_async()
        self._unclaimed = self._generation, assignment
        return assignment

    async def _on_join_complete_async(self, *args: Any) -> None:
        self._unclaimed = None
        await super()._on_join_complete_async(*args)

    async def _on_join_prepare_async(self, *args: Any, **kwargs: Any) -> None:
        await super()._on_join_prepare_async(*args, **kwargs)
        self._subscription.assign_from_subscribed([])

    async def fetch_committed_offsets_async(self, partitions: Collection[TopicPartition], timeout_ms: float | None = None) -> Any:
        try:
            return await super().fetch_committed_offsets_async(partitions, timeout_ms)
        except KafkaError:
            self._offset_fetch_futures.pop(frozenset(partitions), None)
            raise


def mend(consumer: KafkaConsumer) -> None:
    """To be done once, before the first `poll`."""
    consumer._coordinator.__class__ = PatientCoordinator  # noqa: SLF001  # the library takes no coordinator of ours


def before_poll(consumer: KafkaConsumer) -> None:
    """To be done before each `poll`.

    What was fetched for a partition and not yet handed out is put aside when the partition is paused, and taken up again only if
    the fetcher holds nothing at all; but it goes on holding a batch that is used up. So the partition would stay silent for ever
    (`test_paused_partitions_rest_and_then_miss_nothing`).
    """
    fetcher = consumer._fetcher  # noqa: SLF001
    if not fetcher._next_partition_records:  # noqa: SLF001
        fetcher._next_partition_records = None  # noqa: SLF001
