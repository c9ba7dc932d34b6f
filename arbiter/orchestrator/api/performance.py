"""`/v1/performance`: what the recorded events add up to, how agents do now, and training data without names."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.openapi.models import Example

from arbiter.orchestrator.api.docs import BODY, problems
from arbiter.orchestrator.api.models import BatchQuery, EventReport, IntegrityQuery, Recorded
from arbiter.orchestrator.api.wire import AgentId, NoQuery, needs
from arbiter.orchestrator.performance.models import (
    AgentPerformance,
    AgentSummary,
    Anomalies,
    ChainReport,
    Summary,
    TrainingBatch,
)
from arbiter.orchestrator.performance.tracker import PerformanceTracker

__all__ = ["PerformanceRoutes"]

_LINES: Final = "application/jsonl"
_BATCH: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The batch; one sample a line where that is accepted, and `Link` then leads to the next one.",
        "content": {_LINES: {"schema": {"type": "string"}}},
    }
}


_EVENTS: dict[str, Example] = {
    "start": {
        "summary": "An execution begins",
        "value": {
            "events": [
                {"id": "task-1.start", "type": "task_execution_start", "agent_id": "ada", "task_id": "task-1"}
            ]
        },
    },
    "load": {
        "summary": "A machine is nearly full",
        "value": {
            "events": [{"type": "system_load_spike", "metadata": {"cpu_percent": 97.5, "memory_percent": 60}}]
        },
    },
}


class PerformanceRoutes:
    """The operations on what was measured, over the tracker."""

    def __init__(self, tracker: PerformanceTracker) -> None:
        self._tracker = tracker

    def add_to(self, router: APIRouter) -> None:
        """Serve them."""
        root = "/v1/performance"
        self._add(router, f"{root}/agents/{{agent_id}}", self.summarize_agent)
        self._add(router, f"{root}/agents/{{agent_id}}/profile", self.profile_agent)
        self._add(router, f"{root}/summary", self.summarize)
        self._add(router, f"{root}/anomalies", self.list_anomalies)
        router.add_api_route(
            f"{root}/events",
            self.record_events,
            methods=["POST"],
            tags=["performance"],
            responses=problems(*BODY),
            openapi_extra=needs("agents:write"),
        )
        self._add(router, f"{root}/integrity", self.verify_integrity)
        self._add(
            router, f"{root}/training-batches", self.get_training_batch, _BATCH, response_model=TrainingBatch
        )

    async def summarize_agent(self, agent_id: AgentId, _: NoQuery) -> AgentSummary:
        """Sum up one agent's events; an agent without events has zeros."""
        return await self._tracker.agent_summary(agent_id)

    async def profile_agent(self, agent_id: AgentId, _: NoQuery) -> AgentPerformance:
        """Show how one agent does now: over sliding windows, next to what is usual, with its trend and anomalies."""
        return await self._tracker.agent_performance(agent_id)

    async def summarize(self, _: NoQuery) -> Summary:
        """Sum up all events."""
        return await self._tracker.summary()

    async def record_events(
        self, report: Annotated[EventReport, Body(openapi_examples=_EVENTS)], _: NoQuery
    ) -> Recorded:
        """Record what happened, of any of the ten kinds; the answer comes when it is durable.

        While the database is away the events are kept on disk, and replayed in their order when it is back. The outcome
        of a task that was routed here, and what is to count in an agent's averages, have operations of their own.
        """
        new = await self._tracker.record_all(report.events)
        return Recorded(new=new, known=len(report.events) - new)

    async def list_anomalies(self, _: NoQuery) -> Anomalies:
        """List everything that is out of the ordinary now, the oldest first."""
        return await self._tracker.anomalies()

    async def verify_integrity(self, query: Annotated[IntegrityQuery, Query()]) -> ChainReport:
        """Hold stored events against their integrity hashes, a portion at a time; `next` leads to the following one."""
        return await self._tracker.verify(query.limit, query.cursor)

    async def get_training_batch(
        self, query: Annotated[BatchQuery, Query()], request: Request
    ) -> TrainingBatch | Response:
        """Hand out one batch of training samples, every identifier replaced by a keyed hash.

        One JSON document a batch by default; JSON Lines, one sample a line, for `Accept: application/jsonl`.
        """
        batch = await self._tracker.training_batches(query.limit, query.cursor)
        return _lines(batch, request) if _LINES in request.headers.get("accept", "") else batch

    @staticmethod
    def _add(
        router: APIRouter,
        path: str,
        endpoint: Any,
        answers: dict[int | str, dict[str, Any]] | None = None,
        **more: Any,
    ) -> None:
        responses = {**problems(), **(answers or {})}
        router.add_api_route(
            path,
            endpoint,
            methods=["GET"],
            tags=["performance"],
            responses=responses,
            openapi_extra=needs("performance"),
            **more,
        )


def _lines(batch: TrainingBatch, request: Request) -> Response:
    headers = {"Arbiter-Key-Id": batch.key_id}
    if batch.next is not None:
        following = request.url.include_query_params(cursor=batch.next)
        headers["Link"] = f'<?{following.query}>; rel="next"'
    content = "".join(f"{one.model_dump_json()}\n" for one in batch.samples)
    return Response(content, media_type=_LINES, headers=headers)
