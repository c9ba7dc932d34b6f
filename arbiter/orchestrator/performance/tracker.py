"""The performance tracker (ARBITER-004): what happened, kept durably, summed up, exported for learning.

`record` returns when the event is durable. `offer` never waits: the event is buffered, and promises nothing but to be
counted if it is dropped. The buffer is written when it is half full, every `flush_interval_ms`, and at stop.

While the store is away, whoever guards the tracker lets `spool` answer for `record`: the event is durable on disk, and
replayed in order when the store is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

import structlog
from opentelemetry.trace import Span, get_current_span

from arbiter.checks import health_check
from arbiter.errors import LifecycleStateError
from arbiter.operation import operation
from arbiter.orchestrator.performance.contents import Store
from arbiter.orchestrator.performance.cursors import next_link, next_sample, place, position
from arbiter.orchestrator.performance.intake import Intake
from arbiter.orchestrator.performance.lookout import Lookout
from arbiter.orchestrator.performance.models import (
    AgentPerformance,
    AgentSummary,
    Anomalies,
    ChainReport,
    PerformanceEvent,
    Summary,
    TrainingBatch,
)
from arbiter.orchestrator.performance.queue import BATCH
from arbiter.orchestrator.performance.settings import PerformanceSettings
from arbiter.orchestrator.performance.training import Anonymizer, sample
from arbiter.protocols import CheckResult, Clock, EventSink, Live, Measurement, Status

__all__ = ["PerformanceTracker"]

log = structlog.get_logger(__name__)

_DAY_S: Final = 86_400.0


class PerformanceTracker:
    """Takes events, keeps them, and says what they add up to.

    Args:
        store: where events are kept.
        settings: the `[performance]` section, read at each use; its key is read once.
        clock: for the flush interval and the age of events.
        alarms: told when an agent's performance begins to be out of the ordinary, and when that is over.
    """

    def __init__(
        self,
        store: Store,
        settings: Live[PerformanceSettings],
        clock: Clock,
        alarms: EventSink | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._lookout = Lookout(store, clock, alarms, self.offer)
        self._intake = Intake(store, settings.current, clock, self._lookout.count)
        self._names = Anonymizer(settings.current.anonymization_key.get_secret_value())
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take events, write them in time, and delete those that are too old, now and once a day."""
        if self._background:
            raise LifecycleStateError("The performance tracker is started already.")
        await self._intake.start()
        self._background = [
            asyncio.create_task(self._flush_in_time(), name="arbiter-tracker-flush"),
            asyncio.create_task(self._delete_old(), name="arbiter-tracker-retention"),
            asyncio.create_task(self._lookout.run(), name="arbiter-tracker-watch"),
        ]

    async def stop(self) -> None:
        """Take no more, and write everything that waits; into the spool, where the store is away.

        Raises:
            SpoolRefused: neither took it; the events are counted as dropped.
        """
        if not self._background:
            return
        background, self._background = self._background, []
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await self._intake.stop()

    async def check(self) -> CheckResult:
        """Whether events are taken, and the store answers."""
        self._ensure_started()
        await self._store.ping()
        return CheckResult(Status.PASS, f"{self._intake.offered} buffered, {self._intake.dropped} dropped")

    @health_check(critical=False)
    async def buffer(self) -> CheckResult:
        """Whether what is offered gets written, and whether there is room for more."""
        intake, size = self._intake, self._settings.current.buffer_size
        if intake.failure is not None:
            return CheckResult(
                Status.WARN,
                f"the last events could not be written; {intake.offered} wait, {intake.spooled} on disk",
            )
        if intake.spooled:
            return CheckResult(Status.WARN, f"{intake.spooled} events wait on disk")
        if intake.offered >= size:
            return CheckResult(
                Status.FAIL, f"the buffer is full, events are dropped: {intake.offered} of {size}"
            )
        if intake.offered >= 0.9 * size:
            return CheckResult(Status.WARN, f"the buffer is nearly full: {intake.offered} of {size}")
        return CheckResult(Status.PASS, f"{intake.offered} of {size} buffered, {intake.dropped} dropped")

    @operation(fallback="spool")
    async def record(self, event: PerformanceEvent) -> bool:
        """Store one event, and return when it is durable. Concurrent calls share a commit.

        Returns:
            False when an event of this id is stored already: it is left as it is.

        Raises:
            StorageError: it was not stored.
            LifecycleStateError: before start or after stop.
        """
        self._ensure_started()
        return await self._intake.record((event,), _annotated(event)) == 1

    @operation(fallback="spool_all")
    async def record_all(self, events: Sequence[PerformanceEvent]) -> int:
        """Store several events in their order, and return when all are durable.

        Returns:
            How many were new.

        Raises:
            StorageError: some were not stored, none behind the first of these; recording all of them again is safe.
            LifecycleStateError: before start or after stop.
        """
        self._ensure_started()
        new, origin = 0, _recorded_span()
        for begin in range(0, len(events), BATCH):
            new += await self._intake.record(events[begin : begin + BATCH], origin)
        return new

    @operation(guarded=False)
    async def spool(self, event: PerformanceEvent) -> bool:
        """Keep one event on disk until the store is back; True when it is durable.

        Raises:
            SpoolRefused: it was not kept.
            LifecycleStateError: before start or after stop.
        """
        return await self.spool_all((event,)) == 1

    @operation(guarded=False)
    async def spool_all(self, events: Sequence[PerformanceEvent]) -> int:
        """Keep several events on disk, in their order, until the store is back.

        Returns:
            How many were kept: all; those that the store knows by then are passed over.

        Raises:
            SpoolRefused: some were not kept, none behind the first of these.
            LifecycleStateError: before start or after stop.
        """
        self._ensure_started()
        await self._intake.spool(events)
        return len(events)

    def offer(self, event: PerformanceEvent) -> bool:
        """Take one event if there is room for it; never waits. On the event loop only.

        Returns:
            False when it was dropped: the buffer is full and `overflow` is "newest", or the tracker is not started.
            With "oldest", the event that waited longest is dropped in its place. Drops are counted.
        """
        if not self._background:
            self._intake.dropped += 1
            return False
        return self._intake.offer(event, self._settings.current, _annotated(event))

    async def flush(self) -> None:
        """Return when everything that was offered until now is durable; raises StorageError."""
        self._ensure_started()
        await self._intake.flush()

    async def summary(self) -> Summary:
        """What all events add up to, buffered ones included."""
        await self.flush()
        return await self._store.summarize(None)

    async def agent_summary(self, agent_id: str) -> AgentSummary:
        """What one agent's events add up to, buffered ones included; zeros for an agent without events."""
        await self.flush()
        summary = await self._store.summarize(agent_id)
        return AgentSummary(agent_id=agent_id, **dict(summary))

    async def agent_performance(self, agent_id: str) -> AgentPerformance:
        """How one agent does now over each window, next to how it usually does; of this instance's knowledge."""
        return self._lookout.performance(agent_id)

    async def anomalies(self) -> Anomalies:
        """Everything that is out of the ordinary now, the oldest first."""
        return self._lookout.anomalies()

    async def training_batches(self, limit: int = 100, cursor: str = "") -> TrainingBatch:
        """The next batch of training samples: completed executions, anonymised, in the order of storing.

        Args:
            limit: how many samples at most.
            cursor: `next` of the batch before; empty for the first.

        Raises:
            CursorInvalid: the cursor is none of ours.
        """
        after = position(cursor)
        await self.flush()
        found = await self._store.completions(after, limit + 1)
        shown, now = found[:limit], self._clock.now()
        return TrainingBatch(
            samples=tuple(sample(one.event, self._names, now) for one in shown),
            key_id=self._names.key_id,
            next=next_sample(shown[-1].position) if len(found) > len(shown) else None,
        )

    async def verify(self, limit: int = 10_000, cursor: str = "") -> ChainReport:
        """Look at the integrity hashes of the next stored events.

        Args:
            limit: how many at most: ten thousand take a fraction of a second.
            cursor: `next` of the report before; empty to begin.

        Raises:
            CursorInvalid: the cursor is none of ours.
        """
        report, last = await self._store.verify(place(cursor), limit)
        if report.broken_at is not None or report.events < limit or last is None:
            return report
        return report.model_copy(update={"next": next_link(last)})

    def measurements(self) -> Iterable[Measurement]:
        """Events that wait, were written, were known already, were dropped."""
        return self._intake.measurements()

    def _ensure_started(self) -> None:
        if not self._background:
            raise LifecycleStateError(
                "The performance tracker is not started.", hint="Start it, or the container that holds it."
            )

    async def _flush_in_time(self) -> None:
        while True:
            await self._clock.sleep(self._settings.current.flush_interval_ms / 1000)
            await self._intake.catch_up()

    async def _delete_old(self) -> None:
        while True:
            oldest = self._clock.now() - timedelta(days=self._settings.current.retention_days)
            try:
                deleted = await self._store.delete_recorded_before(oldest)
            except Exception:
                log.exception("old events could not be deleted; trying again tomorrow")
            else:
                log.debug("old events deleted", deleted=deleted)
            await self._clock.sleep(_DAY_S)


def _recorded_span() -> Span | None:
    span = get_current_span()
    return span if span.is_recording() else None


def _annotated(event: PerformanceEvent) -> Span | None:
    """The span in which the event came, where it is recorded, with what the event is about on it."""
    span = _recorded_span()
    if span is not None:
        about = {"type": event.type, "agent_id": event.agent_id, "task_id": event.task_id}
        span.set_attributes({f"arbiter.tracker.{key}": str(value) for key, value in about.items() if value})
    return span
