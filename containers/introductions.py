"""How the components are introduced to each other: each states what it needs in words of its own, these translate."""

from __future__ import annotations

from arbiter.orchestrator.agents.models import AgentQuery
from arbiter.orchestrator.performance.models import EventType, PerformanceEvent
from arbiter.orchestrator.routing.ports import Happening, Requirement

__all__ = ["as_event", "as_query"]


def as_query(requirement: Requirement) -> AgentQuery:
    """The router's requirement as the registry's query; the words of a task are as good as those of a query."""
    return AgentQuery.model_construct(
        task_type=requirement.task_type,
        languages=requirement.languages,
        specializations=requirement.specializations,
    )


def as_event(happening: Happening) -> PerformanceEvent:
    """The router's happening as the tracker's event; what it says was looked at when it came, or was made here."""
    return PerformanceEvent.trusted(
        id=happening.id,
        type=EventType(happening.type),
        timestamp=happening.timestamp,
        agent_id=happening.agent_id,
        task_id=happening.task_id,
        task_type=happening.task_type,
        success=happening.success,
        quality_score=happening.quality_score,
        latency_ms=happening.latency_ms,
        cost=happening.cost,
        tokens_used=happening.tokens_used,
        metadata=happening.metadata,
    )
