"""The API as a whole: how it is described, how it refuses, where it is documented. Brings FastAPI with it."""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from arbiter.orchestrator.api.agents import AgentRoutes
from arbiter.orchestrator.api.docs import describe, serve_docs
from arbiter.orchestrator.api.models import Problem, SpecCase
from arbiter.orchestrator.api.performance import PerformanceRoutes
from arbiter.orchestrator.api.refusals import install
from arbiter.orchestrator.api.registry import RegistryRoutes
from arbiter.orchestrator.api.specs import SpecRoutes
from arbiter.orchestrator.api.tasks import TaskRoutes
from arbiter.orchestrator.api.wire import JsonRoute
from arbiter.serving.tokens import Tokens

__all__ = [
    "AgentRoutes",
    "PerformanceRoutes",
    "RegistryRoutes",
    "Resource",
    "SpecRoutes",
    "TaskRoutes",
    "assemble",
]

_TAGS = [
    {"name": "agents", "description": "Who there is, what they can do, and how they have done."},
    {"name": "tasks", "description": "Which agent takes a task, and how it went."},
    {"name": "specs", "description": "Working specs held against the rules of CAWS."},
    {"name": "performance", "description": "What was measured, and training data without names."},
    {"name": "registry", "description": "The whole registry, out and in again."},
]


class Resource(Protocol):
    """A part of the API."""

    def add_to(self, router: APIRouter) -> None:
        """Serve it."""
        ...


def assemble(version: str, *resources: Resource, tokens: Tokens | None = None) -> FastAPI:
    """An application that serves these, refuses as they say, and documents itself; without `tokens` it lets everybody in."""
    app = _application(version)
    app.state.tokens = tokens
    install(app)
    for resource in resources:
        resource.add_to(app.router)
    describe(app, Problem, SpecCase)
    serve_docs(app)
    return app


def _application(version: str) -> FastAPI:
    app = FastAPI(
        title="ARBITER orchestrator",
        version=version,
        summary="Keeps a registry of AI agents, routes each task to the best of them, and learns from the outcome.",
        description="Errors are problem documents (RFC 9457); `type` tells them apart, `trace_id` finds the request.",
        openapi_tags=_TAGS,
        openapi_url=None,  # `serve_docs` serves it
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would name the host as the client sees it, which a proxy may not know
        generate_unique_id_function=_operation_id,
        # FastAPI would trace each request four times over, with the raw query in it.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    app.router.route_class = JsonRoute
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name
