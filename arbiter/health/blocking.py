"""Which code holds up the event loop: a thread that knocks at the loop and looks where it stands when nobody opens.

It measures real time whatever the application's clock is, since a loop is blocked in real time only.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Final

from arbiter.events import LoopBlocked, LoopFreed
from arbiter.health.settings import HealthSettings
from arbiter.protocols import EventSink, Live

__all__ = ["LoopWatch", "stack_of"]

_DEEPEST: Final = 6
_PATIENCE_S: Final = 0.25


class LoopWatch:
    """Publishes `LoopBlocked` when the loop has not turned for `lag_warn_s`, again at `lag_fail_s`, and `LoopFreed` after.

    Args:
        settings: the two limits, read at each knock.
        events: takes the events, on this thread: also while the loop stands still.
        interval_s: seconds between two knocks.
    """

    def __init__(
        self, settings: Live[HealthSettings], events: EventSink, *, interval_s: float = 0.25
    ) -> None:
        self._settings, self._events, self._interval_s = settings, events, interval_s
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._worst_s = 0.0

    def start(self) -> None:
        """Watch the running loop."""
        loop, ident = asyncio.get_running_loop(), threading.get_ident()
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(loop, ident, self._ended), name="arbiter.loop-watch", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Look away."""
        self._ended.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(1.0)

    def worst_s(self) -> float:
        """The longest time in seconds that the loop let a knock wait since this was last asked."""
        worst_s, self._worst_s = self._worst_s, 0.0
        return worst_s

    def _run(self, loop: asyncio.AbstractEventLoop, ident: int, ended: threading.Event) -> None:
        while not ended.wait(self._interval_s):
            try:
                self._knock(loop, ident, ended)
            except RuntimeError:  # the loop is closed
                return

    def _knock(self, loop: asyncio.AbstractEventLoop, ident: int, ended: threading.Event) -> None:
        opened, knocked = threading.Event(), time.monotonic()
        loop.call_soon_threadsafe(opened.set)
        settings = self._settings.current
        reported = False
        for limit_s, serious in ((settings.lag_warn_s, False), (settings.lag_fail_s, True)):
            if _waited(opened, ended, limit_s - (time.monotonic() - knocked)):
                break
            reported, stack = True, stack_of(ident)
            lag_s = time.monotonic() - knocked
            self._events.publish(LoopBlocked(lag_s, stack[0] if stack else "", stack, serious=serious))
        _waited(opened, ended, float("inf"))
        lag_s = time.monotonic() - knocked
        self._worst_s = max(self._worst_s, lag_s)
        if reported and opened.is_set():
            self._events.publish(LoopFreed(lag_s))


def _waited(opened: threading.Event, ended: threading.Event, limit_s: float) -> bool:
    """Whether it opened, or is not wanted any more, within `limit_s` seconds."""
    until = time.monotonic() + limit_s
    while not opened.wait(max(0.0, min(_PATIENCE_S, until - time.monotonic()))):
        if ended.is_set():
            return True
        if time.monotonic() >= until:
            return False
    return True


def stack_of(ident: int) -> tuple[str, ...]:
    """Where a thread stands, the innermost call first: `handler (shop/api.py:12)`; nothing for a thread that is gone."""
    found: list[str] = []
    frame: FrameType | None = sys._current_frames().get(ident)
    while frame is not None and len(found) < _DEEPEST:
        found.append(f"{frame.f_code.co_qualname} ({_shown(frame.f_code.co_filename)}:{frame.f_lineno})")
        frame = frame.f_back
    return tuple(found)


def _shown(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
