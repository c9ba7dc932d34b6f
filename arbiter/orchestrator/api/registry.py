"""`/v1/registry`: the whole registry, out and in again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from arbiter.orchestrator.agents.models import Backup
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.api.docs import BODY, problems
from arbiter.orchestrator.api.models import Restored
from arbiter.orchestrator.api.wire import NoQuery, needs

__all__ = ["RegistryRoutes"]


class RegistryRoutes:
    """The operations on the registry as a whole."""

    def __init__(self, registry: AgentRegistry) -> None:
        self._registry = registry

    def add_to(self, router: APIRouter) -> None:
        """Serve them."""
        shared: dict[str, Any] = {"tags": ["registry"]}
        router.add_api_route(
            "/v1/registry/backup",
            self.back_up_registry,
            methods=["GET"],
            responses=problems(),
            openapi_extra=needs("agents:read"),
            **shared,
        )
        router.add_api_route(
            "/v1/registry/restore",
            self.restore_registry,
            methods=["POST"],
            responses=problems(409, *BODY),
            openapi_extra=needs("agents:write"),
            **shared,
        )

    async def back_up_registry(self, _: NoQuery) -> Backup:
        """Take the whole registry at one moment, to the last sum; load is not in it."""
        return await self._registry.backup()

    async def restore_registry(self, backup: Backup, _: NoQuery) -> Restored:
        """Replace everything in the registry by a backup, whole or not at all."""
        return Restored(agents=await self._registry.restore(backup))
