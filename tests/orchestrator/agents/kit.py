"""Agents and registries for the tests of this room."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from arbiter.orchestrator.agents.contents import Store
from arbiter.orchestrator.agents.models import AgentDraft, AgentQuery
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.orchestrator.vocabulary import Capabilities, PerformanceReport
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed

__all__ = ["FAILURE", "SUCCESS", "can", "draft", "found", "running"]

SUCCESS = PerformanceReport(success=True, quality_score=0.9, latency_ms=1000)
FAILURE = PerformanceReport(success=False, quality_score=0.1, latency_ms=9000)


def can(
    *task_types: str, languages: tuple[str, ...] = (), specializations: tuple[str, ...] = ()
) -> Capabilities:
    """Capabilities, of which task types are the usual ones."""
    return Capabilities(task_types=task_types, languages=languages, specializations=specializations)


def draft(agent_id: str, capabilities: Capabilities | None = None, *, limit: int | None = None) -> AgentDraft:
    """An agent that reviews code, unless told otherwise."""
    return AgentDraft(
        id=agent_id,
        name=agent_id.title(),
        model_family="claude-3.5",
        capabilities=capabilities or can("code-review"),
        max_concurrent_tasks=limit,
    )


@asynccontextmanager
async def running(
    store: Store, settings: RegistrySettings | None = None, clock: FakeClock | None = None
) -> AsyncIterator[AgentRegistry]:
    """A started registry over `store`."""
    registry = AgentRegistry(store, Fixed(settings or RegistrySettings()), clock or FakeClock())
    await registry.start()
    try:
        yield registry
    finally:
        await registry.stop()


async def found(registry: AgentRegistry, query: AgentQuery) -> list[str]:
    """The ids that a query finds, in their order."""
    return [match.agent.id for match in (await registry.query(query)).agents]
