"""The process's signals, owned for as long as `App.run` runs and given back afterwards.

A handler in Python runs in the main thread, between two of its instructions: never, while that thread waits in C. So
the interpreter's own handler in C writes each signal to a socket (`signal.set_wakeup_fd`), and a thread of ours reads
it: a stop is asked for, the watchdog armed and a second signal obeyed whatever the main thread does.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

__all__ = ["Reactions", "Signals"]

FORCED_WITHIN_S = 0.3
"""Seconds that may go by with saying what a forced end leaves undone."""

_END = 0
"""No signal has this number: it ends the thread."""


@dataclass(frozen=True, slots=True)
class Reactions:
    """What each signal means; all but the first are called on the signals' own thread, one after the other.

    Attributes:
        heard: SIGTERM or SIGINT has come; called in the main thread, as soon as that runs Python. Where C code holds
            the interpreter's lock and looks for signals now and then, as `re` does, only this is called.
        stop: the first SIGTERM or SIGINT.
        forced: a second one is about to end the process with 128 + its number: say what is left undone.
        reload: SIGHUP.
        dump: SIGUSR1.
    """

    heard: Callable[[], None]
    stop: Callable[[], None]
    forced: Callable[[int], None]
    reload: Callable[[], None]
    dump: Callable[[], None]


class Signals:
    """The signals of a service, from `install()` to `restore()`.

    Args:
        reactions: what each of them means.
    """

    def __init__(self, reactions: Reactions) -> None:
        self._reactions = reactions
        self._asked = False
        self._previous: dict[int, Any] = {}
        self._before: int = -1
        self._ends: tuple[socket.socket, socket.socket] | None = None
        self._thread = threading.Thread(target=self._listen, name="arbiter.signals", daemon=True)

    def install(self) -> bool:
        """Take the signals over; call it in the running loop, which has a wake-up descriptor of its own by then.

        Returns:
            False where that is impossible, since only the main thread may: then `App.ask_to_stop` is the way to stop.
        """
        if threading.current_thread() is not threading.main_thread():
            return False
        self._ends = socket.socketpair()
        self._ends[1].setblocking(False)  # noqa: FBT003  the standard library's signature
        for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"):
            number = getattr(signal, name, None)  # Windows has neither SIGHUP nor SIGUSR1
            if number is not None:
                self._previous[number] = signal.signal(number, self._heard)
        self._before = signal.set_wakeup_fd(self._ends[1].fileno(), warn_on_full_buffer=False)
        self._thread.start()
        return True

    def restore(self) -> None:
        """Give the signals back to whoever had them."""
        if self._ends is None:
            return
        signal.set_wakeup_fd(self._before)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()
        self._ends[1].send(bytes([_END]))
        self._thread.join(1)
        for end in self._ends:
            end.close()
        self._ends = None

    def _listen(self) -> None:
        assert self._ends is not None  # noqa: S101  the thread starts after they were made
        heard = self._ends[0]
        while True:
            for number in heard.recv(64):
                if number == _END:
                    return
                if number in self._previous:
                    self._react(number)
                if self._before >= 0:
                    with suppress(OSError):  # the loop that listened there has gone, or listens no more
                        os.write(self._before, bytes([number]))

    def _react(self, number: int) -> None:
        if number in {signal.SIGTERM, signal.SIGINT}:
            if self._asked:
                self._force(number)
            self._asked = True
            self._reactions.stop()
        elif number == getattr(signal, "SIGHUP", None):
            self._reactions.reload()
        else:
            self._reactions.dump()

    def _force(self, number: int) -> None:
        os.write(2, b"arbiter: second signal, ending at once\n")
        # On a thread of its own: whoever holds the log's lock may be what hangs.
        saying = threading.Thread(target=self._reactions.forced, args=(number,), daemon=True)
        saying.start()
        saying.join(FORCED_WITHIN_S)
        os._exit(128 + number)

    def _heard(self, number: int, _: FrameType | None) -> None:
        if number in {signal.SIGTERM, signal.SIGINT}:
            self._reactions.heard()
