"""The way of events to where they are kept: one queue for what is recorded and what is offered, written in batches.

While a batch is on its way the next one gathers, so that many callers share one transaction and one chain. When they are
very many it is handed over before the first is answered, so that the database's thread does not wait for the loop, nor for
the interpreter's lock while the loop answers hundreds of callers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import structlog
from opentelemetry.trace import Span

from arbiter.histogram import COUNTS, Histogram
from arbiter.orchestrator.performance.contents import Stored
from arbiter.orchestrator.performance.models import PerformanceEvent
from arbiter.protocols import Clock
from arbiter.tracing import linked_span

__all__ = ["BATCH", "EventQueue", "Sink"]

log = structlog.get_logger(__name__)

BATCH: Final = 512
"""So many events share a transaction: half of what a thousand waiting callers bring, so that writing a batch and
gathering the next go side by side."""

_AHEAD: Final = BATCH // 2
"""With fewer that wait, a batch gathers until the one before it is through: it will be fuller, and is as early."""


@dataclass(slots=True, eq=False)
class _Entry:
    """Events that are written together (none: a mark that everything before is).

    Attributes:
        events: the events.
        waiter: who waits for them, if anybody does.
        queued_at: when they came, monotonic seconds.
        origin: the span in which they came, where it is recorded.
    """

    events: Sequence[PerformanceEvent]
    waiter: asyncio.Future[int] | None
    queued_at: float
    origin: Span | None


class Sink(Protocol):
    """Where batches go."""

    async def append(self, events: Sequence[PerformanceEvent], at: datetime, /) -> Stored:
        """Keep the events whose ids are new, all or none; says which were.

        May be called again before it has answered; what it is told first it keeps and answers first.
        """
        ...


class EventQueue:
    """Events on their way to `sink`, first in, first out.

    Args:
        sink: where they go.
        clock: for the moment of writing.
        kept: told of a batch and what of it was new, once that is durable; must not raise.

    Attributes:
        offered: how many of the waiting events nobody waits for.
        written, duplicates: events kept, and passed over since their id was known already.
        sizes: of the batches, in events.
        lags: how long the oldest event of each batch had waited when the batch was durable, in seconds.
        failure: why the last batch could not be written; None once one was.
    """

    def __init__(
        self,
        sink: Sink,
        clock: Clock,
        kept: Callable[[Stored, Sequence[PerformanceEvent], datetime], None] = lambda *_: None,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._told = kept
        self._waiting: deque[_Entry] = deque()
        self._gathered = 0  # events that wait
        self._writing: set[asyncio.Task[None]] = set()  # so that none is forgotten while it writes
        self._writers = self._under_way = 0
        self.offered = 0
        self.written = 0
        self.duplicates = 0
        self.sizes, self.lags = Histogram(COUNTS), Histogram()
        self.failure: Exception | None = None

    def put(self, event: PerformanceEvent, origin: Span | None = None) -> None:
        """Queue an event that nobody waits for; `origin` is the span in which it came, where that is recorded."""
        self._waiting.append(_Entry((event,), None, self._clock.monotonic(), origin))
        self._gathered += 1
        self.offered += 1

    def write(
        self, events: Sequence[PerformanceEvent] = (), origin: Span | None = None
    ) -> asyncio.Future[int]:
        """Queue up to `BATCH` events.

        Returns:
            What is done when they and all before them are durable, and says how many were new; the others' ids were
            known already.
        """
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(events, waiter, self._clock.monotonic(), origin))
        self._gathered += len(events)
        self.kick()
        return waiter

    def kick(self) -> None:
        """Write what waits, in the background, unless that is being done."""
        if self._waiting and (not self._writers or (self._writers == 1 and self._gathered >= _AHEAD)):
            self._writers += 1
            task = asyncio.create_task(self._write_out(), name="arbiter-tracker-write")
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    def take_offered(self, count: int | None = None) -> list[PerformanceEvent]:
        """Let go of the oldest `count` events that nobody waits for (None: of all), and return them."""
        taken: list[PerformanceEvent] = []
        kept: deque[_Entry] = deque()
        while self._waiting and (count is None or len(taken) < count):
            entry = self._waiting.popleft()
            if entry.waiter is None:
                taken += entry.events
            else:
                kept.append(entry)
        self._waiting.extendleft(reversed(kept))
        self.offered -= len(taken)
        self._gathered -= len(taken)
        return taken

    async def _write_out(self) -> None:
        try:
            while (batch := self._next_batch()) and await self._write_batch(batch):
                pass
        finally:
            self._writers -= 1

    def _next_batch(self) -> list[_Entry]:
        """What is to be written now: nothing while a batch is under way and too few wait to be written behind it."""
        if self._under_way and self._gathered < _AHEAD:
            return []
        batch: list[_Entry] = []
        size = 0
        while self._waiting and self._fits(self._waiting[0], size):
            batch.append(self._waiting.popleft())
            size += len(batch[-1].events)
        self._gathered -= size
        return batch

    def _fits(self, entry: _Entry, size: int) -> bool:
        # Behind another batch, which may fail yet, goes nothing that is given back in order or vouches for what is before it
        if self._under_way and (entry.waiter is None or not entry.events):
            return False
        return not size or size + len(entry.events) <= BATCH

    async def _write_batch(self, batch: Sequence[_Entry]) -> bool:
        events = [event for entry in batch for event in entry.events]
        at = self._clock.now()
        self._under_way += 1
        try:
            stored = await self._keep(batch, events, at) if events else Stored(frozenset())
        except Exception as error:  # noqa: BLE001  whoever waits gets it; offered events stay
            self._give_back(batch, len(events), error)
            return False
        finally:
            self._under_way -= 1
        self.failure = None
        self.written += len(stored.ids)
        self.duplicates += len(events) - len(stored.ids)
        self._told(stored, events, at)
        self._answer(batch, None if len(stored.ids) == len(events) else stored.ids)
        return True

    def _answer(self, batch: Sequence[_Entry], new: frozenset[str] | None) -> None:
        """Say to each entry how many of its events were new; None where all were."""
        for entry in batch:
            if entry.waiter is None:
                self.offered -= 1
            elif not entry.waiter.done():
                events = entry.events
                entry.waiter.set_result(
                    len(events) if new is None else len(new.intersection(event.id for event in events))
                )

    async def _keep(
        self, batch: Sequence[_Entry], events: Sequence[PerformanceEvent], at: datetime
    ) -> Stored:
        """Hand the events to the sink, in a span of their own that is linked to the requests that they came from."""
        size, oldest = len(events), min(entry.queued_at for entry in batch if entry.events)
        origins = [entry.origin for entry in batch if entry.events and entry.origin is not None]
        with linked_span("tracker.flush", origins, {"arbiter.tracker.batch_size": size}) as span:
            try:
                return await self._sink.append(events, at)
            finally:
                lag_s = self._clock.monotonic() - oldest
                self.sizes.observe(size)
                self.lags.observe(lag_s)
                span.set_attribute("arbiter.tracker.lag_ms", round(lag_s * 1000, 3))

    def _give_back(self, batch: Sequence[_Entry], size: int, error: Exception) -> None:
        log.warning("events could not be written", events=size, reason=str(error).partition("\n")[0])
        self.failure = error
        # Whoever waits is told at once, also behind this batch: trying again is theirs. The rest waits for a kick.
        kept: deque[_Entry] = deque()
        for entry in (*batch, *self._waiting):
            if entry.waiter is None:
                kept.append(entry)
            elif not entry.waiter.done():
                entry.waiter.set_exception(error)
        self._waiting = kept
        self._gathered = len(kept)  # each with one event
