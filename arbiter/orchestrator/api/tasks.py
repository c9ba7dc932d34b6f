"""`/v1/tasks`: which agent takes it, and how it went."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.openapi.models import Example

from arbiter.orchestrator.api.docs import BODY, problems
from arbiter.orchestrator.api.wire import NoQuery, TaskId, needs
from arbiter.orchestrator.routing.models import Decision, Explanation, Outcome, OutcomeReceipt, Task
from arbiter.orchestrator.routing.router import TaskRouter

__all__ = ["TaskRoutes"]

_TASK: dict[str, Example] = {
    "review": {
        "summary": "A review of Python code",
        "value": {"task_id": "task-1", "task_type": "code-review", "languages": ["Python"], "priority": 7},
    }
}
_OUTCOME: dict[str, Example] = {
    "success": {
        "summary": "It went well",
        "value": {"success": True, "quality_score": 0.9, "latency_ms": 1200},
    },
    "failure": {
        "summary": "It did not",
        "value": {
            "success": False,
            "quality_score": 0.1,
            "latency_ms": 9000,
            "error": "The tests do not pass.",
        },
    },
}


class TaskRoutes:
    """The operations on tasks, over the router."""

    def __init__(self, router: TaskRouter) -> None:
        self._router = router

    def add_to(self, router: APIRouter) -> None:
        """Serve them."""
        shared: dict[str, Any] = {"methods": ["POST"], "tags": ["tasks"], "openapi_extra": needs("tasks")}
        router.add_api_route("/v1/tasks/route", self.route_task, responses=problems(409, *BODY), **shared)
        router.add_api_route(
            "/v1/tasks/{task_id}/outcome", self.report_outcome, responses=problems(404, 409, *BODY), **shared
        )
        router.add_api_route(
            "/v1/tasks/{task_id}/decision",
            self.explain_decision,
            methods=["GET"],
            tags=["tasks"],
            responses=problems(404),
            openapi_extra=needs("tasks"),
        )

    async def explain_decision(self, task_id: TaskId, _: NoQuery) -> Explanation:
        """Tell why a task went where it went, by the task's id or the decision's, and what came of it."""
        return await self._router.explain(task_id)

    async def route_task(self, task: Annotated[Task, Body(openapi_examples=_TASK)], _: NoQuery) -> Decision:
        """Choose the agent that will do the task best, and hold a place with it until the outcome comes.

        422 names the capability that no agent has; 503 says when to ask again while all that could are full.
        """
        return await self._router.route(task)

    async def report_outcome(
        self, task_id: TaskId, outcome: Annotated[Outcome, Body(openapi_examples=_OUTCOME)], _: NoQuery
    ) -> OutcomeReceipt:
        """Report how a routed task went. It counts once: the same report again gets the same receipt."""
        return await self._router.report_outcome(task_id, outcome)
