"""The components' stores, each imported when it is made.

They bring SQLAlchemy with them, a fifth of a start; `arbiter check` and `arbiter graph` make none (docs/start.md). What a
component needs of its store it says in a protocol, which is what stands here as the type.
"""

from __future__ import annotations

from arbiter.orchestrator.agents.contents import Store as AgentsKept
from arbiter.orchestrator.performance.contents import Store as EventsKept
from arbiter.orchestrator.routing.contents import Store as DecisionsKept
from arbiter.orchestrator.storage.database import Database

__all__ = ["agent_store", "event_store", "routing_store"]


def agent_store(database: Database) -> AgentsKept:
    """Agents in the database."""
    from arbiter.orchestrator.agents.store import AgentStore  # noqa: PLC0415

    return AgentStore(database)


def event_store(database: Database) -> EventsKept:
    """The events of their work in the database."""
    from arbiter.orchestrator.performance.store import EventStore  # noqa: PLC0415

    return EventStore(database)


def routing_store(database: Database) -> DecisionsKept:
    """Decisions and their outcomes in the database."""
    from arbiter.orchestrator.routing.store import RoutingStore  # noqa: PLC0415

    return RoutingStore(database)
