"""Component 002's acceptance criteria on the real registry and router, over each kind of database."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median

from arbiter.orchestrator.agents.models import AgentDraft
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.orchestrator.agents.store import AgentStore
from arbiter.orchestrator.routing.models import Task
from arbiter.orchestrator.routing.router import TaskRouter
from arbiter.orchestrator.routing.settings import RoutingSettings
from arbiter.orchestrator.routing.store import RoutingStore
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.vocabulary import Capabilities
from arbiter.testing.clock import FakeClock
from arbiter.testing.live import Fixed
from containers.introductions import as_query
from tests.orchestrator.routing.fakes import FakeTracker, outcome, seeded

ABILITIES = {"a": 0.95, "b": 0.6, "c": 0.5, "d": 0.3, "e": 0.2}
TYPESCRIPT = Task(task_type="code-editing", languages=("TypeScript",))
LIMIT_MS = 50.0
DECISIONS = 400


@asynccontextmanager
async def routing(
    database: Database, *agents: str, **settings: object
) -> AsyncIterator[tuple[TaskRouter, AgentRegistry]]:
    """A router of these agents, who know TypeScript, and of one who does not."""
    registry = AgentRegistry(AgentStore(database), Fixed(RegistrySettings()), FakeClock())
    live = Fixed(RoutingSettings.model_validate({"seed": 1, "max_routing_time_ms": 60_000, **settings}))
    router = TaskRouter(
        registry,
        FakeTracker(),
        RoutingStore(database),
        live,
        FakeClock(),
        as_query,
        lambda happening: happening,
    )
    async with AsyncExitStack() as stack:
        for component in (registry, router):
            await component.start()
            stack.push_async_callback(component.stop)
        for one in (*map(draft, agents), draft("other", language="Go")):
            await registry.register(one)
        yield router, registry


def draft(agent_id: str, *, language: str = "TypeScript") -> AgentDraft:
    """Who edits code in a language."""
    able = Capabilities(task_types=("code-editing",), languages=(language,))
    return AgentDraft(id=agent_id, name=agent_id, model_family="m", capabilities=able)


def best_bounds(pulls: Counter[str], successes: Counter[str]) -> set[str]:
    """Who has the highest upper confidence bound by Auer, Cesa-Bianchi and Fischer (2002), figure 1."""
    fresh = {agent_id for agent_id in ABILITIES if not pulls[agent_id]}
    bounds = {
        agent_id: successes[agent_id] / count + math.sqrt(2 * math.log(pulls.total()) / count)
        for agent_id, count in pulls.items()
    }
    return fresh or {one for one, bound in bounds.items() if math.isclose(bound, max(bounds.values()))}


async def test_002_a1_of_five_typescript_agents_the_best_bound_is_taken_within_50_ms(
    any_database: Database,
) -> None:
    """002 A1: each of a hundred decisions takes the highest bound, stored and all in less than 50 ms as a rule (median)."""
    pulls, successes, taken, world = Counter[str](), Counter[str](), list[float](), seeded(5)
    async with routing(any_database, *ABILITIES, strategy="ucb1") as (router, _):
        for _ in range(100):
            began = time.perf_counter()
            decision = await router.route(TYPESCRIPT)
            taken.append((time.perf_counter() - began) * 1000)

            chosen = decision.selected_agent
            assert chosen in best_bounds(pulls, successes)
            success = world.random() < ABILITIES[chosen]
            pulls[chosen] += 1
            successes[chosen] += success
            await router.report_outcome(decision.task_id, outcome(success=success))

    assert median(taken) < LIMIT_MS
    assert pulls.most_common(1)[0][0] == "a"


async def test_002_a2_a3_nine_of_ten_tasks_go_to_the_agent_of_95_percent(any_database: Database) -> None:
    """002 A2, A3: at the rate 0.1 nine of ten decisions exploit, all of them the best agent; one of ten tries any, the
    agent that was registered just now as often as the other.
    """
    explored, exploited = Counter[str](), Counter[str]()
    async with routing(any_database, "best", load_weight=0, exploration_rate=0.1) as (router, registry):
        for number in range(100):
            decision = await router.route(TYPESCRIPT)
            await router.report_outcome(decision.task_id, outcome(success=number % 20 > 0))
        await registry.register(draft("new"))

        for _ in range(DECISIONS):
            decision = await router.route(TYPESCRIPT)
            (explored if decision.explored else exploited)[decision.selected_agent] += 1

    assert set(exploited) == {"best"}
    assert abs(exploited.total() / DECISIONS - 0.9) < 3 * math.sqrt(0.09 / DECISIONS)
    assert abs(explored["new"] / explored.total() - 0.5) < 3 * math.sqrt(0.25 / explored.total())
