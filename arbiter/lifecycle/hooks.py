"""How one hook is run within its budget, whatever it does: return late, swallow its cancellation, block a thread."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from arbiter.errors import LifecycleStateError
from arbiter.lifecycle.dump import stack_of
from arbiter.lifecycle.threads import Threads

__all__ = ["GRACE_S", "Hook", "Immediate", "Looped", "Runner", "Where", "drive"]

GRACE_S = 0.1
"""Seconds that a cancelled hook gets to clean up, and that a hook gets at least when the budget is spent."""

log = structlog.get_logger(__name__)


class Where(enum.Enum):
    """Where a hook runs."""

    LOOP = "loop"
    """It is a coroutine function."""
    THREAD = "thread"
    """It is a plain function that may block: it gets a daemon thread, so that it cannot hold up the exit."""
    CALLER = "caller"
    """It is a plain function that must run in the thread of whoever stops."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One thing to call; `name` is for people."""

    name: str
    call: Callable[[], Any]
    where: Where = Where.LOOP


class Runner(Protocol):
    """Runs one hook."""

    async def run(self, hook: Hook, budget_s: float) -> None:
        """Run it to its end.

        Raises:
            TimeoutError: it did not end within the budget; it was cancelled, or left behind on its thread.
        """
        ...

    async def blocking(self, call: Callable[[], Any], label: str) -> Any:
        """Call a plain function that may block, as a part of the hook that awaits this."""
        ...

    def close(self) -> None:
        """Let go of threads."""
        ...


class Immediate:
    """Runs hooks at the call, without a loop and without a budget; `drive()` runs the coroutine that awaits this."""

    __slots__ = ()

    async def run(self, hook: Hook, budget_s: float) -> None:  # noqa: ARG002  nothing can be cut without a loop
        """Run it in the calling thread; a coroutine must not suspend."""
        result = hook.call()
        if hook.where is Where.LOOP:
            await result

    async def blocking(self, call: Callable[[], Any], label: str) -> Any:  # noqa: ARG002  there is no other thread
        """Call it in the calling thread."""
        return call()

    def close(self) -> None:
        """There is nothing to let go."""


class Looped:
    """Runs hooks on the running loop, each within its budget."""

    __slots__ = ("_threads",)

    def __init__(self) -> None:
        self._threads = Threads()

    async def run(self, hook: Hook, budget_s: float) -> None:
        """Run it in a task of its own, cut it when its time is over."""
        if hook.where is Where.CALLER:
            hook.call()
            return
        if hook.where is Where.THREAD:
            await self._threads.run_within(hook.call, hook.name, budget_s)
            return
        task: asyncio.Future[object] = asyncio.ensure_future(hook.call())
        try:
            await asyncio.wait({task}, timeout=budget_s)
        except asyncio.CancelledError:
            await _cut(task, hook.name)
            raise
        if not task.done():
            overdue = TimeoutError(f"did not end within {budget_s:.3g} s")
            overdue.add_note(f"{hook.name} was at:\n{self._threads.stack(hook.name) or stack_of(task)}")
            await _cut(task, hook.name)
            raise overdue
        _result(task)

    async def blocking(self, call: Callable[[], Any], label: str) -> Any:
        """Call it on a daemon thread, which is left behind when the hook is cut."""
        return await self._threads.run(call, label)

    def close(self) -> None:
        """End the threads that are idle."""
        self._threads.close()


def drive(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that does not suspend to its end, at the call, with or without a loop.

    Raises:
        LifecycleStateError: thrown into the coroutine where it wanted to suspend.
    """
    try:
        coroutine.send(None)
        while True:
            coroutine.throw(
                LifecycleStateError(
                    "it has to wait for something, which cannot be done without a running loop",
                    hint="use `await container.start()` and `await container.stop()`",
                )
            )
    except StopIteration:
        return


async def _cut(task: asyncio.Future[object], name: str) -> None:
    task.cancel()
    await asyncio.wait({task}, timeout=GRACE_S)
    if task.done():
        _late(task, name)
        return
    # A hook may swallow its cancellation; nobody waits for it, but its end is seen and said.
    task.add_done_callback(lambda ended: _late(ended, name))


def _late(task: asyncio.Future[object], name: str) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.warning("lifecycle.hook_ended_late", hook=name, error=repr(error))


def _result(task: asyncio.Future[object]) -> None:
    if task.cancelled():
        raise RuntimeError("it was cancelled from within")
    task.result()
