"""The loop that every role runs: poll -> feed -> write -> flush -> commit.

What it promises: a position is committed only when all that came of the records before it is safe. Whatever dies in between,
the records after the last commit are read again, by this process or another, and overwrite what they wrote before.
"""

import gc
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from processors.points import ts_ms
from processors.store import refused
from processors.task import Output, Point, Task, Tasks
from schemas.dead import to_record
from schemas.fields import READINGS
from schemas.ports import (
    Clock,
    CommitRefused,
    Meter,
    OutRecord,
    Partition,
    PointWriter,
    Position,
    Record,
    RecordSink,
    RecordSource,
    RetryLater,
)
from schemas.reason import Reason
from schemas.topics import stream_of

log = structlog.get_logger()

_AGES = 500  # of a batch's points, to be looked at


@dataclass(frozen=True, slots=True)
class Pace:
    """How much at once and how long to wait. Times are of the machine's monotonic clock, not of the deployment's."""

    batch: int = 5_000  # of what waits; what a batch costs by itself (a flush, a commit, a look at tables) is divided by it
    poll_ms: int = 100
    linger_ms: int = 40  # a batch of some size costs a fraction of many small ones
    commit_ms: int = 500
    flush_ms: int = 10_000


@dataclass(slots=True)
class Seat:
    """One assigned partition: its task, where the task's own records begin, and what it made that is not yet safe."""

    task: Task
    begin: int
    read: int = 0
    output: Output | None = None
    safe: Position | None = None


class Runner:
    """One process of a role. Not thread-safe: `step` is called by one thread, and calls everything else."""

    def __init__(
        self,
        source: RecordSource,
        sink: RecordSink,
        tasks: Tasks,
        *,
        clock: Clock,
        meter: Meter,
        monotonic_ms: Callable[[], int],
        sleep: Callable[[float], None] = time.sleep,
        writer: PointWriter | None = None,
        pace: Pace = Pace(),
    ) -> None:
        self._source, self._sink, self._writer, self._tasks = source, sink, writer, tasks
        self._clock, self._meter, self._monotonic_ms, self._sleep, self._pace = clock, meter, monotonic_ms, sleep, pace
        self._seats: dict[Partition, Seat] = {}
        self._waiting: set[Partition] = set()  # assigned, not yet started
        self._given_up = False  # a task, whose memory is still taken
        self._retry_at_ms = 0
        self._commit_at_ms = 0
        self._committed: dict[Partition, Position] = {}
        source.subscribe(tasks.topics, self)

    # The group's decisions, from inside poll

    def on_assign(self, partitions: Sequence[Partition]) -> None:
        """Only noted here: starting asks the broker, and the group is waiting."""
        self._waiting.update(partitions)

    def on_revoke(self, partitions: Sequence[Partition]) -> None:
        """Commits what is safe. What is not is dropped: the successor reads those records again."""
        try:
            self._commit(partitions)
        except (RetryLater, CommitRefused) as refusal:
            log.info("revoked_without_commit", why=str(refusal))
        self.on_lost(partitions)

    def on_lost(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            self._waiting.discard(partition)
            self._given_up |= self._seats.pop(partition, None) is not None
            self._committed.pop(partition, None)

    # The loop

    def run(self, stop: Callable[[], bool]) -> None:
        """Until `stop()`. Leaves the group in order, with everything safe committed."""
        try:
            while not stop():
                self.step()
        finally:
            self.close()

    def close(self) -> None:
        self.on_revoke(list(self._seats))
        self._source.close()
        self._sink.close()
        if self._writer:
            self._writer.close()

    def step(self) -> None:
        """One turn. While anything is unsafe, or a wait is asked for, nothing new is read; but the group hears of us."""
        try:
            if self._monotonic_ms() < self._retry_at_ms:
                self._keep_alive()
                return
            self._start_waiting()
            if not self._unsafe():
                self._tasks.refresh()  # before the poll: it may ask to wait, and what was polled must be fed
                self._feed(self._gather())
            self._make_safe()
            if self._monotonic_ms() >= self._commit_at_ms:
                self._commit(list(self._seats))
        except RetryLater as later:
            self._retry_at_ms = self._monotonic_ms() + later.after_ms
            self._meter.add("retries", 1)
            log.warning("retry_later", why=later.why, after_ms=later.after_ms)
        except CommitRefused as refusal:
            log.info("commit_refused", why=str(refusal))  # the callbacks that follow will say what is left to us

    def _unsafe(self) -> bool:
        return any(seat.output for seat in self._seats.values())

    def _keep_alive(self) -> None:
        """Polls with everything paused, so that a wait for a database does not cost the place in the group."""
        held = list(self._seats)
        self._source.pause(held)
        self._feed(self._source.poll(self._pace.batch, self._pace.poll_ms))
        self._source.resume(partition for partition in held if partition in self._seats)

    # 0. start

    def _start_waiting(self) -> None:
        if self._given_up:  # tasks hold themselves in circles, and a process that makes no others looks for those all but never
            self._given_up = False
            gc.collect()
        if not self._waiting:
            return
        self._tasks.refresh(up_to_now=True)
        committed = self._source.committed(self._waiting)  # in one question: a role may hold a hundred partitions
        for partition in sorted(self._waiting):
            self._start(partition, committed[partition])
            self._waiting.discard(partition)
        log.info("assigned", partitions=[f"{topic}/{number}" for topic, number in sorted(self._seats)])

    def _start(self, partition: Partition, committed: Position | None) -> None:
        """Seeks to where the last holder left off, or as far before it as the task must remember."""
        first, end = self._source.bounds([partition])[partition]
        begin = committed or Position(first)
        if not first <= begin.offset <= end:
            # Retention overtook us, or the log was replaced: not to be passed over in silence
            lost = max(0, first - begin.offset)
            self._meter.add("offsets_lost", lost, stream=stream_of(partition.topic))
            log.error("committed_offset_not_retained", partition=partition, committed=begin.offset, first=first, lost=lost)
            begin = Position(first, begin.clock_ms)
        memory_ms = self._tasks.memory_ms(partition)
        warm_from = begin.offset
        if memory_ms and begin.clock_ms:
            warm_from = min(begin.offset, self._source.offsets_at([partition], begin.clock_ms - memory_ms)[partition])
        self._seats[partition] = Seat(self._tasks.start(partition, begin), begin.offset)
        self._source.seek(partition, warm_from)

    # 1. poll and feed

    def _gather(self) -> list[Record]:
        """A batch: what there is, and what comes within the linger after it."""
        records = self._source.poll(self._pace.batch, self._pace.poll_ms)
        if records and len(records) < self._pace.batch and self._pace.linger_ms:
            self._sleep(self._pace.linger_ms / 1_000)
            records += self._source.poll(self._pace.batch - len(records), 0)
        return records

    def _feed(self, records: Sequence[Record]) -> None:
        by_partition: dict[tuple[str, int], list[Record]] = defaultdict(list)
        for record in records:
            by_partition[record[:2]].append(record)
        for (topic, number), batch in by_partition.items():
            partition = Partition(topic, number)
            seat = self._seats.get(partition)
            if seat is None or partition in self._waiting:
                continue  # read before the seek of its start
            if batch[0].offset < seat.begin:
                seat.task.warm([record for record in batch if record.offset < seat.begin])
                batch = [record for record in batch if record.offset >= seat.begin]  # noqa: PLW2901
            if batch:
                seat.output = seat.task.feed(batch)
                seat.read = batch[-1].offset + 1
        if records:
            self._meter.add("records_read", len(records))

    # 2. write, 3. flush

    def _make_safe(self) -> None:
        outputs = [seat.output for seat in self._seats.values() if seat.output]
        if not outputs:
            return
        self._write(outputs)
        records = [record for output in outputs for record in output.records]
        if records:
            self._send(records)
            self._sink.flush(self._pace.flush_ms)
        self._count(outputs)
        for seat in self._seats.values():
            if seat.output:
                position = seat.task.position()
                seat.output, seat.safe = None, position._replace(read=seat.read) if position.offset < seat.read else position

    def _send(self, records: Sequence[OutRecord]) -> None:
        sent = 0
        while (sent := sent + self._sink.send_all(records[sent:] if sent else records)) < len(records):
            self._sink.flush(self._pace.flush_ms)  # the local queue is full: make room

    def _write(self, outputs: Sequence[Output]) -> None:
        """Points to their buckets; refused ones become dead letters among the records of their output."""
        by_bucket: dict[str, list[tuple[Output, Point]]] = defaultdict(list)
        for output in outputs:
            for point in output.points:
                by_bucket[point[0]].append((output, point))
        assert self._writer or not by_bucket, "a role with points needs a writer"
        for bucket, pairs in by_bucket.items():
            assert self._writer
            refusals = self._writer.write(bucket, [line for _, (_, line, _) in pairs])
            now_ms = self._clock.now_ms()
            buried: set[tuple[str, int, int]] = set()  # a record of many points makes one letter, with the first reason
            for refusal in refusals:
                output, point = pairs[refusal.index]
                source = point.source
                if (place := source[:3]) not in buried:
                    buried.add(place)
                    letter = refused(source, Reason.REFUSED_BY_STORE, refusal.why)
                    output.records.append(to_record(letter))
                output.counts["dead", stream_of(source.topic), Reason.REFUSED_BY_STORE.value] += 1
            self._time(bucket, pairs, now_ms)
        for output in outputs:
            output.points = []  # safe now; a retry of the flush must not write them again

    def _time(self, bucket: str, pairs: Sequence[tuple[Output, Point]], now_ms: int) -> None:
        """How long after its receipt, and how long after its own time, a point is stored; the latter of some of many."""
        latencies: dict[str, list[int]] = defaultdict(list)
        for _, (_, _, source) in pairs:
            latencies[source[0]].append(now_ms - source[-1])
        for topic, values in latencies.items():
            self._meter.observe("stored_after_ms", values, stream=stream_of(topic), bucket=bucket)
            self._meter.set("last_stored_ms", now_ms - min(values), stream=stream_of(topic), bucket=bucket)
        if bucket == READINGS:
            ages: dict[str, list[int]] = defaultdict(list)
            for _, (_, text, source) in pairs[:: len(pairs) // _AGES + 1]:
                ages[source[0]].append(now_ms - ts_ms(text))
            for topic, values in ages.items():
                self._meter.observe("stored_age_ms", values, stream=stream_of(topic))

    def _count(self, outputs: Sequence[Output]) -> None:
        total: Counter[tuple[str, str, str]] = Counter()
        for output in outputs:
            total.update(output.counts)
        for (name, stream, reason), amount in total.items():
            labels = {"stream": stream, "reason": reason} if reason else {"stream": stream}
            self._meter.add(name, amount, **labels)

    # 4. commit

    def _commit(self, partitions: Sequence[Partition]) -> None:
        """The safe positions that moved since the last commit."""
        moved = {
            partition: seat.safe
            for partition in partitions
            if (seat := self._seats.get(partition)) and seat.safe and seat.safe != self._committed.get(partition)
        }
        self._commit_at_ms = self._monotonic_ms() + self._pace.commit_ms
        if moved:
            self._source.commit(moved)
            self._committed |= moved
