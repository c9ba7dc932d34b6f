"""Two instances of the orchestrator on one PostgreSQL: they share agents, leases and what was learned."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import Connection, func, make_url, select

from arbiter.clock import SystemClock
from arbiter.orchestrator.agents.models import AgentDraft, AgentQuery, AgentStatus
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.orchestrator.agents.store import AgentStore
from arbiter.orchestrator.routing.errors import NoCapacity
from arbiter.orchestrator.routing.models import Task
from arbiter.orchestrator.routing.router import TaskRouter
from arbiter.orchestrator.routing.settings import RoutingSettings
from arbiter.orchestrator.routing.store import RoutingStore
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.schema import decisions
from arbiter.orchestrator.vocabulary import Capabilities
from arbiter.testing.live import Fixed
from containers.introductions import as_query
from tests.orchestrator.routing.fakes import FakeTracker, outcome
from tests.servers import Postgresql
from tests.waiting import reached

TASK = Task(task_type="review")


@dataclass
class Instance:
    """One process's worth of the orchestrator."""

    database: Database
    registry: AgentRegistry
    router: TaskRouter

    async def believed(self) -> str:
        """What its next decision says of the best agent; the task stays open."""
        return (await self.router.route(TASK)).reason


@pytest.fixture
def shared_url(postgres_server: Postgresql, migrated_template: str) -> str:
    """A PostgreSQL database of this test's own."""
    return postgres_server.new_database(migrated_template)


@asynccontextmanager
async def instance(url: str, **routing: object) -> AsyncIterator[Instance]:
    """A started instance."""
    clock, database = SystemClock(), Database(url)
    registry = AgentRegistry(AgentStore(database), Fixed(RegistrySettings()), clock)
    settings = Fixed(RoutingSettings.model_validate({"seed": 1, "max_routing_time_ms": 60_000, **routing}))
    router = TaskRouter(
        registry,
        FakeTracker(),
        RoutingStore(database),
        settings,
        clock,
        as_query,
        lambda happening: happening,
    )
    async with AsyncExitStack() as stack:
        for component in (database, registry, router):
            await component.start()
            stack.push_async_callback(component.stop)
        yield Instance(database, registry, router)


@pytest_asyncio.fixture
async def both(shared_url: str) -> AsyncIterator[tuple[Instance, Instance]]:
    """Two of them on one database."""
    async with instance(shared_url) as one, instance(shared_url, seed=2) as other:
        yield one, other


def draft(agent_id: str, *, limit: int | None = None, kind: str = "review") -> AgentDraft:
    """An agent that reviews."""
    able = Capabilities(task_types=(kind,))
    return AgentDraft(
        id=agent_id, name=agent_id, model_family="m", capabilities=able, max_concurrent_tasks=limit
    )


async def listed(here: Instance) -> list[str]:
    """The ids that a query finds."""
    return sorted(
        match.agent.id for match in (await here.registry.query(AgentQuery(task_type="review"))).agents
    )


async def eventually(here: Instance, expected: list[str]) -> None:
    """Wait until a query finds exactly these."""
    await reached(lambda: listed(here), expected)


async def counted(here: Instance, *agent_ids: str) -> list[int]:
    """How many outcomes an instance knows of these agents."""
    return [(await here.registry.get(agent_id)).performance_history.task_count for agent_id in agent_ids]


async def loads(here: Instance, *agent_ids: str) -> int:
    """What these agents carry together, as an instance believes."""
    return sum([(await here.registry.get(one)).current_load.active_tasks for one in agent_ids])


def open_leases(connection: Connection) -> dict[str, int]:
    """The leases that are open in the database, by agent."""
    counted = select(decisions.c.agent_id, func.count()).where(decisions.c.outcome_at.is_(None))
    return {row[0]: row[1] for row in connection.execute(counted.group_by(decisions.c.agent_id))}


async def test_agents_are_shared(both: tuple[Instance, Instance]) -> None:
    """What one instance registers, changes or removes, the other one finds, changed, or finds no more."""
    one, other = both
    await one.registry.register(draft("a"))
    await other.registry.register(draft("b"))
    assert (await other.registry.get("a")).name == "a"
    await eventually(one, ["a", "b"])
    await eventually(other, ["a", "b"])

    await one.registry.set_status("b", AgentStatus.DRAINING)
    await eventually(other, ["a"])
    await one.registry.set_capabilities("b", Capabilities(task_types=("testing",)))
    await one.registry.set_status("b", AgentStatus.AVAILABLE)
    await eventually(other, ["a"])
    await other.registry.unregister("a")
    await eventually(one, [])


async def test_a_restore_at_one_is_a_restore_at_both(both: tuple[Instance, Instance]) -> None:
    """The other instance forgets who is not in the backup, and finds who came back with it."""
    one, other = both
    await one.registry.register(draft("a"))
    backup = await one.registry.backup()
    await one.registry.unregister("a")
    await one.registry.register(draft("b"))
    await eventually(other, ["b"])

    await one.registry.restore(backup)

    await eventually(one, ["a"])
    await eventually(other, ["a"])


async def test_averages_of_one_agent_count_every_outcome_of_both(both: tuple[Instance, Instance]) -> None:
    """Outcomes that both instances count at once are all counted, and both know the sum."""
    one, other = both
    await one.registry.register(draft("a"))
    await one.registry.register(draft("b"))
    await eventually(other, ["a", "b"])

    agents = ["a", "b"] * 20
    await asyncio.gather(
        *(one.registry.update_performance(agent_id, outcome().report) for agent_id in agents),
        *(other.registry.update_performance(agent_id, outcome().report) for agent_id in reversed(agents)),
    )

    for here in both:
        await reached(partial(counted, here, "a", "b"), [40, 40])


async def test_neither_instance_exceeds_an_agents_limit(both: tuple[Instance, Instance]) -> None:
    """Both route as fast as they can, and report: at no moment has an agent more open leases than it takes at once."""
    one, other = both
    limits = {"a": 1, "b": 2, "c": 3}
    for agent_id, limit in limits.items():
        await one.registry.register(draft(agent_id, limit=limit))
    await eventually(other, sorted(limits))
    most: Counter[str] = Counter()
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            for agent_id, count in (await one.database.read(open_leases)).items():
                most[agent_id] = max(most[agent_id], count)

    watching = asyncio.create_task(watch())
    refused = await asyncio.gather(*(work(here, tasks=15) for here in both for _ in range(8)))
    done.set()
    await watching

    assert most == limits
    assert sum(refused) > 0
    for here in both:
        await reached(partial(loads, here, *limits), 0)


async def work(here: Instance, tasks: int) -> int:
    """Route and conclude so many tasks one after the other; how many found no place."""
    refused = 0
    for _ in range(tasks):
        try:
            decision = await here.router.route(TASK)
        except NoCapacity:
            refused += 1
            await asyncio.sleep(0.002)
        else:
            await here.router.report_outcome(decision.task_id, outcome())
    return refused


async def test_one_place_is_given_once(both: tuple[Instance, Instance]) -> None:
    """Of one place that both see free at the same moment, one gets it, and the other is told that there is none."""
    one, other = both
    await one.registry.register(draft("a", limit=1))
    await eventually(other, ["a"])

    results = await asyncio.gather(one.router.route(TASK), other.router.route(TASK), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["Decision", "NoCapacity"]
    assert await one.database.read(open_leases) == {"a": 1}


async def test_a_task_of_one_instance_is_concluded_at_the_other(both: tuple[Instance, Instance]) -> None:
    """The outcome frees the agent in both, is learned in both, and the same task asked again is decided already."""
    one, other = both
    await one.registry.register(draft("a", limit=1))
    await eventually(other, ["a"])
    decision = await one.router.route(TASK)
    await reached(partial(loads, other, "a"), 1)

    await other.router.report_outcome(decision.task_id, outcome(success=False))

    await reached(partial(loads, one, "a"), 0)
    assert await one.router.route(TASK.model_copy(update={"task_id": decision.task_id})) == decision
    assert "expected success 0.667 over 1 outcomes" in await one.believed()


async def test_an_instance_that_was_cut_off_looks_at_everything_again(
    shared_url: str, both: tuple[Instance, Instance]
) -> None:
    """What was missed while the connection for news was broken is read when it stands again."""
    one, other = both
    await one.registry.register(draft("a", limit=5))
    await eventually(other, ["a"])
    url = make_url(shared_url)
    dsn = f"host={url.host} port={url.port} user={url.username} dbname=postgres"
    with psycopg.connect(dsn, autocommit=True) as connection:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND query ILIKE 'LISTEN%%'"
        connection.execute(cut, (url.database,))

    await one.registry.register(draft("b"))
    await one.router.route(TASK)

    await eventually(other, ["a", "b"])
    await reached(partial(loads, other, "a", "b"), 1)


async def test_an_instance_that_starts_later_knows_what_there_is(shared_url: str) -> None:
    """Agents, open leases and what was learned are loaded; leases that ended without an outcome are none."""
    async with instance(shared_url) as one:
        await one.registry.register(draft("a", limit=3))
        done = await one.router.route(TASK)
        await one.router.report_outcome(done.task_id, outcome())
        await one.router.route(TASK.model_copy(update={"timeout_ms": 1.0}))
        await one.router.route(TASK)
        await reached(partial(loads, one, "a"), 1)

        async with instance(shared_url) as other:
            assert await loads(other, "a") == 1
            assert "over 1 outcomes" in await other.believed()
