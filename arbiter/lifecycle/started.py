"""A step in its life: what it has done, and what undoes that, also when it comes too late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from arbiter.lifecycle.hooks import Hook, Looped, Runner, Where
from arbiter.lifecycle.settings import LifecycleSettings

__all__ = ["Started"]

log = structlog.get_logger(__name__)


class Started:
    """A step that started, or began to: a `Starting`, given to its start.

    Args:
        name: the step's.
        place: its place in the order of the start.
        runner: runs what may block in its start.
    """

    __slots__ = ("_is_over", "_late", "_runner", "name", "place", "undo")

    def __init__(self, name: str, place: int, runner: Runner) -> None:
        self.name, self.place, self._runner = name, place, runner
        self.undo: list[Hook] = []
        self._is_over = False
        self._late: set[asyncio.Task[None]] = set()

    def __call__(self, call: Callable[[], Any], *, where: Where = Where.LOOP) -> None:
        """Take what undoes the part that was just done."""
        hook = Hook(self.name, call, where)
        if not self._is_over:
            self.undo.append(hook)
            return
        # A start that was given up, and went on all the same, has now done something: nobody else will undo it.
        task = asyncio.get_running_loop().create_task(_undo_late(hook))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def blocking(self, call: Callable[[], Any]) -> Any:
        """Run a part of the start that may block, away from the loop."""
        return await self._runner.blocking(call, self.name)

    def close(self) -> None:
        """It has stopped, and was given up: what it still does is undone at once."""
        self._is_over = True


async def _undo_late(hook: Hook) -> None:
    log.warning("lifecycle.start_ended_late", hook=hook.name, undone=True)
    runner = Looped()
    try:
        await runner.run(hook, LifecycleSettings().hook_s)
    except Exception as error:  # noqa: BLE001  the start and the stop that would have raised it are over
        log.warning("lifecycle.hook_ended_late", hook=hook.name, error=repr(error))
    finally:
        runner.close()
