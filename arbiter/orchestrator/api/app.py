"""What makes the API of built components: its resources, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arbiter.hidden import hidden
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.api.deferring import deferring_models
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.orchestrator.performance.tracker import PerformanceTracker
from arbiter.orchestrator.routing.router import TaskRouter

if TYPE_CHECKING:
    from fastapi import FastAPI

    from arbiter.serving.tokens import Tokens

__all__ = ["create_api"]


def create_api(
    *,
    registry: AgentRegistry,
    router: TaskRouter,
    validator: CawsValidator,
    tracker: PerformanceTracker,
    version: str,
    tokens: Tokens | None = None,
) -> FastAPI:
    """The orchestrator's API over built components, as an ASGI application.

    Without `tokens` everybody is let in. Probes, request telemetry and the limit of the body's size are layers that the
    composition puts around it.
    """
    # FastAPI is a sixth of a start, which nobody pays for who only looks at the composition (docs/start.md)
    with deferring_models():
        import fastapi  # noqa: F401, PLC0415
    from arbiter.orchestrator.api import assembly  # noqa: PLC0415

    with hidden("pydantic.v1"):  # FastAPI looks of every field whether it is one of those, which it refuses
        return assembly.assemble(
            version,
            assembly.AgentRoutes(registry, tracker),
            assembly.TaskRoutes(router),
            assembly.SpecRoutes(validator, tracker),
            assembly.PerformanceRoutes(tracker),
            assembly.RegistryRoutes(registry),
            tokens=tokens,
        )
