"""What a life in a process needs around its container, besides the container's own start and stop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

import structlog
from starlette.types import ASGIApp

from arbiter.infrastructure import Infrastructure
from arbiter.lifecycle.systemd import Systemd
from arbiter.management.view import More, management_of
from arbiter.observability.global_providers import make_global
from arbiter.observability.logging import LoggingSession
from arbiter.protocols import Status
from arbiter.settings.live import ReloadResult
from arbiter.settings.oversight import SettingsOversight

__all__ = [
    "management_for",
    "oversee",
    "reload_settings",
    "run_on_loop",
    "share_telemetry",
    "systemd_for",
]

log = structlog.get_logger(__name__)


def management_for(
    container: Infrastructure,
    *,
    startup: Callable[[], object],
    tasks: Callable[[], object],
    logging: LoggingSession | None = None,
) -> ASGIApp:
    """The management port's application over this container; the other two are the host's to say."""
    return management_of(
        container.settings.source(),
        container.telemetry(),
        container.health(),
        container.heartbeat(),
        container.breakers(),
        container.events(),
        container.recent(),
        More(graph=container.graph, startup=startup, loggers=logging, tasks=tasks),
    )


def systemd_for(container: Infrastructure) -> Systemd:
    """What tells systemd of this process; its watchdog hears of it while liveness passes."""
    heartbeat = container.heartbeat()
    return Systemd(os.environ, lambda: heartbeat.liveness().status is not Status.FAIL)


def oversee(container: Infrastructure) -> SettingsOversight:
    """Let reloads be heard, seen in health and begun by changed files; say what looks like a mistake."""
    source, oversight = container.settings.source(), container.oversight()
    source.events = container.events()
    oversight.begin()
    for warning in source.snapshot.warnings:
        log.warning("config.warning", warning=warning)
    return oversight


def share_telemetry(container: Infrastructure) -> None:
    """Let libraries that ask OpenTelemetry's globals report to this application, where the settings say so."""
    if container.settings.source().snapshot.settings.observability.global_providers:
        make_global(container.telemetry())


def reload_settings(container: Infrastructure, systemd: Systemd) -> None:
    """Reload because a signal asks for it; a line says how it went, and systemd hears of the end."""
    reloading = container.settings.source().ask()
    reloading.add_done_callback(_say_reloaded)
    reloading.add_done_callback(lambda _: systemd.reloaded())


def _say_reloaded(asked: Future[ReloadResult]) -> None:
    if (error := asked.exception()) is not None:
        log.error("config.reload.failed", exc_info=error)
        return
    result = asked.result()
    log.info("config.reload", trigger="signal", outcome=result.outcome, generation=result.generation)


def run_on_loop(main: Coroutine[Any, Any, int]) -> int:
    """Run to its end, on the faster loop where there is one."""
    try:
        from uvloop import new_event_loop  # noqa: PLC0415  not to be had on every platform
    except ModuleNotFoundError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
