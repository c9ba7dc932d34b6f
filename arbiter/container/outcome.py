"""What `init_resources()` and `shutdown_resources()` return: one awaitable object, whatever had to be done.

It may be awaited, dropped, or given to `asyncio.run`, `create_task`, `gather` and `wait_for`, as callers of
dependency-injector do, who never know which of None, future or coroutine they get.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

__all__ = ["Done", "Outcome", "Scheduled", "Unstarted", "outcome_of"]


class Outcome(Coroutine[Any, Any, None]):
    """What is returned: a coroutine to all who ask, which type checkers let a caller drop."""

    __slots__ = ()


class Done(Outcome):
    """Work that was done at the call."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield

    def send(self, value: object) -> Any:  # noqa: ARG002  the protocol's signature
        """End at once."""
        raise StopIteration

    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> Any:  # noqa: ARG002  the protocol's signature
        """Let the error pass: there is no work that it could interrupt."""
        raise typ

    def close(self) -> None:
        """There is nothing to close."""


class Scheduled(Outcome):
    """Work that a task of the running loop does, whether or not somebody waits for it."""

    __slots__ = ("_task", "_waiting")

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task
        self._waiting: Generator[Any, None, None] | None = None

    @property
    def ended(self) -> bool:
        """Whether the work is over, well or not."""
        return self._task.done()

    def __await__(self) -> Generator[Any, None, None]:
        return self._task.__await__()

    def send(self, value: Any) -> Any:
        """Wait for the task, one step."""
        return self._steps().send(value)

    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> Any:
        """Throw into the waiting; a cancellation that comes this way has reached the task before."""
        return self._steps().throw(typ, val, tb) if val is not None else self._steps().throw(typ)

    def close(self) -> None:
        """Wait no more; the task goes on."""
        if self._waiting is not None:
            self._waiting.close()

    def _steps(self) -> Generator[Any, None, None]:
        if self._waiting is None:
            self._waiting = self._task.__await__()
        return self._waiting


class Unstarted(Outcome):
    """Work that begins when it is awaited, for `asyncio.run(...)`."""

    __slots__ = ("_work",)

    def __init__(self, work: Coroutine[Any, Any, None]) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, None, None]:
        return self._work.__await__()

    def send(self, value: Any) -> Any:
        """Go on, one step."""
        return self._work.send(value)

    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> Any:
        """Throw into the work."""
        return self._work.throw(typ, val, tb) if val is not None else self._work.throw(typ)

    def close(self) -> None:
        """End the work where it is."""
        self._work.close()


def outcome_of(
    work: Callable[[], Coroutine[Any, Any, None]], at_once: Callable[[], None], *, waits: bool
) -> Outcome:
    """Do the work at the call if it never waits, or else as a task now, or without a loop when it is awaited.

    Args:
        work: makes the coroutine.
        at_once: does the same at the call.
        waits: whether it may have to wait.
    """
    if not waits:
        at_once()
        return Done()
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return Unstarted(work())
    return Scheduled(loop.create_task(work()))
