"""The last word: a thread that ends the process when the stop has used up all of its time."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading

__all__ = ["DEADLINE_EXIT_CODE", "Watchdog"]

DEADLINE_EXIT_CODE = 124
"""What `timeout(1)` answers with, too."""


class Watchdog:
    """Ends the process with code 124 unless it is disarmed in time; every thread's stack is written to stderr first.

    Nothing that hangs can hold it up: it is a daemon thread, and `os._exit` waits for nobody.
    """

    def __init__(self) -> None:
        self._disarmed = threading.Event()
        self._armed = False

    def arm(self, budget_s: float) -> None:
        """Start to count; arming twice keeps the first deadline."""
        if self._armed:
            return
        self._armed = True
        threading.Thread(target=self._watch, args=(budget_s,), name="arbiter.watchdog", daemon=True).start()

    def disarm(self) -> None:
        """The stop is over; let the process end by itself."""
        self._disarmed.set()

    def _watch(self, budget_s: float) -> None:
        if self._disarmed.wait(budget_s):
            return
        os.write(2, f"arbiter: still not stopped after {budget_s:g} s, ending the process\n".encode())
        faulthandler.dump_traceback(sys.__stderr__ or 2, all_threads=True)
        os._exit(DEADLINE_EXIT_CODE)
