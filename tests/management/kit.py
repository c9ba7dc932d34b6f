"""The management port over the pillars, asked in the test's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import httpx2

from arbiter import Infrastructure
from arbiter.host.surroundings import management_for
from arbiter.observability.logging import configure_logging
from arbiter.settings.sources import Sources

__all__ = ["HERE", "TOKEN", "Port", "management"]

RIGHT = "right"
TOKEN = {"Authorization": f"Bearer {RIGHT}"}
HERE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Port:
    """A management port and what is behind it."""

    container: Infrastructure
    app: Any
    http: httpx2.AsyncClient
    log: StringIO

    def from_address(self, address: str) -> httpx2.AsyncClient:
        """A client that sits at another address."""
        transport = httpx2.ASGITransport(app=self.app, client=(address, 4711))
        return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    async def audit(self) -> list[dict[str, Any]]:
        """The changes that `/events` tells of."""
        events = (await self.http.get("/events")).json()
        return [event for event in events if event["event"] == "OperatorActed"]


@asynccontextmanager
async def management(
    folder: Path, *, environment: str = "production", token: str = RIGHT, **overrides: str
) -> AsyncIterator[Port]:
    """A started container of the pillars alone with its management port; `overrides` have `__` for the dot."""
    container = Infrastructure()
    given = {name.replace("__", "."): value for name, value in overrides.items()}
    container.settings.read_from(Sources(folder, environment, overrides={"management.token": token, **given}))
    log = StringIO()
    with configure_logging(
        container.settings().observability, service="test", environment=environment, stream=log
    ) as logging:
        async with container:
            await container.health().refresh()
            container.health().mark_started()
            app = management_for(container, startup=container.startup, tasks=dict, logging=logging)
            transport = httpx2.ASGITransport(app=app, client=(HERE, 4711))
            async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
                yield Port(container, app, http, log)
