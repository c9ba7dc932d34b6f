"""The management port, opened before the application is imported: that takes a second, and probes ask at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from arbiter.errors import ConfigurationError
from arbiter.management.listener import ManagementListener
from arbiter.management.opening import Opening
from arbiter.settings.framework import FrameworkSettings
from arbiter.settings.loader import SettingsLoader
from arbiter.settings.sources import Sources

__all__ = ["ends_at_once", "open_management"]


@contextmanager
def ends_at_once() -> Iterator[None]:
    """Let SIGTERM end the process with 0 until the host listens to it: nothing has started that would have to stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _end(_: int, __: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def open_management(sources: Sources) -> ManagementListener | None:
    """Answer the probes from now on: alive, and starting.

    Args:
        sources: of which the framework's own sections are read; the application reads them again with its own.

    Returns:
        None where the settings cannot be used: the application's own load says why, all faults in one report.

    Raises:
        StartError: the port cannot be had.
    """
    try:
        settings = SettingsLoader(FrameworkSettings)(sources).settings.management
    except ConfigurationError:
        return None
    management = ManagementListener(settings.host, settings.port)
    management.show(Opening())
    return management
