"""Queries: conditions are AND, the order is total, the reason is stated, nothing found is explained."""

from __future__ import annotations

import pytest

from arbiter.orchestrator.agents.errors import CursorInvalid
from arbiter.orchestrator.agents.models import AgentQuery, AgentStatus
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.orchestrator.agents.store import AgentStore
from arbiter.orchestrator.storage.database import Database
from arbiter.testing.clock import FakeClock
from tests.orchestrator.agents.kit import FAILURE, SUCCESS, can, draft, found, running


def rankings(registry: AgentRegistry, outcome: str) -> float:
    """How many rankings were looked up with this outcome."""
    return next(
        one.value
        for one in registry.measurements()
        if one.name == "arbiter.registry.rankings" and ("outcome", outcome) in one.attributes
    )


async def test_conditions_are_and(database: Database) -> None:
    """Only agents that have the task type, all languages and all specialisations are found."""
    async with running(AgentStore(database)) as registry:
        await registry.register(
            draft("both", can("testing", languages=("Go", "Rust"), specializations=("DevOps",)))
        )
        await registry.register(draft("one", can("testing", languages=("Go",))))
        await registry.register(draft("other", can("research", languages=("Go", "Rust"))))

        assert await found(registry, AgentQuery()) == ["both", "one", "other"]
        assert await found(registry, AgentQuery(task_type="testing")) == ["both", "one"]
        assert await found(registry, AgentQuery(task_type="testing", languages=("Go", "Rust"))) == ["both"]
        assert await found(registry, AgentQuery(languages=("Go", "Rust"))) == ["both", "other"]
        assert await found(registry, AgentQuery(specializations=("DevOps",))) == ["both"]


async def test_a2_matches_are_sorted_by_success(database: Database) -> None:
    """001 A2: the agent with the better record comes first, whatever its id."""
    async with running(AgentStore(database)) as registry:
        for agent_id in ("a", "b", "c"):
            await registry.register(draft(agent_id))
        await registry.update_performance("a", FAILURE)
        await registry.update_performance("c", SUCCESS)

        assert await found(registry, AgentQuery(task_type="code-review")) == ["c", "b", "a"]


async def test_the_score_is_what_was_asked_and_the_success_rate(database: Database) -> None:
    """The formula of `matching`, and a reason that states both parts."""
    async with running(AgentStore(database)) as registry:
        await registry.register(draft("a", can("testing", languages=("Go",))))

        page = await registry.query(AgentQuery(task_type="testing", languages=("Go",)))

    match = page.agents[0]
    assert match.match_score == pytest.approx((0.3 + 0.3 + 0.2 * 0.8) / 0.8)
    assert match.match_reason == (
        "task type testing; languages Go; success rate 0.800 over 0 outcomes and the prior"
    )


async def test_a4_max_utilization_is_exclusive(database: Database) -> None:
    """001 A4: only agents below the threshold are found; one that stands at it is not."""
    async with running(AgentStore(database)) as registry:
        await registry.register(draft("half", limit=4))
        for _ in range(2):
            assert await registry.reserve("half")

        assert await found(registry, AgentQuery(max_utilization=50)) == []
        assert await found(registry, AgentQuery(max_utilization=50.1)) == ["half"]


async def test_min_success_rate_looks_at_the_posterior(database: Database) -> None:
    """An agent at the prior passes 0.8, and fails it after one failure."""
    async with running(AgentStore(database)) as registry:
        await registry.register(draft("a"))
        assert await found(registry, AgentQuery(min_success_rate=0.8)) == ["a"]

        await registry.update_performance("a", FAILURE)

        assert await found(registry, AgentQuery(min_success_rate=0.8)) == []


async def test_only_agents_that_take_work_are_found_unless_asked(database: Database) -> None:
    """Available and busy agents are found; the others only by their status."""
    async with running(AgentStore(database)) as registry:
        for status in AgentStatus:
            await registry.register(draft(status.value))
            await registry.set_status(status.value, status)

        assert await found(registry, AgentQuery()) == ["available", "busy"]
        assert await found(registry, AgentQuery(statuses=(AgentStatus.DRAINING,))) == ["draining"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (
            AgentQuery(task_type="code-reveiw"),
            "No agent has the task type code-reveiw. Did you mean code-review",
        ),
        (AgentQuery(languages=("python",)), "No agent has the language python. Did you mean Python?"),
        (AgentQuery(languages=("Cobol",)), "No agent has the language Cobol."),
        (
            AgentQuery(task_type="testing", languages=("Go",)),
            "no single agent has all of them: task type testing",
        ),
        (
            AgentQuery(task_type="testing", min_success_rate=0.9),
            "1 agent has what was asked, but none succeeds",
        ),
        (AgentQuery(task_type="testing", max_utilization=0), "none is below the utilisation"),
        (AgentQuery(statuses=(AgentStatus.OFFLINE,)), "2 agents have what was asked, but none is in a state"),
    ],
)
async def test_nothing_found_is_explained(database: Database, query: AgentQuery, words: str) -> None:
    """The hint names the first condition that leaves nobody, and what it may have been meant for."""
    async with running(AgentStore(database)) as registry:
        await registry.register(draft("a", can("testing", languages=("Rust",))))
        await registry.register(draft("b", can("code-review", languages=("Go",))))

        page = await registry.query(query)

    assert page.agents == ()
    assert words in (page.hint or "")


async def test_an_empty_registry_says_so(database: Database) -> None:
    """Nobody registered is the whole explanation."""
    async with running(AgentStore(database)) as registry:
        assert (await registry.query(AgentQuery(task_type="x"))).hint == "No agent is registered."


@pytest.mark.parametrize("limit", [1, 3, 7, 20])
async def test_pages_hold_every_agent_once(database: Database, limit: int) -> None:
    """Following `next` meets every agent exactly once, in the order of one large page."""
    async with running(AgentStore(database)) as registry:
        for number in range(20):
            await registry.register(draft(f"a{number}"))
            if number % 3 == 0:
                await registry.update_performance(f"a{number}", SUCCESS)
        whole = await found(registry, AgentQuery())

        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await registry.query(AgentQuery(limit=limit, cursor=cursor))
            seen += [match.agent.id for match in page.agents]
            cursor = page.next

    assert seen == whole
    assert len(set(seen)) == 20


@pytest.mark.parametrize("cursor", ["x", "e30=", "WzFd", "WyJhIiwxXQ==", "\u00e9", "WzEuMCwgTmFOXQ=="])
async def test_a_foreign_cursor_is_refused(database: Database, cursor: str) -> None:
    """Whatever is no cursor of ours is an error of the field `cursor`."""
    async with running(AgentStore(database)) as registry:
        with pytest.raises(CursorInvalid) as caught:
            await registry.query(AgentQuery(cursor=cursor))

    assert caught.value.field == "cursor"


async def test_a_ranking_is_remembered_until_it_no_longer_holds(database: Database) -> None:
    """The same query is answered from memory; a registration, an outcome or a change of status makes it anew."""
    query = AgentQuery(task_type="code-review")
    async with running(AgentStore(database)) as registry:
        await registry.register(draft("a"))
        await registry.query(query)
        await registry.query(query)
        assert (rankings(registry, "hit"), rankings(registry, "miss")) == (1, 1)

        await registry.register(draft("b"))
        assert await found(registry, query) == ["a", "b"]
        await registry.update_performance("b", SUCCESS)
        assert await found(registry, query) == ["b", "a"]
        await registry.set_status("b", AgentStatus.OFFLINE)
        assert await found(registry, query) == ["a"]
        await registry.unregister("a")
        assert await found(registry, query) == []
        assert rankings(registry, "hit") == 1


async def test_a_remembered_ranking_shows_the_present_load(database: Database) -> None:
    """Reserving leaves rankings valid, and the answer still tells the load as it is."""
    async with running(AgentStore(database)) as registry:
        await registry.register(draft("a"))
        await registry.query(AgentQuery())
        await registry.reserve("a")

        page = await registry.query(AgentQuery())

        assert page.agents[0].agent.current_load.active_tasks == 1
        assert rankings(registry, "hit") == 1


async def test_a_remembered_ranking_grows_old(database: Database) -> None:
    """After `cache_ttl_s` it is made anew, though nothing changed."""
    clock = FakeClock()
    async with running(AgentStore(database), RegistrySettings(cache_ttl_s=10), clock) as registry:
        await registry.register(draft("a"))
        await registry.query(AgentQuery())

        clock.advance(10)
        await registry.query(AgentQuery())

        assert (rankings(registry, "hit"), rankings(registry, "miss")) == (0, 2)


async def test_without_the_cache_nothing_is_remembered(database: Database) -> None:
    """`cache_enabled = false` does what it says."""
    async with running(AgentStore(database), RegistrySettings(cache_enabled=False)) as registry:
        await registry.register(draft("a"))
        await registry.query(AgentQuery())
        await registry.query(AgentQuery())

        assert (rankings(registry, "hit"), rankings(registry, "miss")) == (0, 0)
