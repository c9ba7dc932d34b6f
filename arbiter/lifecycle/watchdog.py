"""The last word: what ends the process when the stop has used up all of its time.

Two arms. A daemon thread writes every stack and exits with 124: enough for a blocked loop, a busy main thread, a
thread that never ends. Where the stop was over already and only such a thread kept the process, it exits with what the
stop came to instead. Where C code holds the interpreter's lock, no Python thread runs any more: a timer thread in C
(faulthandler's), one second later, writes the stacks and exits with 1, the one code that it knows.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
from contextlib import suppress

from arbiter.lifecycle.dump import dump_stacks, target

__all__ = ["DEADLINE_EXIT_CODE", "Watchdog", "keepers"]

DEADLINE_EXIT_CODE = 124
"""What `timeout(1)` answers with, too."""

C_ARM_LATER_S = 1.0
"""Seconds after the deadline at which the timer in C ends what the thread could not."""


FLUSH_S = 0.3
"""Seconds that stdout and stderr get to be flushed: whoever holds their lock may be what hangs."""


def keepers() -> list[threading.Thread]:
    """The threads that the interpreter would wait for at its end, without limit."""
    main = threading.main_thread()
    return [thread for thread in threading.enumerate() if not (thread.daemon or thread is main)]


class Watchdog:
    """Ends the process unless it is disarmed in time; every stack is written to stderr first."""

    def __init__(self) -> None:
        self._disarmed = threading.Event()
        self._arming = threading.Lock()
        self._thread: threading.Thread | None = None
        self._code: int | None = None

    @property
    def is_armed(self) -> bool:
        """Whether it counts, or has counted."""
        return self._arming.locked()

    def arm(self, budget_s: float, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Start to count; arming twice keeps the first deadline. May be called in a signal handler and from any thread.

        Args:
            budget_s: seconds until the process is ended.
            loop: whose tasks are written as well.
        """
        if not self._arming.acquire(blocking=False):
            return
        faulthandler.dump_traceback_later(budget_s + C_ARM_LATER_S, exit=True, file=target())
        self._thread = threading.Thread(
            target=self._watch, args=(budget_s, loop), name="arbiter.watchdog", daemon=True
        )
        self._thread.start()

    def settle(self, code: int) -> None:
        """The stop is over, and came to this exit code: the process ends with it even where a thread holds it up."""
        self._code = code

    def disarm(self) -> None:
        """The stop is over; let the process end by itself."""
        if self.is_armed:
            faulthandler.cancel_dump_traceback_later()
        self._disarmed.set()
        if self._thread is not None:
            self._thread.join(1)

    def _watch(self, budget_s: float, loop: asyncio.AbstractEventLoop | None) -> None:
        if self._disarmed.wait(budget_s):
            return
        code = self._code
        if code is None:
            said = f"still not stopped after {budget_s:g} s"
        else:
            said = f"stopped with {code}, and after {budget_s:g} s held up by {_named(keepers())}"
        os.write(2, f"arbiter: {said}, ending the process\n".encode())
        dump_stacks(loop)
        if code is None:
            os._exit(DEADLINE_EXIT_CODE)
        flushing = threading.Thread(target=_flush, daemon=True)
        flushing.start()
        flushing.join(FLUSH_S)
        os._exit(code)


def _named(threads: list[threading.Thread]) -> str:
    return ", ".join(f"thread {thread.name}" for thread in threads) or "the loop's end"


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed, replaced, or nobody reads it: the process ends all the same
            stream.flush()
