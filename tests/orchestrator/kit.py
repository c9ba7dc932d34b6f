"""The API over the real components, in the test's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from arbiter.clock import SystemClock
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.orchestrator.agents.store import AgentStore
from arbiter.orchestrator.api.app import create_api
from arbiter.orchestrator.caws.settings import CawsSettings
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.orchestrator.client import ArbiterClient
from arbiter.orchestrator.performance.settings import PerformanceSettings
from arbiter.orchestrator.performance.store import EventStore
from arbiter.orchestrator.performance.tracker import PerformanceTracker
from arbiter.orchestrator.routing.router import TaskRouter
from arbiter.orchestrator.routing.settings import RoutingSettings
from arbiter.orchestrator.routing.store import RoutingStore
from arbiter.orchestrator.storage.database import Database
from arbiter.testing.live import Fixed
from containers.introductions import as_event, as_query

__all__ = ["SPEC", "Served", "Serving", "agent", "problem_code", "serve"]

SPEC: Final = """\
id: FEAT-0001
title: Customers can export their invoices
risk_tier: 3
mode: feature
blast_radius: {modules: [billing], data_migration: false}
operational_rollback_slo: 1h
scope: {in: [src/billing], out: [src/auth]}
invariants: [An exported invoice equals the stored one]
acceptance: [{id: A1, given: a paid invoice, when: it is exported, then: the file holds its total}]
non_functional: {a11y: [keyboard], perf: {api_p95_ms: 250}, security: [input-validation]}
contracts: [{type: openapi, path: docs/api.yaml}]
"""
"""A working spec that passes."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running API and what is behind it."""

    app: FastAPI
    http: httpx2.AsyncClient
    client: ArbiterClient
    registry: AgentRegistry
    router: TaskRouter
    tracker: PerformanceTracker

    async def register(self, *drafts: dict[str, Any]) -> None:
        """Register agents that the test only needs to be there."""
        for draft in drafts:
            (await self.http.post("/v1/agents", json=draft)).raise_for_status()

    async def route(self, task_type: str = "code-review") -> dict[str, Any]:
        """Route a task that the test only needs to be routed."""
        answer = await self.http.post("/v1/tasks/route", json={"task_type": task_type})
        found: dict[str, Any] = answer.raise_for_status().json()
        return found


Serving = Callable[..., AbstractAsyncContextManager[Served]]


@asynccontextmanager
async def serve(
    url: str,
    *,
    registry: RegistrySettings | None = None,
    routing: RoutingSettings | None = None,
    prefix: str = "",
) -> AsyncIterator[Served]:
    """The API over started components on the database of `url`; `prefix` mounts it below a path."""
    clock, database = SystemClock(), Database(url)
    agents = AgentRegistry(AgentStore(database), Fixed(registry or RegistrySettings()), clock)
    tracker = PerformanceTracker(EventStore(database), Fixed(PerformanceSettings()), clock)
    router = TaskRouter(
        agents,
        tracker,
        RoutingStore(database),
        Fixed(routing or RoutingSettings()),
        clock,
        as_query,
        as_event,
    )
    app = create_api(
        registry=agents,
        router=router,
        validator=CawsValidator(Fixed(CawsSettings())),
        tracker=tracker,
        version="0.0.0",
    )
    outer = Starlette(routes=[Mount(prefix, app)]) if prefix else app
    transport, base = httpx2.ASGITransport(outer), f"http://arbiter.test{prefix}"
    async with AsyncExitStack() as stack:
        for component in (database, agents, tracker, router):
            await component.start()
            stack.push_async_callback(component.stop)
        http = await stack.enter_async_context(httpx2.AsyncClient(transport=transport, base_url=base))
        client = await stack.enter_async_context(ArbiterClient(base, transport=httpx2.ASGITransport(outer)))
        yield Served(app, http, client, agents, router, tracker)


def agent(agent_id: str, *, languages: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """An agent's draft as JSON: a reviewer of code."""
    return {
        "id": agent_id,
        "name": agent_id.title(),
        "model_family": "claude-3.5",
        "capabilities": {"task_types": ["code-review"], "languages": languages or []},
        **more,
    }


def problem_code(answer: httpx2.Response) -> str:
    """The last part of a problem's type; the answer must be a problem document."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert answer.json()["status"] == answer.status_code
    return str(answer.json()["type"]).rpartition(":")[2]
