"""A query that cannot be made is answered from what is remembered of the same question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from arbiter.errors import DeadlineExceeded
from arbiter.orchestrator.agents.models import AgentQuery, QueryPage
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.orchestrator.agents.store import AgentStore
from arbiter.orchestrator.storage.database import Database
from arbiter.resilience.guard import Guard
from arbiter.resilience.proxy import guarded, inner
from arbiter.resilience.registry import BreakerRegistry
from arbiter.resilience.settings import ResilienceSettings
from arbiter.resilience.states import CircuitOpen
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed
from tests.orchestrator.agents.kit import SUCCESS, draft, found

REVIEWS = AgentQuery(task_type="code-review")


@dataclass(frozen=True, slots=True)
class Here:
    """A guarded registry of two agents, its breakers and its clock."""

    registry: AgentRegistry
    breakers: BreakerRegistry
    clock: FakeClock
    guard: Guard

    def counted(self, outcome: str) -> float:
        """Queries that ended so."""
        about = (("operation", "registry.query"), ("outcome", outcome))
        return sum(one.value for one in self.guard.measurements() if one.attributes == about)


@asynccontextmanager
async def _here(database: Database, **settings: object) -> AsyncIterator[Here]:
    clock, live = FakeClock(), Fixed(ResilienceSettings(timeout_ms=50))
    breakers = BreakerRegistry(live, clock)
    guard = Guard(live, breakers, clock=clock)
    fixed = Fixed(RegistrySettings.model_validate(settings))
    registry = guarded(AgentRegistry)(AgentStore(database), fixed, clock, guard=guard)
    guard.adopt("registry", registry)
    await registry.start()
    try:
        for name in ("a", "b"):
            await registry.register(draft(name))
        yield Here(registry, breakers, clock, guard)
    finally:
        await registry.stop()


async def test_an_open_circuit_is_answered_from_memory(database: Database) -> None:
    """As the ranking stood when it was last looked at, however long ago; a page of it as well as the whole."""
    async with _here(database) as here:
        known = await found(here.registry, REVIEWS)
        here.breakers.open("registry.query")
        await here.registry.update_performance("b", SUCCESS)
        here.clock.advance(10_000)

        remembered = await found(here.registry, REVIEWS)
        first = await here.registry.query(AgentQuery(task_type="code-review", limit=1))
        second = await here.registry.query(AgentQuery(task_type="code-review", limit=1, cursor=first.next))

        assert remembered == known == ["a", "b"]
        assert [match.agent.id for page in (first, second) for match in page.agents] == ["a", "b"]
        assert (here.counted("rejected"), here.counted("fallback")) == (3, 3)


async def test_what_was_never_asked_is_rejected(database: Database) -> None:
    """Nothing is known of it, and an empty answer would be a wrong one."""
    async with _here(database) as here:
        await here.registry.query(REVIEWS)
        here.breakers.open("registry.query")

        with pytest.raises(CircuitOpen):
            await here.registry.query(AgentQuery(task_type="testing"))


async def test_without_the_cache_there_is_nothing_to_fall_back_on(database: Database) -> None:
    """The operator took it out."""
    async with _here(database, cache_enabled=False) as here:
        await here.registry.query(REVIEWS)
        here.breakers.open("registry.query")

        with pytest.raises(CircuitOpen):
            await here.registry.query(REVIEWS)


async def test_a_query_that_hangs_is_answered_from_memory_at_its_deadline(database: Database) -> None:
    """And its caller sees the deadline where nothing is remembered."""

    class Hanging:
        def __init__(self, registry: AgentRegistry) -> None:
            self._query_remembered = registry._query_remembered

        async def query(self, query: AgentQuery) -> QueryPage:
            await asyncio.Event().wait()
            raise AssertionError(query)

    async with _here(database) as here:
        known = await here.registry.query(REVIEWS)
        hanging = guarded(AgentRegistry).around(Hanging(inner(here.registry)), guard=here.guard)
        asked = [
            asyncio.ensure_future(hanging.query(query))
            for query in (REVIEWS, AgentQuery(task_type="testing"))
        ]
        while not all(task.done() for task in asked):
            await asyncio.sleep(0)
            here.clock.advance(0.05)

        assert asked[0].result() == known
        assert isinstance(asked[1].exception(), DeadlineExceeded)
