"""What a test has left behind: tasks, threads, file descriptors, class-level overrides, signal handlers."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from arbiter.container.stand_ins import overridden_classes

__all__ = ["Footprint", "LeakFound", "leaving_no_task"]

_PATIENCE_S = 1.0
_TIMERS = frozenset({"arbiter.timer"})
"""Tasks that are timers of a clock and hold nothing: with a fake clock that stands still they sleep for ever."""

_OF_RUNNERS = frozenset({getattr(signal, "SIGALRM", None)})
"""With it test runners limit a test's time; they set and unset it in the middle of one."""


class LeakFound(AssertionError):
    """Something outlived the test; `left` says what, one sentence each."""

    def __init__(self, left: list[str]) -> None:
        super().__init__("the test has left behind:\n" + "\n".join(f"  {one}" for one in left))
        self.left = tuple(left)


@dataclass(frozen=True)
class Footprint:
    """What the process holds at one moment, outside event loops.

    Attributes:
        threads: those that live, by identity.
        descriptors: how many descriptors are open to each target ("socket", a path); empty where the system does
            not tell.
        handlers: what happens on each signal.
        overrides: overrides of container classes, by name.
    """

    threads: Mapping[int, str]
    descriptors: Counter[str]
    handlers: Mapping[int, Any]
    overrides: Mapping[str, int]

    @classmethod
    def now(cls) -> Footprint:
        """Look."""
        threads = {id(thread): thread.name for thread in threading.enumerate()}
        handlers: dict[int, Any] = {
            int(number): signal.getsignal(number) for number in signal.valid_signals()
        }
        return cls(threads, _descriptors(), handlers, overridden_classes())

    def require_nothing_more(self, *, patience_s: float = _PATIENCE_S) -> None:
        """Compare with the present, for as long as something may still be on its way out.

        Raises:
            LeakFound: something is still there.
        """
        limit = time.monotonic() + patience_s
        while list(self._left()):
            is_last = time.monotonic() > limit
            gc.collect()  # what hangs in a cycle, such as a failed task's traceback, is nobody's leak
            # Looked at anew: in a large process the collection alone takes longer than the patience.
            if is_last and (left := list(self._left())):
                raise LeakFound(left)
            time.sleep(0.005)

    def _left(self) -> Iterator[str]:
        now = Footprint.now()
        for identity, name in now.threads.items():
            if identity not in self.threads:
                yield f"the thread {name!r}"
        for target, count in (now.descriptors - self.descriptors).items():
            yield f"{count} open file descriptor{'s' if count > 1 else ''}: {target}"
        for number, handler in now.handlers.items():
            if handler != self.handlers.get(number):
                yield f"a handler of {signal.Signals(number).name}: {handler!r}"
        for name, count in now.overrides.items():
            if count > self.overrides.get(name, 0):
                yield f"an override of the class's own provider {name}, in force for every later container"


def leaving_no_task(test: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[None]]:
    """The same asynchronous test, which fails when a task that began during it is still there at its end."""

    @functools.wraps(test)
    async def checked(*args: object, **kwargs: object) -> None:
        before = asyncio.all_tasks()
        await test(*args, **kwargs)
        if left := await _tasks_left(before):
            raise LeakFound([f"the task {task.get_name()!r}: {task.get_coro()!r}" for task in left])

    return checked


async def _tasks_left(before: set[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    limit = time.monotonic() + _PATIENCE_S
    while True:
        left = [task for task in asyncio.all_tasks() - before if task.get_name() not in _TIMERS]
        if not left or time.monotonic() > limit:
            return left
        await asyncio.sleep(0.005)


def _descriptors() -> Counter[str]:
    found: Counter[str] = Counter()
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            numbers = os.listdir(folder)  # noqa: PTH208  their names, not paths to look at
        except OSError:
            continue
        for number in numbers:
            try:
                target = os.readlink(f"{folder}/{number}")  # noqa: PTH115  not a path: "socket:[123]"
            except OSError:  # the one that listed the folder
                continue
            found[target.partition(":[")[0]] += 1
        break
    return found
