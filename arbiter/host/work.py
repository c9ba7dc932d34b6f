"""What a host keeps going between start and stop: a server, or a component's `run()`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from arbiter.errors import StartError

__all__ = ["Work", "Worker"]

UNWIND_S = 1.0
"""Seconds that a cancelled `run()` gets beyond its budget, before what it uses is closed."""


class Work(Protocol):
    """The application's work, as a host sees it; `Server` is the other kind."""

    @property
    def url(self) -> str:
        """Where it can be reached, or an empty string."""
        ...

    @property
    def in_flight(self) -> Mapping[str, int]:
        """How much of it is going on now, by kind."""
        ...

    async def start(self) -> None:
        """Begin, and return when it goes."""
        ...

    def announce_close(self) -> None:
        """The stop has begun: go on, and let those who ask know."""
        ...

    async def stop(self, drain_s: float) -> bool:
        """End within `drain_s` seconds; whether that went without cutting anything."""
        ...


class Worker:
    """An application without HTTP: one component whose `run()` is the work.

    When it returns, the application stops, with 0; when it raises, it stops as well, with 70. As the drain begins it
    is cancelled, and has the drain's time to finish what it has in hand.

    Args:
        component: what has `async def run(self)`.
        on_failure: told what it raised.
        on_end: told that it has returned.
    """

    url = ""

    def __init__(
        self, component: Any, on_failure: Callable[[BaseException], None], on_end: Callable[[], None]
    ) -> None:
        self._component, self._on_failure, self._on_end = component, on_failure, on_end
        self._running: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> Mapping[str, int]:
        """One while it runs."""
        return {"work": int(self._running is not None and not self._running.done())}

    async def start(self) -> None:
        """Begin to work.

        Raises:
            StartError: the component has no `run()`.
        """
        if not callable(getattr(self._component, "run", None)):
            raise StartError(
                f"{type(self._component).__name__} has no run().",
                hint="Give it `async def run(self) -> None`, or name another provider: App(..., run=...).",
            )
        self._running = asyncio.create_task(self._component.run(), name="arbiter.work")
        self._running.add_done_callback(self._ended)

    def announce_close(self) -> None:
        """Nobody asks for anything here."""

    async def stop(self, drain_s: float) -> bool:
        """Cancel it, and wait until it has unwound."""
        if self._running is None or self._running.done():
            return True
        self._running.cancel("the drain has begun")
        _, late = await asyncio.wait({self._running}, timeout=drain_s)
        if late:
            self._running.cancel("the drain is over")
            await asyncio.wait(late, timeout=UNWIND_S)
        return not late

    def _ended(self, running: asyncio.Task[None]) -> None:
        if running.cancelled():
            return
        if (error := running.exception()) is not None:
            self._on_failure(error)
        else:
            self._on_end()
