"""The way in: events go to the store, and to the spool while the store is away or older ones still wait there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import structlog
from opentelemetry.trace import Span

from arbiter.orchestrator.performance.contents import Store, Stored
from arbiter.orchestrator.performance.models import PerformanceEvent
from arbiter.orchestrator.performance.queue import BATCH, EventQueue
from arbiter.orchestrator.performance.settings import PerformanceSettings
from arbiter.orchestrator.performance.spool import Spool
from arbiter.protocols import Clock, Measurement

__all__ = ["Intake"]

log = structlog.get_logger(__name__)


class Intake:
    """Takes events in, in their order.

    Args:
        store: where they are to be.
        settings: for the spool, read once.
        clock: for the moment of storing.
        stored: told of each batch and of what of it was new, once that is in the store.

    Attributes:
        dropped: how many offered events were dropped.
    """

    def __init__(
        self,
        store: Store,
        settings: PerformanceSettings,
        clock: Clock,
        stored: Callable[[Stored, Sequence[PerformanceEvent], datetime], None],
    ) -> None:
        self._queue = EventQueue(store, clock, stored)
        directory = Path(settings.spool_dir) if settings.spool_dir else None
        self._spool = Spool(directory, store.identity, settings.spool_max_mb * 1_000_000)
        self._spooling = EventQueue(self._spool, clock)
        self._replaying = asyncio.Lock()
        self.dropped = 0

    @property
    def offered(self) -> int:
        """Offered events that wait in memory."""
        return self._queue.offered

    @property
    def spooled(self) -> int:
        """Events that wait on disk."""
        return self._spool.pending

    @property
    def failure(self) -> Exception | None:
        """Why the last batch could not be stored; None once one was."""
        return self._queue.failure

    async def start(self) -> None:
        """Take over what an earlier process left on disk."""
        await self._spool.start()

    async def stop(self) -> None:
        """Write everything that waits; into the spool, where the store is away.

        Raises:
            SpoolRefused: neither took it; the events are counted as dropped.
        """
        try:
            await self._queue.write()
        except Exception as error:  # noqa: BLE001  whatever the store suffers, the events are kept
            await self._spool_offered(error)
        finally:
            await self._spool.stop()

    def record(self, events: Sequence[PerformanceEvent], origin: Span | None = None) -> Awaitable[int]:
        """Store up to `BATCH` events; how many were new. Raises StorageError.

        Args:
            events: what is recorded.
            origin: the span in which that was asked for, where it is recorded.
        """
        # No coroutine of ours stands between the caller and the commit: twenty thousand a second come this way.
        return self._behind_the_spool(events) if self._spool.pending else self._queue.write(events, origin)

    async def spool(self, events: Sequence[PerformanceEvent]) -> None:
        """Keep events on disk until the store is back; raises SpoolRefused, and keeps none behind that."""
        for begin in range(0, len(events), BATCH):
            await self._spooling.write(events[begin : begin + BATCH])

    def offer(self, event: PerformanceEvent, settings: PerformanceSettings, origin: Span | None) -> bool:
        """Take one event if there is room for it, or if room can be made; False when it was dropped."""
        if self._queue.offered >= settings.buffer_size:
            self.dropped += 1
            if settings.overflow == "newest" or not self._queue.take_offered(1):
                return False
        self._queue.put(event, origin)
        if 2 * self._queue.offered >= settings.buffer_size:
            self._queue.kick()
        return True

    async def flush(self) -> None:
        """Return when everything that was offered until now is durable; raises StorageError."""
        await self._queue.write()

    async def catch_up(self) -> None:
        """Replay the spool, as far as the store lets us, and begin to write what was offered."""
        try:
            while self._spool.pending:
                await self._replay()
        except Exception as error:  # noqa: BLE001  the store is still away: the next time tries again
            log.debug("the spool waits", events=self._spool.pending, reason=str(error))
        self._queue.kick()

    def measurements(self) -> Iterator[Measurement]:
        """Events that wait, were stored, were known already, were dropped, went over the disk."""
        for name, kind, value, about in (
            ("buffered", "gauge", self._queue.offered, "Offered events that wait."),
            ("flushed", "counter", self._queue.written, "Events stored."),
            ("duplicates", "counter", self._queue.duplicates, "Events stored before."),
            ("dropped", "counter", self.dropped, "Offered events dropped."),
            ("spool.pending", "gauge", self._spool.pending, "Events on disk that wait for the database."),
            (
                "spooled",
                "counter",
                self._spooling.written,
                "Events kept on disk while the database was away.",
            ),
            ("spool.refused", "counter", self._spool.refused, "Spooled events that could not be replayed."),
        ):
            yield Measurement(f"arbiter.tracker.{name}", kind, value, about, "{event}")
        about = "Events that were written together."
        yield self._queue.sizes.measurement("arbiter.tracker.batch.size", about, "{event}")
        about = "How long the oldest event of a batch had waited when the batch was written."
        yield self._queue.lags.measurement("arbiter.tracker.flush.lag", about, "s")

    async def _behind_the_spool(self, events: Sequence[PerformanceEvent]) -> int:
        await self._replay()
        if self._spool.pending:  # what came later stays behind what came before
            return await self._spooling.write(events)
        return await self._queue.write(events)

    async def _replay(self) -> None:
        """Bring a batch of spooled events into the store; raises what the store raises while it is away."""
        async with self._replaying:
            events = await self._spool.peek(BATCH)
            if not events:
                return
            try:
                await self._queue.write(events)
            except Exception as error:  # noqa: BLE001  away, or only one of the events is refused: that is looked at
                await self._replay_apart(events, error)
            await self._spool.drop(len(events))

    async def _replay_apart(self, events: Sequence[PerformanceEvent], error: Exception) -> None:
        """Store one by one what the store does not take together, and set aside what it refuses.

        A store that takes neither the first nor the last is away, whatever it says: nothing is set aside then.
        """
        if not any([await self._takes(event) for event in (events[-1], events[0])]):
            raise error
        for event in events:
            if not await self._takes(event):
                log.error("the store refuses an event", event_id=event.id)
                await self._spool.set_aside(event)

    async def _takes(self, event: PerformanceEvent) -> bool:
        try:
            await self._queue.write((event,))
        except Exception:  # noqa: BLE001  the queue has logged it
            return False
        return True

    async def _spool_offered(self, reason: Exception) -> None:
        waiting = self._queue.take_offered()
        try:
            for begin in range(0, len(waiting), BATCH):
                await self._spooling.write(waiting[begin : begin + BATCH])
        except Exception:
            self.dropped += len(waiting)
            raise
        if waiting:
            log.warning(
                "events wait in the spool for the next start", events=len(waiting), reason=str(reason)
            )
