"""The application: the foundation, served by HTTP."""

from __future__ import annotations

from dependency_injector import providers

from arbiter import __version__
from arbiter.orchestrator.api.app import create_api
from arbiter.serving.limits import BodyLimit
from containers.foundation import Foundation

__all__ = ["Application"]

RESTORE = "/v1/registry/restore"
# A backup holds every agent with its history: many times an ordinary request.
RESTORE_BYTES = 256 * 1024 * 1024


class Application(Foundation):
    """What the main port serves; the layers around it (telemetry, probes, limits) are inherited."""

    http = providers.Singleton(
        create_api,
        registry=Foundation.registry,
        router=Foundation.router,
        validator=Foundation.validator,
        tracker=Foundation.tracker,
        version=__version__,
        tokens=Foundation.api_tokens,
    )
    limited = providers.Singleton(
        BodyLimit,
        http,
        max_bytes=Foundation.config.server.max_body_bytes,
        larger={RESTORE: RESTORE_BYTES},
        timeout_s=Foundation.config.server.body_timeout_s,
    )
