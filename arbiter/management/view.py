"""What the management port shows and steers, gathered from the pillars that it is given."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import platform
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.types import ASGIApp

from arbiter._version import __version__
from arbiter.health.liveness import Heartbeat
from arbiter.health.registry import HealthRegistry
from arbiter.management.endpoints import management_app
from arbiter.management.operator import Loggers, Operator
from arbiter.management.probes import Probes
from arbiter.management.recent import RecentEvents
from arbiter.management.settings import ManagementSettings
from arbiter.observability.telemetry import Telemetry
from arbiter.protocols import EventSink
from arbiter.resilience.registry import BreakerRegistry
from arbiter.settings.live import LiveSettings, ReloadResult
from arbiter.settings.present import entries

__all__ = ["More", "management_of"]


@dataclasses.dataclass(frozen=True, slots=True)
class More:
    """What only some hosts have to show; what is None has no endpoint."""

    graph: Callable[[], object] | None = None
    startup: Callable[[], object] | None = None
    loggers: Loggers | None = None
    tasks: Callable[[], object] | None = None


def management_of(
    settings: LiveSettings[Any],
    telemetry: Telemetry,
    health: HealthRegistry,
    heartbeat: Heartbeat,
    breakers: BreakerRegistry,
    bus: EventSink,
    recent: RecentEvents,
    more: More,
) -> ASGIApp:
    """The management port's application, over the pillars of one container."""
    own: ManagementSettings = settings.current.management
    return management_app(
        Operator(
            settings=own,
            open_writes=settings.snapshot.environment == "development",
            bus=bus,
            probes=Probes(health, heartbeat, own.token),
            health=health,
            metrics=telemetry.prometheus_text,
            info=_info(settings, telemetry),
            config=lambda: _config(settings),
            breakers=breakers,
            events=recent.list,
            generation=lambda: settings.snapshot.generation,
            refresh=_refresh(settings),
            graph=more.graph,
            startup=more.startup,
            loggers=more.loggers,
            tasks=more.tasks,
        )
    )


def _info(settings: LiveSettings[Any], telemetry: Telemetry) -> Callable[[], object]:
    started_at = datetime.now(UTC)

    def info() -> object:
        snapshot = settings.snapshot
        return {
            "service": snapshot.settings.observability.service_name or "arbiter",
            "version": __version__,
            "environment": snapshot.environment,
            "python": platform.python_version(),
            "pid": os.getpid(),
            "started_at": started_at,
            "uptime_s": (datetime.now(UTC) - started_at).total_seconds(),
            "settings": {
                "generation": snapshot.generation,
                "sha256": snapshot.sha256,
                "loaded_at": snapshot.loaded_at,
                "files": snapshot.files,
                "notes": snapshot.notes,
                "warnings": snapshot.warnings,
                "last_reload": settings.last.outcome if settings.last else None,
                "restart_required": settings.last.restart_required if settings.last else (),
            },
            "telemetry": {signal: one.report() for signal, one in telemetry.deliveries.items()},
        }

    return info


def _refresh(settings: LiveSettings[Any]) -> Callable[[bool], Awaitable[ReloadResult]]:
    """Reloads away from the loop that also answers probes; who asks while one is running shares the next."""

    def refresh(dry_run: bool) -> Awaitable[ReloadResult]:  # noqa: FBT001  said by name at the endpoint
        if dry_run:
            return asyncio.to_thread(settings.reload, dry_run=True)
        return asyncio.shield(
            asyncio.wrap_future(settings.ask())
        )  # a client that leaves takes it from nobody

    return refresh


def _config(settings: LiveSettings[Any]) -> object:
    snapshot = settings.snapshot
    return {
        "environment": snapshot.environment,
        "generation": snapshot.generation,
        "sha256": snapshot.sha256,
        "keys": {
            entry.key: {
                "value": entry.value,
                "source": entry.source,
                "secret": entry.secret,
                "reload": entry.reload,
                "overrode": [dataclasses.asdict(one) for one in entry.overrode],
            }
            for entry in entries(snapshot)
        },
    }
