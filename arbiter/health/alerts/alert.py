"""One alert: what is told, and who tells it."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Alert", "Origin"]

Key = tuple[str, str, bool]


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that began, or that is over.

    Attributes:
        name: what kind of thing: HealthCheck, CircuitBreaker, Configuration, EventLoop, or an application's own.
        subject: what it concerns: a check, a breaker, an agent.
        critical: whether somebody has to act now; else it is a warning.
        summary: one sentence, without secrets.
        since: when it began.
        ended: when it was over; None while it is on.
        old: the status or state before; "" where there is none.
        new: the one after.
        trace_id: the request in whose course it was noticed, 32 hexadecimal digits, or "".
        generation: of the settings in force.
    """

    name: str
    subject: str
    critical: bool
    summary: str
    since: datetime
    ended: datetime | None = None
    old: str = ""
    new: str = ""
    trace_id: str = ""
    generation: int = 1

    @property
    def is_firing(self) -> bool:
        """Whether it is on."""
        return self.ended is None

    @property
    def key(self) -> Key:
        """Which alert it is: a recovery has the key of what it ends."""
        return (self.name, self.subject, self.critical)

    @property
    def severity(self) -> str:
        """The label that receivers route by."""
        return "critical" if self.critical else "warning"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who tells: labels of every alert."""

    service: str
    environment: str
    instance: str

    @classmethod
    def of_process(cls, service: str, environment: str, port: int) -> Origin:
        """This process: by its machine's name and its main port, which a restart keeps, or its number where that is 0."""
        return cls(service or "arbiter", environment, f"{socket.gethostname()}:{port or os.getpid()}")
