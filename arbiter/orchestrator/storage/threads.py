"""Work on daemon threads of its own: a hung database must never keep the process from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["on_daemon_thread"]

T = TypeVar("T")


def on_daemon_thread(work: Callable[[], T], name: str) -> Future[T]:
    """Run `work` on a new thread called `name`; the future holds what it returned or raised."""
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001  the waiter gets it, whatever it is
            outcome.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return outcome
