"""Routing over the real registry: what is learned belongs to an agent's registration, as its averages do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arbiter.orchestrator.agents.models import AgentDraft, AgentQuery
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.orchestrator.agents.store import AgentStore
from arbiter.orchestrator.routing.errors import NoCapacity
from arbiter.orchestrator.routing.models import Decision, Task
from arbiter.orchestrator.routing.ports import Happening, Requirement
from arbiter.orchestrator.routing.router import TaskRouter
from arbiter.orchestrator.routing.settings import RoutingSettings
from arbiter.orchestrator.routing.store import RoutingStore
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.vocabulary import Capabilities
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed
from tests.orchestrator.routing.fakes import FakeTracker, outcome

ROUTING = RoutingSettings(seed=1, exploration_rate=0, load_weight=0, max_routing_time_ms=60_000)


@dataclass
class House:
    """A registry and a router on one database."""

    registry: AgentRegistry
    router: TaskRouter
    clock: FakeClock

    async def join(self, *agent_ids: str, limit: int | None = None) -> None:
        """Register agents, anew where they are registered already."""
        present = {match.agent.id for match in (await self.registry.query(AgentQuery())).agents}
        for agent_id in agent_ids:
            if agent_id in present:
                await self.registry.unregister(agent_id)
            self.clock.advance(1)
            await self.registry.register(draft(agent_id, limit))

    async def route(self, *, seconds: float = 86_400) -> Decision:
        """Route a task that may take so long."""
        return await self.router.route(Task(task_type="review", timeout_ms=seconds * 1000))

    async def conclude(self, decision: Decision, *, success: bool = True) -> None:
        """Report how it went."""
        await self.router.report_outcome(decision.task_id, outcome(success=success))

    async def work(self, tasks: int, *, success: bool) -> None:
        """Route tasks, and have all end alike."""
        for _ in range(tasks):
            await self.conclude(await self.route(), success=success)

    async def known(self) -> dict[str, int]:
        """How many outcomes routing knows of each agent, as a decision tells; its task stays open."""
        decision = await self.route()
        told = {other.agent_id: other.reason for other in decision.alternatives}
        told[decision.selected_agent] = decision.reason
        return {agent_id: _outcomes(reason) for agent_id, reason in told.items()}

    async def counted(self, agent_ids: Iterable[str]) -> dict[str, int]:
        """How many outcomes the registry has counted for each agent."""
        return {
            agent_id: (await self.registry.get(agent_id)).performance_history.task_count
            for agent_id in agent_ids
        }


@asynccontextmanager
async def house(database: Database, clock: FakeClock | None = None) -> AsyncIterator[House]:
    """Both started; stopped at the end, so that another house on the database is a restart."""
    clock = clock or FakeClock()
    registry = AgentRegistry(AgentStore(database), Fixed(RegistrySettings()), clock)
    store, live = RoutingStore(database), Fixed(ROUTING)
    router = TaskRouter(registry, FakeTracker(), store, live, clock, _ask, _same)
    await registry.start()
    await router.start()
    try:
        yield House(registry, router, clock)
    finally:
        await router.stop()
        await registry.stop()


def draft(agent_id: str, limit: int | None = None) -> AgentDraft:
    """A reviewer."""
    able = Capabilities(task_types=("review",))
    return AgentDraft(
        id=agent_id, name=agent_id, model_family="m", capabilities=able, max_concurrent_tasks=limit
    )


def _outcomes(reason: str) -> int:
    return int(reason.partition(" over ")[2].partition(" outcomes")[0])


def _ask(requirement: Requirement) -> AgentQuery:
    return AgentQuery(task_type=requirement.task_type)


def _same(happening: Happening) -> Happening:
    return happening


async def test_an_agent_registered_anew_is_fresh_in_routing_too(any_database: Database) -> None:
    """It stands at the prior in the registry and in the next decision, at once and after a restart."""
    clock = FakeClock()
    async with house(any_database, clock) as here:
        await here.join("a")
        await here.work(3, success=False)
        assert await here.known() == {"a": 3}

        await here.join("a")

        assert await here.known() == {"a": 0}
    async with house(any_database, clock) as again:
        assert await again.known() == {"a": 0}
        assert (await again.registry.get("a")).performance_history.success_rate == 0.8


async def test_an_agent_registered_anew_learns_anew(any_database: Database) -> None:
    """Outcomes of the present registration count from nothing, and last; no other agent loses anything."""
    clock = FakeClock()
    async with house(any_database, clock) as here:
        await here.join("a")
        await here.work(3, success=False)
        await here.join("b")
        await here.work(2, success=True)
        assert await here.known() == {"a": 3, "b": 2}

        await here.join("b")
        await here.work(1, success=True)

        assert await here.known() == {"a": 3, "b": 1}
    async with house(any_database, clock) as again:
        assert await again.known() == {"a": 3, "b": 1}


async def test_an_outcome_of_an_earlier_registration_touches_nothing_of_the_present_one(
    any_database: Database,
) -> None:
    """Neither averages, nor what was learned, nor load; it is taken all the same, also after a restart."""
    clock = FakeClock()
    async with house(any_database, clock) as here:
        await here.join("a", limit=2)
        first, second = await here.route(), await here.route()
        await here.join("a", limit=2)
        await here.work(1, success=True)
        await here.route()

        await here.conclude(first, success=False)

        assert (await here.registry.get("a")).current_load.active_tasks == 1
        assert await here.counted("a") == {"a": 1}
        assert await here.known() == {"a": 1}
    async with house(any_database, clock) as again:
        assert (await again.registry.get("a")).current_load.active_tasks == 2
        await again.conclude(second, success=False)

        assert (await again.registry.get("a")).current_load.active_tasks == 2
        assert await again.counted("a") == {"a": 1}
    async with house(any_database, clock) as last:
        await last.join("b")
        assert await last.known() == {"a": 1, "b": 0}


async def test_a_lease_of_an_earlier_registration_gives_nothing_back(any_database: Database) -> None:
    """When it ends, the present registration carries what it carried, and is as full as it was."""
    async with house(any_database) as here:
        await here.join("a", limit=1)
        await here.route(seconds=10)
        await here.join("a", limit=1)
        await here.route()

        here.clock.advance(10)
        with pytest.raises(NoCapacity):
            await here.route()

        assert (await here.registry.get("a")).current_load.active_tasks == 1


async def test_a_restored_registration_has_what_it_has_learned_itself(any_database: Database) -> None:
    """After a restore only outcomes of the restored registration count, also after a restart."""
    clock = FakeClock()
    async with house(any_database, clock) as here:
        await here.join("a", "b")
        await here.work(8, success=True)
        before = await here.known()
        backup = await here.registry.backup()
        await here.join("a", "b")
        late = await here.route()
        assert await here.known() == {"a": 0, "b": 0}

        await here.registry.restore(backup)

        assert await here.known() == before
        await here.conclude(late, success=False)
        assert await here.known() == before
    async with house(any_database, clock) as again:
        assert await again.known() == before


async def test_a_restored_registration_has_nothing_that_another_one_learned(any_database: Database) -> None:
    """Where a later registration has replaced its arm it begins anew, and goes on from there."""
    clock = FakeClock()
    async with house(any_database, clock) as here:
        await here.join("a")
        await here.work(3, success=True)
        backup = await here.registry.backup()
        await here.join("a")
        await here.work(5, success=False)

        await here.registry.restore(backup)

        assert await here.known() == {"a": 0}
        await here.work(2, success=True)
        assert await here.known() == {"a": 2}
    async with house(any_database, clock) as again:
        assert await again.known() == {"a": 2}


STEPS = st.sampled_from(["route", "outcome", "anew a", "anew b"])


@pytest.fixture
def clock() -> FakeClock:
    """One for all examples of a test, since they share its database."""
    return FakeClock()


@given(lives=st.lists(st.lists(STEPS, max_size=10), min_size=1, max_size=3))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_routing_knows_the_outcomes_that_the_registry_counts(
    any_database: Database, clock: FakeClock, lives: list[list[str]]
) -> None:
    """Whatever is routed, reported, registered anew and restarted in between: both know equally many."""
    waiting: list[Decision] = []
    for number, steps in enumerate(lives):
        async with house(any_database, clock) as here:
            if number == 0:
                await here.join("a", "b")
            for step in steps:
                await take(step, here, waiting)

            assert await here.known() == await here.counted("ab")


async def take(step: str, here: House, waiting: list[Decision]) -> None:
    """Carry out one step; outcomes come in the order of their decisions."""
    if step == "route":
        waiting.append(await here.route())
    elif step == "outcome" and waiting:
        await here.conclude(waiting.pop(0), success=len(waiting) % 2 == 0)
    elif step.startswith("anew"):
        await here.join(step[-1])
