"""Threads for a component's offloaded methods: as many as the settings say, and no queue.

They are daemons, so that a call that hangs for ever does not keep the process; a thread with nothing to do ends after
a while.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final

from arbiter.operation import blocking_of
from arbiter.protocols import Live, Measurement
from arbiter.resilience.bulkhead import Saturated
from arbiter.resilience.settings import ResilienceSettings

__all__ = ["Pool"]

_LINGER_S: Final = 5.0
"""Seconds that a thread waits for another call."""

_Job = Callable[[], None]


class Pool:
    """The threads of one component.

    Args:
        name: the component's provider, after which they are named.
        settings: says how many there may be; read at each call.
    """

    def __init__(self, name: str, settings: Live[ResilienceSettings]) -> None:
        self._name, self._settings = name, settings
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._lock = threading.Lock()
        self._busy = self._idle = self._abandoned = 0

    async def run(self, operation: str, method: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call the blocking method behind `method`, which `@offloaded` made, on a thread; await any other.

        Whoever stops waiting leaves the thread behind: it is busy until the method returns, and what it then returns
        or raises is dropped.

        Raises:
            Saturated: every thread is busy; nothing was called.
        """
        blocking = blocking_of(method)
        if blocking is None:  # a stand-in of another class
            return await method(*args, **kwargs)
        loop = asyncio.get_running_loop()
        end: asyncio.Future[Any] = loop.create_future()
        work = partial(copy_context().run, blocking, method.__self__, *args, **kwargs)  # type: ignore[attr-defined]
        self._begin(operation, lambda: self._do(work, loop, end))
        try:
            return await end
        except asyncio.CancelledError:
            if end.cancelled():
                with self._lock:
                    self._abandoned += 1
            raise

    def measurements(self) -> Iterator[Measurement]:
        """Threads that are busy, threads there may be, and calls that were left behind."""
        component = ("component", self._name)
        for name, kind, value, words, unit in (
            ("busy", "gauge", self._busy, "Threads that run an offloaded call.", "{thread}"),
            ("limit", "gauge", self._limit, "Threads that may run offloaded calls.", "{thread}"),
            (
                "abandoned",
                "counter",
                self._abandoned,
                "Offloaded calls that nobody waits for any more.",
                "{call}",
            ),
        ):
            yield Measurement(f"arbiter.offload.{name}", kind, value, words, unit, (component,))

    @property
    def _limit(self) -> int:
        return self._settings.current.offload_threads

    def _begin(self, operation: str, job: _Job) -> None:
        with self._lock:
            limit = self._limit
            if self._busy >= limit:
                raise Saturated(operation, limit, "offload_threads in [resilience]")
            self._busy += 1
            is_new_needed = not self._idle
            if not is_new_needed:
                self._idle -= 1
            self._jobs.put(job)
        if is_new_needed:
            threading.Thread(target=self._serve, name=f"arbiter.offload.{self._name}", daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=_LINGER_S)
            except Empty:
                with self._lock:
                    if self._jobs.empty():
                        self._idle -= 1
                        return
                continue
            job()

    def _do(self, work: Callable[[], Any], loop: asyncio.AbstractEventLoop, end: asyncio.Future[Any]) -> None:
        try:
            settle = partial(_give, end, work())
        except BaseException as error:  # noqa: BLE001  the waiter gets it, whatever it is
            trace = error.__traceback__
            settle = partial(_raise, end, error.with_traceback(trace and trace.tb_next))  # without this frame
        with self._lock:
            self._busy -= 1
            self._idle += 1
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle)


def _give(end: asyncio.Future[Any], result: object) -> None:
    if not end.done():
        end.set_result(result)


def _raise(end: asyncio.Future[Any], error: BaseException) -> None:
    if end.done():
        return
    if isinstance(error, StopIteration):  # which no future takes
        wrapped = RuntimeError("an offloaded method raised StopIteration")
        wrapped.__cause__ = error
        error = wrapped
    end.set_exception(error)
