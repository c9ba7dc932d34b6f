"""Daemon threads for plain functions that may block: reused while they come back, left behind when they do not."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import structlog

__all__ = ["Threads"]

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
        end = worker.begin(call, label)
        try:
            await asyncio.wait({end}, timeout=budget_s)
            if not end.done():
                overdue = TimeoutError(f"did not end within {budget_s:.3g} s")
                overdue.add_note(f"{label} was at:\n{worker.stack()}")
                raise overdue
        except asyncio.CancelledError:
            # Most calls are about to end: then nothing is left behind.
            await asyncio.wait({end}, timeout=GRACE_S)
            raise
        finally:
            self._busy.remove(worker)
            if end.done():
                self._idle.append(worker)
            else:
                worker.end()
        result, error = end.result()
        if error is not None:
            raise error
        return result

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


_End = tuple[Any, BaseException | None]


class _Worker:
    """One thread, which does one call after the other."""

    def __init__(self) -> None:
        self.label = ""
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="arbiter.lifecycle", daemon=True)
        self._thread.start()

    def begin(self, call: Callable[[], Any], label: str) -> asyncio.Future[_End]:
        """Start the call; the future gets its result and its error."""
        loop = asyncio.get_running_loop()
        end: asyncio.Future[_End] = loop.create_future()
        context = contextvars.copy_context()
        self.label = self._thread.name = label

        def work() -> None:
            result: Any = None
            error: BaseException | None = None
            try:
                result = context.run(call)
            except BaseException as raised:  # noqa: BLE001  it is raised again where the call is awaited
                error = raised
            try:
                loop.call_soon_threadsafe(_report, end, (result, error))
            except RuntimeError:  # the loop is closed: nobody waits any more
                log.warning("lifecycle.hook_ended_late", hook=label, error=repr(error))

        self._calls.put(work)
        return end

    def end(self) -> None:
        self._calls.put(None)

    def join(self) -> None:
        self._thread.join(JOIN_S)

    def stack(self) -> str:
        frame = sys._current_frames().get(self._thread.ident or 0)
        return "".join(traceback.format_stack(frame)) if frame else ""

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call  # an idle thread must not keep alive what it was called with


def _report(end: asyncio.Future[_End], outcome: _End) -> None:
    if not end.done():
        end.set_result(outcome)
