"""Daemon threads for plain functions that may block: reused while they come back, left behind when they do not."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

import structlog

from arbiter.lifecycle.dump import stack_of_thread

__all__ = ["Threads"]

MOMENT_S = 0.0003
"""Seconds that the loop stands still for a call, which is usually over by then; going through the loop costs as much."""

GRACE_S = 0.05
"""Seconds that a call gets to end when nobody waits for it any more."""

JOIN_S = 0.1
"""Seconds that an idle thread gets to end; it needs microseconds."""

log = structlog.get_logger(__name__)


class Threads:
    """Runs plain functions on daemon threads, so that neither the loop nor the exit waits for one that hangs."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []

    async def run(self, call: Callable[[], Any], label: str) -> Any:
        """Call it on a thread, with the caller's context variables, and wait for its result.

        Cancelling the wait leaves the thread behind: it ends when `call` returns.

        Args:
            call: what to call.
            label: says what it does, to people who read a list of threads.
        """
        return await self.run_within(call, label, None)

    async def run_within(self, call: Callable[[], Any], label: str, budget_s: float | None) -> Any:
        """The same, for at most so many seconds; None is for ever.

        Raises:
            TimeoutError: it did not end; its notes say where it was.
        """
        worker = self._idle.pop() if self._idle else _Worker()
        self._busy.append(worker)
        call_under_way = worker.begin(call, label)
        try:
            if not call_under_way.ends_soon():
                await self._wait(call_under_way, worker, budget_s)
        finally:
            self._busy.remove(worker)
            if call_under_way.has_ended:
                self._idle.append(worker)
            else:
                worker.end()
        return call_under_way.result()

    @staticmethod
    async def _wait(call: _Call, worker: _Worker, budget_s: float | None) -> None:
        end = call.future()
        try:
            await asyncio.wait({end}, timeout=budget_s)
        except asyncio.CancelledError:
            # Most calls are about to end: then nothing is left behind.
            await asyncio.wait({end}, timeout=GRACE_S)
            raise
        if not call.has_ended:
            overdue = TimeoutError(f"did not end within {budget_s:.3g} s")
            overdue.add_note(f"{worker.label} was at:\n{worker.stack()}")
            raise overdue

    def stack(self, label: str) -> str:
        """Where the call of this label is now; empty when there is none."""
        return "".join(worker.stack() for worker in self._busy if worker.label == label)

    def close(self) -> None:
        """End the idle threads."""
        for worker in self._idle:
            worker.end()
        for worker in self._idle:
            worker.join()
        self._idle.clear()


class _Call:
    """One call on a thread: waited for at once, in the hope that it is short, and then on the loop."""

    def __init__(self, call: Callable[[], Any], label: str) -> None:
        self._call, self._label = call, label
        self._context = contextvars.copy_context()
        self._ended: SimpleQueue[None] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None
        self._result: Any = None
        self._error: BaseException | None = None
        self.has_ended = False

    def __call__(self) -> None:
        try:
            self._result = self._context.run(self._call)
        except BaseException as error:  # noqa: BLE001  it is raised again where the call is awaited
            self._error = error
        with self._lock:
            self.has_ended = True
        self._ended.put(None)
        if self._waiting is not None:
            self._tell(*self._waiting)

    def ends_soon(self) -> bool:
        """Whether it ends within a moment: that is cheaper than to go through the loop."""
        try:
            self._ended.get(timeout=MOMENT_S)
        except Empty:
            return False
        return True

    def future(self) -> asyncio.Future[None]:
        """Is done when the call has ended."""
        loop = asyncio.get_running_loop()
        end: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if self.has_ended:
                end.set_result(None)
            else:
                self._waiting = loop, end
        return end

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._result

    def _tell(self, loop: asyncio.AbstractEventLoop, end: asyncio.Future[None]) -> None:
        try:
            loop.call_soon_threadsafe(_set, end)
        except RuntimeError:  # the loop is closed: nobody waits any more
            log.warning(
                "lifecycle.hook_ended_late", hook=self._label, error=self._error and repr(self._error)
            )


class _Worker:
    """One thread, which does one call after the other."""

    def __init__(self) -> None:
        self.label = ""
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="arbiter.lifecycle", daemon=True)
        self._thread.start()

    def begin(self, call: Callable[[], Any], label: str) -> _Call:
        """Start the call."""
        self.label = self._thread.name = label
        under_way = _Call(call, label)
        self._calls.put(under_way)
        return under_way

    def end(self) -> None:
        self._calls.put(None)

    def join(self) -> None:
        self._thread.join(JOIN_S)

    def stack(self) -> str:
        return stack_of_thread(self._thread)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call  # an idle thread must not keep alive what it was called with


def _set(end: asyncio.Future[None]) -> None:
    if not end.done():
        end.set_result(None)
