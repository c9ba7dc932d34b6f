"""The time by which a process of ours is gone, whatever hangs."""

from __future__ import annotations

import asyncio
import threading

import structlog

from arbiter.host.outcome import ExitCode
from arbiter.lifecycle.dump import stack_of_thread
from arbiter.lifecycle.watchdog import Watchdog, keepers

__all__ = ["Deadline"]

log = structlog.get_logger(__name__)


class Deadline:
    """Counts from the moment that a stop begins, where the process is ours to end.

    Args:
        total_s: how long the whole stop may take, in seconds.
    """

    def __init__(self, total_s: float) -> None:
        self._total_s, self._watchdog = total_s, Watchdog()
        self._before = set(threading.enumerate())
        self.is_ours = False
        """Whether the process is: its signals could be taken over."""

    def begin(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Start to count; counted is from the first call.

        Args:
            loop: whose tasks are shown at the deadline.
        """
        if self.is_ours:
            self._watchdog.arm(self._total_s, loop)

    def settle(self, code: ExitCode) -> None:
        """The stop is over; what holds up the process's end from now on does not change its exit code."""
        self._watchdog.settle(code)

    def release(self) -> None:
        """Let the process end by itself, unless a thread of this life's would keep it for ever."""
        left = [thread for thread in keepers() if thread not in self._before]
        for thread in left:
            log.warning("app.stop.thread_left", thread=thread.name, stack=stack_of_thread(thread))
        if not left:
            self._watchdog.disarm()
