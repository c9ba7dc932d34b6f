"""A small typed client of the orchestrator's API, for the command line, the demo, tests, and other people's programs.

async with ArbiterClient("http://localhost:3000") as arbiter:
    decision = await arbiter.route(Task(task_type="code-review", languages=("Python",)))
    await arbiter.report_outcome(decision.task_id, Outcome(success=True, quality_score=0.9, latency_ms=1200))
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final
from urllib.parse import quote

import httpx2

from arbiter.orchestrator.address import DEFAULT_URL
from arbiter.orchestrator.agents.models import (
    Agent,
    AgentDraft,
    AgentHistory,
    AgentMatch,
    AgentQuery,
    AgentStatus,
    Backup,
    QueryPage,
)
from arbiter.orchestrator.api.models import AgentSearch, EventReport, Pulse, Recorded, Restored, StatusChange
from arbiter.orchestrator.caws.models import Judgement
from arbiter.orchestrator.connection import AnswerNotUnderstood, ApiProblem, Connection, ServiceUnreachable
from arbiter.orchestrator.performance.models import (
    AgentPerformance,
    AgentSummary,
    Anomalies,
    ChainReport,
    PerformanceEvent,
    Summary,
    TrainingBatch,
)
from arbiter.orchestrator.routing.models import Decision, Explanation, Outcome, OutcomeReceipt, Task
from arbiter.orchestrator.vocabulary import Capabilities, PerformanceReport

__all__ = ["DEFAULT_URL", "AnswerNotUnderstood", "ApiProblem", "ArbiterClient", "ServiceUnreachable"]

_WHOLE_S: Final = 300.0
"""Seconds that the whole registry may take, out or in; the service's own limits end what hangs."""


class ArbiterClient:
    """One method per operation of the API; each answers with the components' own models.

    A request that is sent within a span belongs to its trace, in the service as well.

    Args:
        base_url: where the service is; a path prefix is kept.
        token: one of the service's `server.tokens`, where it asks for one.
        transport: another way to the service, such as `httpx2.ASGITransport(app)` in tests.
        timeout_s: seconds that any one request may take.

    Raises:
        ApiProblem: the service refused.
        ServiceUnreachable: nobody answered.
        AnswerNotUnderstood: what answered is not this API.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        token: str = "",
        transport: httpx2.AsyncBaseTransport | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        self._connection = Connection(base_url, token, transport, timeout_s)
        self._whole_s = max(timeout_s, _WHOLE_S)

    async def __aenter__(self) -> ArbiterClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._connection.http.aclose()

    async def register_agent(self, draft: AgentDraft) -> Agent:
        """Register an agent; a taken id is an `ApiProblem` with the code `agent-exists`."""
        return await self._connection.ask("POST", "/v1/agents", Agent, draft)

    async def find_agents(self, query: AgentQuery | None = None) -> QueryPage:
        """One page of agents that fit, the best first."""
        search = AgentSearch() if query is None else AgentSearch.of(query)
        given = search.model_dump(mode="json", exclude_defaults=True)
        return await self._connection.ask("GET", "/v1/agents", QueryPage, **given)

    async def all_agents(self, query: AgentQuery | None = None) -> list[AgentMatch]:
        """Every agent that fits, page after page."""
        query, found = query or AgentQuery(), list[AgentMatch]()
        while True:
            page = await self.find_agents(query)
            found += page.agents
            if page.next is None:
                return found
            query = query.model_copy(update={"cursor": page.next})

    async def get_agent(self, agent_id: str) -> Agent:
        """One agent."""
        return await self._connection.ask("GET", _agent(agent_id), Agent)

    async def unregister_agent(self, agent_id: str) -> None:
        """Remove an agent."""
        await self._connection.send("DELETE", _agent(agent_id))

    async def report_performance(self, agent_id: str, report: PerformanceReport) -> Agent:
        """Count one task's performance into an agent's averages, outside of routing."""
        return await self._connection.ask("POST", f"{_agent(agent_id)}/performance", Agent, report)

    async def set_status(self, agent_id: str, status: AgentStatus) -> Agent:
        """Say what an agent may be asked for."""
        return await self._connection.ask(
            "PUT", f"{_agent(agent_id)}/status", Agent, StatusChange(status=status)
        )

    async def set_capabilities(self, agent_id: str, capabilities: Capabilities) -> Agent:
        """Replace an agent's capabilities."""
        return await self._connection.ask("PUT", f"{_agent(agent_id)}/capabilities", Agent, capabilities)

    async def heartbeat(self, agent_id: str, queued_tasks: int | None = None) -> Agent:
        """Give an agent's sign of life."""
        return await self._connection.ask(
            "POST", f"{_agent(agent_id)}/heartbeat", Agent, Pulse(queued_tasks=queued_tasks)
        )

    async def history(self, agent_id: str) -> AgentHistory:
        """What is kept of an agent's past."""
        return await self._connection.ask("GET", f"{_agent(agent_id)}/history", AgentHistory)

    async def route(self, task: Task) -> Decision:
        """Choose an agent for a task."""
        return await self._connection.ask("POST", "/v1/tasks/route", Decision, task)

    async def report_outcome(self, task_id: str, outcome: Outcome) -> OutcomeReceipt:
        """Say how a routed task went."""
        path = f"/v1/tasks/{quote(task_id, safe='')}/outcome"
        return await self._connection.ask("POST", path, OutcomeReceipt, outcome)

    async def explain(self, decision_or_task_id: str) -> Explanation:
        """Why a task went where it went, by its id or the decision's."""
        path = f"/v1/tasks/{quote(decision_or_task_id, safe='')}/decision"
        return await self._connection.ask("GET", path, Explanation)

    async def validate_spec(self, document: str | bytes, ruleset: str | None = None) -> Judgement:
        """Judge a working spec, YAML or JSON."""
        body = document.encode() if isinstance(document, str) else document
        return await self._connection.ask("POST", "/v1/specs/validate", Judgement, body, ruleset=ruleset)

    async def record_events(self, events: Sequence[PerformanceEvent]) -> Recorded:
        """Tell what happened, at most 1000 events at once; they are durable when this returns, each id once."""
        report = EventReport(events=tuple(events))
        return await self._connection.ask("POST", "/v1/performance/events", Recorded, report)

    async def agent_summary(self, agent_id: str) -> AgentSummary:
        """What one agent's events add up to."""
        return await self._connection.ask(
            "GET", f"/v1/performance/agents/{quote(agent_id, safe='')}", AgentSummary
        )

    async def summary(self) -> Summary:
        """What all events add up to."""
        return await self._connection.ask("GET", "/v1/performance/summary", Summary)

    async def agent_performance(self, agent_id: str) -> AgentPerformance:
        """How one agent does now, next to how it usually does."""
        path = f"/v1/performance/agents/{quote(agent_id, safe='')}/profile"
        return await self._connection.ask("GET", path, AgentPerformance)

    async def anomalies(self) -> Anomalies:
        """Everything that is out of the ordinary now."""
        return await self._connection.ask("GET", "/v1/performance/anomalies", Anomalies)

    async def verify_integrity(self, *, limit: int = 10_000, cursor: str = "") -> ChainReport:
        """Whether the next portion of the stored events is as it was written; `next` leads to the one after it."""
        return await self._connection.ask(
            "GET", "/v1/performance/integrity", ChainReport, limit=limit, cursor=cursor
        )

    async def training_batch(self, *, limit: int = 100, cursor: str = "") -> TrainingBatch:
        """One batch of anonymised training samples."""
        return await self._connection.ask(
            "GET", "/v1/performance/training-batches", TrainingBatch, limit=limit, cursor=cursor
        )

    async def backup(self) -> Backup:
        """The whole registry."""
        return await self._connection.ask("GET", "/v1/registry/backup", Backup, timeout_s=self._whole_s)

    async def restore(self, backup: Backup) -> Restored:
        """Replace the whole registry."""
        return await self._connection.ask(
            "POST", "/v1/registry/restore", Restored, backup, timeout_s=self._whole_s
        )


def _agent(agent_id: str) -> str:
    return f"/v1/agents/{quote(agent_id, safe='')}"
