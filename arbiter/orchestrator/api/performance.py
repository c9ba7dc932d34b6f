"""`/v1/performance`: what the recorded events add up to, and training data without names."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from arbiter.orchestrator.api.docs import problems
from arbiter.orchestrator.api.models import BatchQuery
from arbiter.orchestrator.api.wire import AgentId, NoQuery, needs
from arbiter.orchestrator.performance.models import AgentSummary, Summary, TrainingBatch
from arbiter.orchestrator.performance.tracker import PerformanceTracker

__all__ = ["PerformanceRoutes"]


class PerformanceRoutes:
    """The operations on what was measured, over the tracker."""

    def __init__(self, tracker: PerformanceTracker) -> None:
        self._tracker = tracker

    def add_to(self, router: APIRouter) -> None:
        """Serve them."""
        shared: dict[str, Any] = {
            "methods": ["GET"],
            "tags": ["performance"],
            "responses": problems(),
            "openapi_extra": needs("performance"),
        }
        router.add_api_route("/v1/performance/agents/{agent_id}", self.summarize_agent, **shared)
        router.add_api_route("/v1/performance/summary", self.summarize, **shared)
        router.add_api_route("/v1/performance/training-batches", self.get_training_batch, **shared)

    async def summarize_agent(self, agent_id: AgentId, _: NoQuery) -> AgentSummary:
        """Sum up one agent's events; an agent without events has zeros."""
        return await self._tracker.agent_summary(agent_id)

    async def summarize(self, _: NoQuery) -> Summary:
        """Sum up all events."""
        return await self._tracker.summary()

    async def get_training_batch(self, query: Annotated[BatchQuery, Query()]) -> TrainingBatch:
        """Hand out one batch of training samples, every identifier replaced by a keyed hash.

        One JSON document a batch, `next` leading to the following one, rather than JSON Lines: a client sees
        whether it has the whole batch, and with which key it was made.
        """
        return await self._tracker.training_batches(query.limit, query.cursor)
