"""Queries: conditions are AND, the order is total, the reason is stated, nothing found is explained."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbiter.orchestrator.agents.averages import added
from arbiter.orchestrator.agents.errors import CursorInvalid
from arbiter.orchestrator.agents.index import Index
from arbiter.orchestrator.agents.models import AgentQuery, AgentStatus, StoredAgent
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.agents.roster import Ranking
from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.orchestrator.agents.store import AgentStore
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.vocabulary import Capabilities
from arbiter.testing.clock import FakeClock
from tests.orchestrator.agents.kit import FAILURE, SUCCESS, can, draft, found, running

MOMENT: Final = datetime(2026, 1, 1, tzinfo=UTC)


async def settled() -> None:
    """Let the background go on until it waits for the clock."""
    for _ in range(5):
        await asyncio.sleep(0)


def rankings(registry: AgentRegistry, outcome: str) -> float:
    """How many rankings were looked up with this outcome."""
    return next(
        one.value
        for one in registry.measurements()
        if one.name == "arbiter.registry.rankings" and ("outcome", outcome) in one.attributes
    )


async def test_conditions_are_and(any_database: Database) -> None:
    """Only agents that have the task type, all languages and all specialisations are found."""
    async with running(AgentStore(any_database)) as registry:
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


async def test_001_a2_matches_are_sorted_by_success(any_database: Database) -> None:
    """001 A2: the agent with the better record comes first, whatever its id."""
    async with running(AgentStore(any_database)) as registry:
        for agent_id in ("a", "b", "c"):
            await registry.register(draft(agent_id))
        await registry.update_performance("a", FAILURE)
        await registry.update_performance("c", SUCCESS)

        assert await found(registry, AgentQuery(task_type="code-review")) == ["c", "b", "a"]


async def test_the_score_is_what_was_asked_and_the_success_rate(any_database: Database) -> None:
    """The formula of `matching`, and a reason that states both parts."""
    async with running(AgentStore(any_database)) as registry:
        await registry.register(draft("a", can("testing", languages=("Go",))))

        page = await registry.query(AgentQuery(task_type="testing", languages=("Go",)))

    match = page.agents[0]
    assert match.match_score == pytest.approx((0.3 + 0.3 + 0.2 * 0.8) / 0.8)
    assert match.match_reason == (
        "task type testing; languages Go; success rate 0.800 over 0 outcomes and the prior"
    )


async def test_001_a4_max_utilization_is_exclusive(any_database: Database) -> None:
    """001 A4: only agents below the threshold are found; one that stands at it is not."""
    async with running(AgentStore(any_database)) as registry:
        await registry.register(draft("half", limit=4))
        for _ in range(2):
            assert registry.reserve("half")

        assert await found(registry, AgentQuery(max_utilization=50)) == []
        assert await found(registry, AgentQuery(max_utilization=50.1)) == ["half"]


async def test_min_success_rate_looks_at_the_posterior(any_database: Database) -> None:
    """An agent at the prior passes 0.8, and fails it after one failure."""
    async with running(AgentStore(any_database)) as registry:
        await registry.register(draft("a"))
        assert await found(registry, AgentQuery(min_success_rate=0.8)) == ["a"]

        await registry.update_performance("a", FAILURE)

        assert await found(registry, AgentQuery(min_success_rate=0.8)) == []


async def test_only_agents_that_take_work_are_found_unless_asked(any_database: Database) -> None:
    """Available and busy agents are found; the others only by their status."""
    async with running(AgentStore(any_database)) as registry:
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
async def test_nothing_found_is_explained(any_database: Database, query: AgentQuery, words: str) -> None:
    """The hint names the first condition that leaves nobody, and what it may have been meant for."""
    async with running(AgentStore(any_database)) as registry:
        await registry.register(draft("a", can("testing", languages=("Rust",))))
        await registry.register(draft("b", can("code-review", languages=("Go",))))

        page = await registry.query(query)

    assert page.agents == ()
    assert words in (page.hint or "")


async def test_an_empty_registry_says_so(any_database: Database) -> None:
    """Nobody registered is the whole explanation."""
    async with running(AgentStore(any_database)) as registry:
        assert (await registry.query(AgentQuery(task_type="x"))).hint == "No agent is registered."


@pytest.mark.parametrize("limit", [1, 3, 7, 20])
async def test_pages_hold_every_agent_once(any_database: Database, limit: int) -> None:
    """Following `next` meets every agent exactly once, in the order of one large page."""
    async with running(AgentStore(any_database)) as registry:
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
async def test_a_foreign_cursor_is_refused(any_database: Database, cursor: str) -> None:
    """Whatever is no cursor of ours is an error of the field `cursor`."""
    async with running(AgentStore(any_database)) as registry:
        with pytest.raises(CursorInvalid) as caught:
            await registry.query(AgentQuery(cursor=cursor))

    assert caught.value.field == "cursor"


async def test_a_remembered_ranking_follows_what_changes(any_database: Database) -> None:
    """The same query is answered from memory, also after registrations, outcomes, changes of status and removals."""
    query = AgentQuery(task_type="code-review")
    async with running(AgentStore(any_database)) as registry:
        await registry.register(draft("a"))
        await registry.query(query)
        await registry.query(query)
        assert (rankings(registry, "hit"), rankings(registry, "miss")) == (1, 1)

        await registry.register(draft("b"))
        assert await found(registry, query) == ["a", "b"]
        await registry.update_performance("b", SUCCESS)
        assert await found(registry, query) == ["b", "a"]
        await registry.set_capabilities("a", can("research"))
        assert await found(registry, query) == ["b"]
        await registry.set_status("b", AgentStatus.OFFLINE)
        assert await found(registry, query) == []
        await registry.set_capabilities("a", can("code-review"))
        assert await found(registry, query) == ["a"]
        await registry.unregister("a")
        assert await found(registry, query) == []
        assert (rankings(registry, "hit"), rankings(registry, "miss")) == (7, 1)


async def test_a_remembered_ranking_shows_the_present_load(any_database: Database) -> None:
    """Reserving leaves rankings valid, and the answer still tells the load as it is."""
    async with running(AgentStore(any_database)) as registry:
        await registry.register(draft("a"))
        await registry.query(AgentQuery())
        registry.reserve("a")

        page = await registry.query(AgentQuery())

        assert page.agents[0].agent.current_load.active_tasks == 1
        assert rankings(registry, "hit") == 1


async def test_a_remembered_ranking_grows_old(any_database: Database) -> None:
    """After `cache_ttl_s` it is made anew, though nothing changed."""
    clock = FakeClock()
    async with running(AgentStore(any_database), RegistrySettings(cache_ttl_s=10), clock) as registry:
        await registry.register(draft("a"))
        await registry.query(AgentQuery())

        clock.advance(10)
        await registry.query(AgentQuery())

        assert (rankings(registry, "hit"), rankings(registry, "miss")) == (0, 2)


async def test_without_the_cache_nothing_is_remembered(any_database: Database) -> None:
    """`cache_enabled = false` does what it says."""
    async with running(AgentStore(any_database), RegistrySettings(cache_enabled=False)) as registry:
        await registry.register(draft("a"))
        await registry.query(AgentQuery())
        await registry.query(AgentQuery())

        assert (rankings(registry, "hit"), rankings(registry, "miss")) == (0, 0)


WORDS = st.sets(st.sampled_from(["x", "y"]))
CHANGES = st.lists(
    st.tuples(
        st.sampled_from("abcdef"), st.sampled_from(["put", "win", "lose", "away", "go", "rest"]), WORDS, WORDS
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(changes=CHANGES, asked=st.tuples(st.sampled_from([None, "t", "u"]), WORDS, WORDS))
def test_a_ranking_that_follows_is_one_that_is_made_anew(
    changes: list[tuple[str, str, set[str], set[str]]], asked: tuple[str | None, set[str], set[str]]
) -> None:
    """After any changes of any agents, a ranking that caught up in between holds what a fresh one holds, in its order."""
    index = Index()
    query = AgentQuery(task_type=asked[0], languages=tuple(asked[1]), specializations=tuple(asked[2]))
    followed = Ranking(index, query, 0.0)
    for number, (agent_id, change, languages, specializations) in enumerate(changes):
        change_one(
            index,
            agent_id,
            change,
            can("t", languages=tuple(languages), specializations=tuple(specializations)),
        )
        if number % 3 == 0:
            followed.catch_up()
    followed.catch_up()

    assert followed.ranked == Ranking(index, query, 0.0).ranked
    assert all(followed.match(entry).agent is entry.agent for _, _, entry in followed.ranked)


def change_one(index: Index, agent_id: str, change: str, capabilities: Capabilities) -> None:
    """Put an agent into the index, or change it there."""
    entry = index.get(agent_id)
    if entry is None or change == "put":
        told = draft(agent_id, capabilities)
        revision = 1 if entry is None else entry.record.revision + 1
        made = StoredAgent(
            **dict(told), registered_at=MOMENT, last_active_at=MOMENT, revision=revision, beats=True
        )
        index.put(made)
        return
    record, later = entry.record, {"revision": entry.record.revision + 1}
    match change:
        case "win" | "lose":
            tally = added(record.tally, SUCCESS if change == "win" else FAILURE)
            index.put(record.model_copy(update={"tally": tally, **later}))
        case "away":
            index.put(record.model_copy(update={"status": AgentStatus.OFFLINE, **later}))
        case "go":
            index.remove(agent_id)
        case _:
            index.set_aside(MOMENT + timedelta(seconds=1))


async def test_an_agent_whose_heartbeats_stop_is_set_aside_and_comes_back(any_database: Database) -> None:
    """It stays registered and gets no work, also after a restart, until its next sign of life; the hint says so."""
    clock = FakeClock()
    store, rule = AgentStore(any_database), RegistrySettings(stale_after_s=100)
    async with running(store, rule, clock) as registry:
        await registry.register(draft("a"))
        await registry.heartbeat("a")
        await settled()
        clock.advance(161)
        await settled()

        page = await registry.query(AgentQuery())
        assert (page.agents, "heartbeat" in (page.hint or "")) == ((), True)
        assert (await registry.get("a")).is_stale
        assert list(await registry.roster(AgentQuery())) == []
        assert await found(registry, AgentQuery(statuses=(AgentStatus.AVAILABLE,))) == ["a"]

    async with running(store, rule, clock) as registry:
        assert await found(registry, AgentQuery()) == []
        await registry.heartbeat("a")
        assert await found(registry, AgentQuery()) == ["a"]


async def test_an_agent_that_never_sent_a_heartbeat_is_never_set_aside(any_database: Database) -> None:
    """It has promised none, and could not come back: an agent that is asked for nothing has no outcomes either."""
    clock = FakeClock()
    async with running(AgentStore(any_database), RegistrySettings(stale_after_s=100), clock) as registry:
        await registry.register(draft("a"))
        await settled()
        clock.advance(1000)
        await settled()

        assert await found(registry, AgentQuery()) == ["a"]
