"""What both Kafka clients are set to, so that they can stand in for each other."""

from schemas.ports import Position

# The largest record with its framing: a dead letter of 16 MiB, and its reasons. The broker's `message.max.bytes` is above it.
MAX_RECORD_BYTES = 17 * 1024 * 1024

LINGER_MS = 10
BATCH_BYTES = 256 * 1024
# What may wait to be sent. Beyond it `send` raises RetryLater.
QUEUE_RECORDS = 100_000
QUEUE_BYTES = 128 * 1024 * 1024
DELIVERY_TIMEOUT_MS = 30_000
REQUEST_TIMEOUT_MS = 10_000

SESSION_TIMEOUT_MS = 10_000
HEARTBEAT_MS = 3_000
# So long may pass between two polls of a member. It is also how long a group that forms anew waits for members that are no more,
# where the broker was killed too and its successor did not begin to count their silence (seen with Kafka 4.3).
MAX_POLL_INTERVAL_MS = 120_000
# How long a question to the broker (commit, offsets) may take before it becomes RetryLater.
ANSWER_TIMEOUT_MS = 10_000
RECONNECT_MAX_MS = 2_000
# After so long without an answer a connection is given up, and another broker may be asked.
SOCKET_TIMEOUT_MS = 20_000
# So soon a topic, or a partition, made later is noticed.
METADATA_MAX_AGE_MS = 30_000

RETRY_MS = 1_000
FULL_RETRY_MS = 50


# librdkafka (2.16) reads a commit's metadata as a C string but does not end what it received with a zero, so what follows in
# memory is taken for a part of it; its own commits carry the zero. Whoever commits by another way must add it.
_END = "\0"


def metadata_of(position: Position) -> str:
    """What a commit's metadata carry beside the offset: the partition's clock, and how far it was read if further."""
    return f"{position.clock_ms} {position.read}" if position.read else str(position.clock_ms)


def ended(metadata: str) -> str:
    """For clients that store strings as they are."""
    return f"{metadata}{_END}"


def position_of(offset: int, metadata: str | None) -> Position:
    """As it was committed; with only the offset where another program did it."""
    clock, _, read = (metadata or "").partition(_END)[0].partition(" ")
    if not clock.isdecimal() or not (read or "0").isdecimal():
        return Position(offset)
    return Position(offset, int(clock), int(read or 0))
