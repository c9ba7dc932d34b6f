"""The way of events into the store: one queue for what is recorded and what is offered, written in batches.

While a batch is on its way the next one gathers, so that many callers share one transaction and one chain.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from arbiter.orchestrator.performance.contents import Store
from arbiter.orchestrator.performance.models import PerformanceEvent
from arbiter.protocols import Clock

__all__ = ["EventQueue"]

log = structlog.get_logger(__name__)

_BATCH: Final = 500
"""At most so many events share a transaction."""

_Entry = tuple[PerformanceEvent | None, asyncio.Future[bool] | None]
"""An event, or None for a mark that everything before it is written; and who waits for it."""


class EventQueue:
    """Events on their way, first in, first out.

    Attributes:
        offered: how many of the waiting events nobody waits for.
        written, duplicates: events stored, and passed over since their id was stored already.
        failure: why the last batch could not be written; None once one was.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: deque[_Entry] = deque()
        self._writing: asyncio.Task[None] | None = None
        self.offered = 0
        self.written = 0
        self.duplicates = 0
        self.failure: Exception | None = None

    def put(self, event: PerformanceEvent) -> None:
        """Queue an event that nobody waits for."""
        self._waiting.append((event, None))
        self.offered += 1

    async def write(self, event: PerformanceEvent | None) -> bool:
        """Queue `event` (None: nothing), and return when it and all before it are durable.

        Returns:
            Whether it was stored; False when its id was stored already.
        """
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, waiter))
        self.kick()
        return await waiter

    def kick(self) -> None:
        """Write what waits, in the background, unless that is being done."""
        if self._writing is None and self._waiting:
            self._writing = asyncio.create_task(self._write_out(), name="arbiter-tracker-write")

    def discard(self) -> int:
        """Let go of the events that nobody waits for; returns how many."""
        discarded, self.offered = self.offered, 0
        self._waiting.clear()
        return discarded

    async def _write_out(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                if not await self._write_batch(batch):
                    return
        finally:
            self._writing = None

    async def _write_batch(self, batch: Sequence[_Entry]) -> bool:
        events = [event for event, _ in batch if event is not None]
        try:
            stored = await self._store.append(events, self._clock.now()) if events else frozenset[str]()
        except Exception as error:  # noqa: BLE001  whoever waits gets it; offered events stay
            self._give_back(batch, error)
            return False
        self.failure = None
        self.written += len(stored)
        self.duplicates += len(events) - len(stored)
        self.offered -= sum(waiter is None for _, waiter in batch)
        for event, waiter in batch:
            if waiter is not None and not waiter.done():
                waiter.set_result(event is not None and event.id in stored)
        return True

    def _give_back(self, batch: Sequence[_Entry], error: Exception) -> None:
        log.warning("events could not be written", events=len(batch), reason=str(error).partition("\n")[0])
        self.failure = error
        # Whoever waits is told at once, also behind this batch: trying again is theirs. The rest waits for a kick.
        kept: deque[_Entry] = deque()
        for event, waiter in (*batch, *self._waiting):
            if waiter is None:
                kept.append((event, None))
            elif not waiter.done():
                waiter.set_exception(error)
        self._waiting = kept
