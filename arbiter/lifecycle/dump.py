"""Where everything stands at this moment: every thread's and every task's stack, for a person to read."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
import traceback
from typing import Any, TextIO

__all__ = ["dump_stacks", "stack_of", "stack_of_thread", "target"]


def dump_stacks(loop: asyncio.AbstractEventLoop | None) -> None:
    """Write all stacks to stderr: threads first, in C, so that they come out whatever Python is doing; then tasks.

    Args:
        loop: whose tasks are shown.
    """
    faulthandler.dump_traceback(target(), all_threads=True)
    if loop is not None:
        os.write(2, _tasks_of(loop).encode(errors="replace"))


def stack_of(task: asyncio.Future[Any]) -> str:
    """Where a task waits, down to the innermost coroutine; `Task.print_stack` shows the outermost alone."""
    frames: list[traceback.FrameSummary] = []
    waiting: Any = task.get_coro() if isinstance(task, asyncio.Task) else None
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is not None:
            frames += traceback.extract_stack(frame, limit=1)
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
    return "".join(traceback.format_list(frames))


def stack_of_thread(thread: threading.Thread) -> str:
    """Where a thread is now; empty where it has ended."""
    frame = sys._current_frames().get(thread.ident or 0)
    return "".join(traceback.format_stack(frame)) if frame else ""


def target() -> TextIO | int:
    """The process's real stderr, which faulthandler can write to."""
    return sys.__stderr__ or 2


def _tasks_of(loop: asyncio.AbstractEventLoop) -> str:
    try:
        tasks = asyncio.all_tasks(loop)
    except RuntimeError:  # it changed under our eyes, too often
        return "\nTasks: not to be had, they change too fast\n"
    shown = [f"Task {task.get_name()}:\n{stack_of(task)}" for task in tasks]
    return "\n".join(["", f"Tasks: {len(tasks)}", *sorted(shown), ""])
