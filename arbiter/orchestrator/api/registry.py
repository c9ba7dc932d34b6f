"""`/v1/registry`: the whole registry, out and in again."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response

from arbiter.orchestrator.agents.models import Backup
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.api.docs import BODY, problems
from arbiter.orchestrator.api.models import Restored
from arbiter.orchestrator.api.wire import NoQuery, json_body, needs, understood

__all__ = ["RegistryRoutes"]


_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Backup"}}},
    }
}


class RegistryRoutes:
    """The operations on the registry as a whole.

    A backup may be tens of megabytes: it is read and written on a thread, while others are served.
    """

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
            response_model=Backup,
            openapi_extra=needs("agents:read"),
            **shared,
        )
        router.add_api_route(
            "/v1/registry/restore",
            self.restore_registry,
            methods=["POST"],
            responses=problems(409, *BODY),
            openapi_extra=needs("agents:write", **_BODY),
            **shared,
        )

    async def back_up_registry(self, _: NoQuery) -> Response:
        """Take the whole registry at one moment, to the last sum; load is not in it."""
        backup = await self._registry.backup()
        return Response(await asyncio.to_thread(backup.model_dump_json), media_type="application/json")

    async def restore_registry(self, document: Annotated[bytes, Depends(json_body)], _: NoQuery) -> Restored:
        """Replace everything in the registry by a backup, whole or not at all."""
        backup = await asyncio.to_thread(understood, Backup, document)
        return Restored(agents=await self._registry.restore(backup))
