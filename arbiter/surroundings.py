"""What a life in a process needs around its container, besides the container's own start and stop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

import structlog
from starlette.types import ASGIApp

from arbiter.health.registry import CheckExists
from arbiter.infrastructure import Infrastructure
from arbiter.management.view import More, management_of
from arbiter.observability.logging import LoggingSession
from arbiter.resilience.guard import Guard
from arbiter.settings.live import ReloadResult
from arbiter.settings.oversight import SettingsOversight

__all__ = ["calls_running", "management_for", "oversee", "reload_settings"]

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


def calls_running(guard: Guard) -> int:
    """How many guarded calls are running now."""
    found = (one.value for one in guard.measurements() if one.name == "arbiter.operation.in_flight")
    return int(sum(found))


def oversee(container: Infrastructure) -> SettingsOversight:
    """Let reloads be heard, seen in health and begun by changed files; say what looks like a mistake.

    Background tasks that fail for good are seen in health as well; neither check takes readiness away.
    """
    source, oversight, health = container.settings.source(), container.oversight(), container.health()
    source.events = container.events()
    with suppress(CheckExists):  # a container may be started more than once
        health.register("config", oversight.look, critical=False)
    with suppress(CheckExists):
        health.register("background", container.background().look, critical=False)
    oversight.begin()
    for warning in source.snapshot.warnings:
        log.warning("config.warning", warning=warning)
    return oversight


def reload_settings(container: Infrastructure) -> None:
    """Reload because a signal asks for it; a line says how it went."""
    container.settings.source().ask().add_done_callback(_say_reloaded)


def _say_reloaded(asked: Future[ReloadResult]) -> None:
    if (error := asked.exception()) is not None:
        log.error("config.reload.failed", exc_info=error)
        return
    result = asked.result()
    log.info("config.reload", trigger="signal", outcome=result.outcome, generation=result.generation)
