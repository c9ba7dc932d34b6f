"""`/v1/agents`: who there is, what they can do, and how they have done."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.openapi.models import Example

from arbiter.orchestrator.agents.models import Agent, AgentDraft, AgentHistory, QueryPage
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.api.docs import BODY, problems
from arbiter.orchestrator.api.models import AgentSearch, Pulse, StatusChange
from arbiter.orchestrator.api.wire import AgentId, Asker, NoQuery, needs
from arbiter.orchestrator.performance.models import EventType, PerformanceEvent
from arbiter.orchestrator.performance.tracker import PerformanceTracker
from arbiter.orchestrator.vocabulary import Capabilities, PerformanceReport

__all__ = ["AgentRoutes"]


_DRAFT: dict[str, Example] = {
    "reviewer": {
        "summary": "A reviewer of Python and Go",
        "value": {
            "id": "reviewer-1",
            "name": "Reviewer",
            "model_family": "claude-3.5",
            "capabilities": {"task_types": ["code-review"], "languages": ["Python", "Go"]},
            "max_concurrent_tasks": 4,
        },
    }
}
_REPORT: dict[str, Example] = {
    "success": {
        "summary": "A success",
        "value": {"success": True, "quality_score": 0.9, "latency_ms": 1200, "task_type": "code-review"},
    }
}
_CAPABILITIES: dict[str, Example] = {
    "more": {
        "summary": "One more language",
        "value": {"task_types": ["code-review"], "languages": ["Python", "Rust"]},
    }
}


class AgentRoutes:
    """The operations on agents, over the registry; what is reported of them is shown to the tracker as well."""

    def __init__(self, registry: AgentRegistry, tracker: PerformanceTracker) -> None:
        self._registry, self._tracker = registry, tracker

    def add_to(self, router: APIRouter) -> None:
        """Serve them."""
        one = "/v1/agents/{agent_id}"
        self._add(router, "POST", "/v1/agents", self.register_agent, 409, *BODY, status_code=201)
        self._add(router, "GET", "/v1/agents", self.find_agents)
        self._add(router, "GET", one, self.get_agent, 404)
        self._add(router, "DELETE", one, self.unregister_agent, 404, status_code=204)
        self._add(router, "POST", f"{one}/performance", self.report_performance, 404, *BODY)
        self._add(router, "PUT", f"{one}/status", self.set_status, 404, *BODY)
        self._add(router, "PUT", f"{one}/capabilities", self.set_capabilities, 404, *BODY)
        self._add(router, "POST", f"{one}/heartbeat", self.heartbeat, 404, *BODY)
        self._add(router, "GET", f"{one}/history", self.get_history, 404)

    async def register_agent(
        self,
        draft: Annotated[AgentDraft, Body(openapi_examples=_DRAFT)],
        request: Request,
        response: Response,
        asker: Asker,
        _: NoQuery,
    ) -> Agent:
        """Register an agent. It starts with averages that are a prior worth five observations."""
        agent = await self._registry.register(draft, by=asker)
        self._tell(EventType.AGENT_REGISTRATION, agent.id, model_family=agent.model_family)
        response.headers["Location"] = f"{request.url.path}/{agent.id}"
        return agent

    async def find_agents(self, search: Annotated[AgentSearch, Query()]) -> QueryPage:
        """Find agents: every condition given must hold; each match comes with its score and the reason for it."""
        return await self._registry.query(search.as_query())

    async def get_agent(self, agent_id: AgentId, _: NoQuery) -> Agent:
        """Show one agent."""
        return await self._registry.get(agent_id)

    async def unregister_agent(self, agent_id: AgentId, _: NoQuery) -> None:
        """Remove an agent, with its averages and its history; what routing learned of it counts no more."""
        await self._registry.unregister(agent_id)

    async def report_performance(
        self,
        agent_id: AgentId,
        report: Annotated[PerformanceReport, Body(openapi_examples=_REPORT)],
        _: NoQuery,
    ) -> Agent:
        """Count one task's performance into the agent's averages, outside of routing.

        Tasks that were routed here report by `POST /v1/tasks/{task_id}/outcome` instead.
        """
        agent = await self._registry.update_performance(agent_id, report)
        # Offered, not recorded: were it refused now, a client's retry would count the report twice in the averages.
        self._tracker.offer(
            PerformanceEvent(type=EventType.TASK_EXECUTION_COMPLETE, agent_id=agent_id, **report.model_dump())
        )
        return agent

    async def set_status(self, agent_id: AgentId, change: StatusChange, _: NoQuery) -> Agent:
        """Say what the agent may be asked for: agents that are draining, offline or in maintenance get no tasks."""
        agent = await self._registry.set_status(agent_id, change.status)
        self._tell(EventType.AGENT_STATUS_CHANGE, agent_id, status=change.status.value)
        return agent

    async def set_capabilities(
        self,
        agent_id: AgentId,
        capabilities: Annotated[Capabilities, Body(openapi_examples=_CAPABILITIES)],
        asker: Asker,
        _: NoQuery,
    ) -> Agent:
        """Replace the agent's capabilities; the change is kept as a version of its history."""
        return await self._registry.set_capabilities(agent_id, capabilities, by=asker)

    async def heartbeat(self, agent_id: AgentId, _: NoQuery, pulse: Pulse | None = None) -> Agent:
        """Take an agent's sign of life; a body is optional."""
        return await self._registry.heartbeat(
            agent_id, queued_tasks=None if pulse is None else pulse.queued_tasks
        )

    async def get_history(self, agent_id: AgentId, _: NoQuery) -> AgentHistory:
        """Show what is kept of the agent's past: outcomes, newest first, and versions of its capabilities."""
        return await self._registry.history(agent_id)

    def _tell(self, kind: EventType, agent_id: str, **about: str) -> None:
        self._tracker.offer(PerformanceEvent(type=kind, agent_id=agent_id, metadata={**about}))

    @staticmethod
    def _add(router: APIRouter, method: str, path: str, endpoint: Any, *refusals: int, **more: Any) -> None:
        scope = needs("agents:read" if method == "GET" else "agents:write")
        router.add_api_route(
            path,
            endpoint,
            methods=[method],
            tags=["agents"],
            responses=problems(*refusals),
            openapi_extra=scope,
            **more,
        )
