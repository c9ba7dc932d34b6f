"""Telling systemd how the service is: ready, reloading, stopping, and alive (sd_notify(3), systemd.service(5)).

Everything is said by a datagram to `NOTIFY_SOCKET`; without that variable nothing is said and no thread runs.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping

import structlog

from arbiter.events import PhaseEntered

__all__ = ["Systemd"]

log = structlog.get_logger(__name__)

_US = 1_000_000


class Systemd:
    """The service's side of the conversation; an event sink, which says each phase as the unit's status.

    Args:
        environment: the process's variables: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
        is_alive: whether liveness passes now; asked from a thread.
    """

    def __init__(self, environment: Mapping[str, str], is_alive: Callable[[], bool]) -> None:
        self._address = _address_of(environment.get("NOTIFY_SOCKET", ""))
        self._every_s = _watchdog_s(environment) / 2 if self._address else 0.0
        self._is_alive = is_alive
        self._socket: socket.socket | None = None
        self._status = "STATUS=starting"
        self._ended = threading.Event()
        self._stopping = threading.Lock()
        self._thread = threading.Thread(target=self._ping, name="arbiter.systemd", daemon=True)

    def begin(self, start_s: float) -> None:
        """Start to talk.

        Args:
            start_s: how long the start may take, in seconds; systemd waits at least as long.
        """
        if not self._address:
            return
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)  # noqa: FBT003  the standard library's signature
        self._say(self._status, f"EXTEND_TIMEOUT_USEC={start_s * _US:.0f}")

    def end(self) -> None:
        """Say nothing more."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(1)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def publish(self, event: object) -> None:
        """Tell of a phase; other events are passed over."""
        if not isinstance(event, PhaseEntered):
            return
        self._status = f"STATUS={event.phase}"
        if event.phase == "running" and event.previous == "starting":
            self._say("READY=1", self._status)
            if self._every_s and not self._thread.is_alive():
                self._thread.start()
            return
        self._say(self._status)

    def reloading(self) -> None:
        """A reload was asked for by signal; `reloaded()` must follow. Systemd compares the time with its own."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=reloading")

    def reloaded(self) -> None:
        """The reload is over, whether the settings were taken or refused."""
        self._say("READY=1", self._status)

    def stopping(self, total_s: float) -> None:
        """The stop was asked for; what is said twice is passed over.

        Args:
            total_s: how long the stop may take, in seconds; systemd waits at least as long.
        """
        if self._stopping.acquire(blocking=False):
            self._say("STOPPING=1", "STATUS=stopping", f"EXTEND_TIMEOUT_USEC={total_s * _US:.0f}")

    def _ping(self) -> None:
        while not self._ended.is_set():
            if self._is_alive():
                self._say("WATCHDOG=1")
            self._ended.wait(self._every_s)

    def _say(self, *lines: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except BlockingIOError:
            return  # its queue is full: the next word will do
        except OSError as error:
            log.debug("systemd.unreachable", error=str(error))


def _address_of(named: str) -> str:
    """A path, or Linux's abstract namespace (`@name`); what else systemd may name one day is not understood."""
    if named.startswith("@"):
        return f"\0{named[1:]}"
    return named if named.startswith("/") else ""


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """How often systemd wants to hear from this very process, in seconds; 0 is never."""
    wanted, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if pid not in {"", str(os.getpid())} or not wanted.isdigit():
        return 0.0
    return int(wanted) / _US
