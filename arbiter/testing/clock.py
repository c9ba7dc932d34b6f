"""A clock that moves when the test says so."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from datetime import UTC, datetime, timedelta

__all__ = ["FakeClock"]


class FakeClock:
    """A `Clock` at a standstill: `advance()` moves it and wakes whoever slept long enough, earliest first.

    It may be advanced from another thread than the sleepers', as a synchronous test does.

    Args:
        start: the time of day at which the clock stands, aware; monotonic time starts at 0.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._tickets = itertools.count()
        self._lock = threading.RLock()

    def monotonic(self) -> float:
        """Seconds advanced so far."""
        return self._elapsed

    def now(self) -> datetime:
        """The start, plus what was advanced."""
        return self._start + timedelta(seconds=self._elapsed)

    @property
    def sleepers(self) -> int:
        """How many tasks wait on this clock; poll it before advancing past them."""
        with self._lock:
            return sum(not waiting.done() for _, _, waiting in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced by `seconds`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiting = asyncio.get_running_loop().create_future()
        with self._lock:
            heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._tickets), waiting))
        await waiting

    def advance(self, seconds: float) -> None:
        """Move on by `seconds` and wake those whose time has come; they run when the test next awaits."""
        with self._lock:
            target = self._elapsed + seconds
            while self._sleepers and self._sleepers[0][0] <= target:
                due, _, waiting = heapq.heappop(self._sleepers)
                self._elapsed = max(self._elapsed, due)
                _wake(waiting)
            self._elapsed = target


def _wake(waiting: asyncio.Future[None]) -> None:
    loop = waiting.get_loop()
    if loop is asyncio._get_running_loop():
        _end(waiting)
    elif not loop.is_closed():
        loop.call_soon_threadsafe(_end, waiting)


def _end(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
