"""What a host tells whoever started it: where it can be reached, and how it ended."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["ExitCode", "Ready"]


class ExitCode(enum.IntEnum):
    """How the process ended; 124 (deadline) and 128+n (a second signal) come from the watchdog and the signals."""

    CLEAN = 0
    STOP_FAILED = 1
    START_FAILED = 3
    INTERNAL = 70
    CONFIGURATION = 78


@dataclass(frozen=True, slots=True)
class Ready:
    """Where the application can be reached, once it can; `url` is empty where it serves nothing."""

    url: str
    management_url: str
    environment: str
    start_s: float
    greeting: tuple[tuple[str, str], ...] = ()
