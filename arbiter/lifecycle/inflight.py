"""Counts work in flight, so that a stop can wait for it, and cut it when the wait is over."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

__all__ = ["InFlight"]


class InFlight:
    """Work in flight on one loop: `with inflight:` around each unit of it.

    Not for use across threads: every unit enters and leaves on the loop that waits.
    """

    def __init__(self) -> None:
        self._count = 0
        self._tasks: dict[asyncio.Task[object], int] = {}
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def count(self) -> int:
        """How many units are in flight now."""
        return self._count

    def __enter__(self) -> Self:
        self._count += 1
        task = asyncio.current_task()
        if task is not None:
            self._tasks[task] = self._tasks.get(task, 0) + 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._count -= 1
        self._forget(asyncio.current_task())
        if not self._count:
            self._wake()

    async def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is in flight.

        Args:
            timeout_s: how long to wait at most.

        Returns:
            Whether it came to rest in time.
        """
        if not self._count:
            return True
        idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(idle)
        try:
            await asyncio.wait({idle}, timeout=timeout_s)
        finally:
            self._waiters.remove(idle)
        return not self._count

    def cancel(self) -> int:
        """Cancel the task of every unit in flight, except the caller's own; say how many were cancelled."""
        own = asyncio.current_task()
        cut = [task for task in self._tasks if task is not own and not task.done()]
        for task in cut:
            task.cancel("the drain is over")
        return len(cut)

    def _forget(self, task: asyncio.Task[object] | None) -> None:
        if task is None:
            return
        left = self._tasks.pop(task, 1) - 1
        if left > 0:
            self._tasks[task] = left

    def _wake(self) -> None:
        for idle in self._waiters:
            if not idle.done():
                idle.set_result(None)
