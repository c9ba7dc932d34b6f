"""The process's signals, owned for as long as `App.run` runs and given back afterwards.

The first SIGTERM or SIGINT asks for a stop, the second ends the process at once; SIGHUP reloads the settings, SIGUSR1
writes every thread's stack to stderr.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["Signals"]


class Signals:
    """Handlers for the signals of a service.

    Args:
        on_stop: called at the first SIGTERM or SIGINT; from the main thread, between two instructions of whatever runs
            there, so it must only set flags.
        on_reload: called at SIGHUP, under the same terms.
    """

    def __init__(self, on_stop: Callable[[], None], on_reload: Callable[[], None]) -> None:
        self._on_stop, self._on_reload = on_stop, on_reload
        self._asked = False
        self._previous: dict[int, Any] = {}

    def install(self) -> bool:
        """Take the signals over.

        Returns:
            False where that is impossible, since only the main thread may: the embedder then calls stop itself.
        """
        if threading.current_thread() is not threading.main_thread():
            return False
        handlers: dict[str, Callable[[int, FrameType | None], None]] = {
            "SIGTERM": self._stop,
            "SIGINT": self._stop,
            "SIGHUP": self._reload,
            "SIGUSR1": self._dump,
        }
        for name, handler in handlers.items():
            number = getattr(signal, name, None)  # Windows has neither SIGHUP nor SIGUSR1
            if number is not None:
                self._previous[number] = signal.signal(number, handler)
        return True

    def restore(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _stop(self, number: int, _: FrameType | None) -> None:
        if self._asked:
            os.write(2, b"arbiter: second signal, ending at once\n")
            os._exit(128 + number)
        self._asked = True
        self._on_stop()

    def _reload(self, _: int, __: FrameType | None) -> None:
        self._on_reload()

    def _dump(self, _: int, __: FrameType | None) -> None:
        faulthandler.dump_traceback(sys.__stderr__ or 2, all_threads=True)
