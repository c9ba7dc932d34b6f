"""The last word: what ends the process when the stop has used up all of its time.

Two arms. A daemon thread writes every stack and exits with 124: enough for a blocked loop, a busy main thread, a
thread that never ends. Where C code holds the interpreter's lock, no Python thread runs any more: a timer thread in C
(faulthandler's), one second later, writes the stacks and exits with 1, the one code that it knows.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import threading

from arbiter.lifecycle.dump import dump_stacks, target

__all__ = ["DEADLINE_EXIT_CODE", "Watchdog"]

DEADLINE_EXIT_CODE = 124
"""What `timeout(1)` answers with, too."""

C_ARM_LATER_S = 1.0
"""Seconds after the deadline at which the timer in C ends what the thread could not."""


class Watchdog:
    """Ends the process with code 124 unless it is disarmed in time; every stack is written to stderr first."""

    def __init__(self) -> None:
        self._disarmed = threading.Event()
        self._arming = threading.Lock()
        self._thread: threading.Thread | None = None

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

    def disarm(self) -> None:
        """The stop is over; let the process end by itself."""
        if self._arming.locked():
            faulthandler.cancel_dump_traceback_later()
        self._disarmed.set()
        if self._thread is not None:
            self._thread.join(1)

    def _watch(self, budget_s: float, loop: asyncio.AbstractEventLoop | None) -> None:
        if self._disarmed.wait(budget_s):
            return
        os.write(2, f"arbiter: still not stopped after {budget_s:g} s, ending the process\n".encode())
        dump_stacks(loop)
        os._exit(DEADLINE_EXIT_CODE)
