"""How the components are introduced to each other: each states what it needs in words of its own, these translate."""

from __future__ import annotations

import dataclasses

from arbiter.orchestrator.agents.models import AgentQuery
from arbiter.orchestrator.performance.models import EventType, PerformanceEvent
from arbiter.orchestrator.routing.ports import Happening, Requirement

__all__ = ["as_event", "as_query"]


def as_query(requirement: Requirement, cursor: str) -> AgentQuery:
    """The router's requirement as the registry's query."""
    return AgentQuery(
        task_type=requirement.task_type,
        languages=requirement.languages,
        specializations=requirement.specializations,
        limit=1000,
        cursor=cursor,
    )


def as_event(happening: Happening) -> PerformanceEvent:
    """The router's happening as the tracker's event."""
    fields = {field.name: getattr(happening, field.name) for field in dataclasses.fields(happening)}
    return PerformanceEvent(**{**fields, "type": EventType(happening.type)})
