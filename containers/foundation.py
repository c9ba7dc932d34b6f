"""The foundation: the database and the four components, each behind its guard."""

from __future__ import annotations

from dependency_injector import providers

from arbiter import Infrastructure, SettingsProvider, guarded
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.caws.external import ExternalValidator
from arbiter.orchestrator.caws.validator import CawsValidator
from arbiter.orchestrator.performance.tracker import PerformanceTracker
from arbiter.orchestrator.routing.router import TaskRouter
from arbiter.orchestrator.storage.database import Database
from config import Settings, load
from containers import stores
from containers.introductions import as_event, as_query

__all__ = ["Foundation"]


class Foundation(Infrastructure):
    """Who knows whom among the components."""

    settings: SettingsProvider[Settings] = SettingsProvider(load)

    database = providers.Singleton(
        Database, url=Infrastructure.config.storage.url, password=Infrastructure.config.storage.password
    )

    agent_store = providers.Singleton(stores.agent_store, database)
    registry = providers.Singleton(
        guarded(AgentRegistry),
        guard=Infrastructure.guard,
        store=agent_store,
        settings=settings.live(lambda s: s.registry),
        clock=Infrastructure.clock,
    )

    event_store = providers.Singleton(stores.event_store, database)
    tracker = providers.Singleton(
        guarded(PerformanceTracker),
        guard=Infrastructure.guard,
        store=event_store,
        settings=settings.live(lambda s: s.performance),
        clock=Infrastructure.clock,
        alarms=Infrastructure.events,
    )

    routing_store = providers.Singleton(stores.routing_store, database)
    router = providers.Singleton(
        guarded(TaskRouter),
        guard=Infrastructure.guard,
        registry=registry,
        tracker=tracker,
        store=routing_store,
        settings=settings.live(lambda s: s.routing),
        clock=Infrastructure.clock,
        question=as_query,
        event=as_event,
    )

    external_validator = providers.Singleton(
        guarded(ExternalValidator), guard=Infrastructure.guard, settings=settings.live(lambda s: s.caws)
    )
    validator = providers.Singleton(
        guarded(CawsValidator),
        guard=Infrastructure.guard,
        settings=settings.live(lambda s: s.caws),
        external=external_validator,
        clock=Infrastructure.clock,
    )
