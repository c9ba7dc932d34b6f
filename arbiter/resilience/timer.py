"""Something to be done later, on the loop that runs now, by whichever clock is in use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context

from arbiter.clock import SystemClock
from arbiter.protocols import Clock

__all__ = ["Cancel", "later"]

Cancel = Callable[[], None]
"""Takes back what was to be done later; may be called from any thread, and when it is done already."""


def later(loop: asyncio.AbstractEventLoop, clock: Clock, delay_s: float, act: Callable[[], None]) -> Cancel:
    """Do `act` on `loop` after `delay_s` seconds of `clock`. Called on the loop's own thread."""
    # An empty context, so that the timer does not keep alive what the call's context holds.
    waiting: asyncio.TimerHandle | asyncio.Task[None]
    if isinstance(clock, SystemClock):
        waiting = loop.call_later(delay_s, act, context=Context())
    else:
        due = clock.monotonic() + delay_s  # the task begins later than now
        waiting = loop.create_task(_sleep(clock, due, act), name="arbiter.timer", context=Context())
    return lambda: _cancel(loop, waiting)


def _cancel(loop: asyncio.AbstractEventLoop, waiting: asyncio.TimerHandle | asyncio.Task[None]) -> None:
    if asyncio._get_running_loop() is loop:
        waiting.cancel()
        return
    with suppress(RuntimeError):  # the loop is closed, and the timer gone with it
        loop.call_soon_threadsafe(waiting.cancel)


async def _sleep(clock: Clock, due: float, act: Callable[[], None]) -> None:
    await clock.sleep(due - clock.monotonic())
    act()
