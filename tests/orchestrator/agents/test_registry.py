"""The registry: what was acknowledged lasts, memory and store agree, concurrent changes all count."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arbiter.errors import LifecycleStateError
from arbiter.orchestrator.agents.contents import Added, Changed
from arbiter.orchestrator.agents.errors import AgentExists, AgentNotFound, AgentReplaced, RegistryFull
from arbiter.orchestrator.agents.models import AgentQuery, AgentStatus, StoredAgent
from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.orchestrator.agents.store import AgentStore
from arbiter.orchestrator.storage.database import Database
from arbiter.orchestrator.storage.errors import StorageUnavailable
from arbiter.orchestrator.vocabulary import PerformanceReport
from arbiter.protocols import Status
from arbiter.testing.clock import FakeClock
from tests.orchestrator.agents.kit import FAILURE, SUCCESS, can, draft, found, running


class Away(AgentStore):
    """A store whose writes fail."""

    async def add(
        self, record: StoredAgent, *, by: str, at_most: int | None, then: Callable[[Added], None]
    ) -> Added:
        """Away."""
        raise StorageUnavailable("away")

    async def count(
        self,
        agent_id: str,
        report: PerformanceReport,
        *,
        key: str,
        at: datetime,
        registered_at: datetime | None,
        then: Changed,
    ) -> StoredAgent | None:
        """Away."""
        raise StorageUnavailable("away")

    async def remove(self, agent_id: str, *, then: Callable[[bool], None]) -> bool:
        """Away."""
        raise StorageUnavailable("away")


async def test_001_a1_a_registered_agent_is_there_at_once(any_database: Database) -> None:
    """001 A1: it stands at the prior, available, without load, its capabilities at version 1, and a query finds it."""
    clock = FakeClock()
    async with running(AgentStore(any_database), clock=clock) as registry:
        agent = await registry.register(draft("a", limit=4))

        assert agent == await registry.get("a")
        assert agent.performance_history.success_rate == 0.8
        assert agent.status is AgentStatus.AVAILABLE
        assert agent.current_load.active_tasks == 0
        assert agent.registered_at == agent.last_active_at == clock.now()
        (version,) = (await registry.history("a")).capabilities
        assert (version.version, version.old, version.new) == (1, None, agent.capabilities)
        assert await found(registry, AgentQuery()) == ["a"]


async def test_a_taken_id_is_refused(any_database: Database) -> None:
    """The second agent of an id is refused, and the first one is unchanged."""
    async with running(AgentStore(any_database)) as registry:
        first = await registry.register(draft("a"))

        with pytest.raises(AgentExists) as caught:
            await registry.register(draft("a", can("research")))

        assert caught.value.field == "id"
        assert await registry.get("a") == first


async def test_one_of_many_concurrent_registrations_of_an_id_wins(any_database: Database) -> None:
    """Ten at once: one is registered, nine are refused."""
    async with running(AgentStore(any_database)) as registry:
        results = await asyncio.gather(
            *(registry.register(draft("a")) for _ in range(10)), return_exceptions=True
        )

        assert sum(isinstance(result, AgentExists) for result in results) == 9


async def test_a_full_registry_refuses_also_at_once(any_database: Database) -> None:
    """The eleventh of ten is refused, concurrent or not; a taken id is still called taken."""
    async with running(AgentStore(any_database), RegistrySettings(max_agents=10)) as registry:
        drafts = [draft(f"a{number}") for number in range(12)]
        results = await asyncio.gather(*map(registry.register, drafts), return_exceptions=True)

        assert sum(isinstance(result, RegistryFull) for result in results) == 2
        assert len(await found(registry, AgentQuery())) == 10
        with pytest.raises(AgentExists):
            await registry.register(draft("a0"))


async def test_an_unknown_agent_is_not_found_with_its_neighbours(any_database: Database) -> None:
    """Every operation on an unknown agent says so; the hint names ids that are near."""
    async with running(AgentStore(any_database)) as registry:
        await registry.register(draft("reviewer-1"))
        calls = [
            registry.get("reviewer-2"),
            registry.unregister("reviewer-2"),
            registry.update_performance("reviewer-2", SUCCESS),
            registry.set_status("reviewer-2", AgentStatus.BUSY),
            registry.set_capabilities("reviewer-2", can("x")),
            registry.heartbeat("reviewer-2"),
            registry.history("reviewer-2"),
        ]

        for call in calls:
            with pytest.raises(AgentNotFound, match="Did you mean reviewer-1"):
                await call


async def test_001_a3_outcomes_move_the_averages_and_last(any_database: Database) -> None:
    """001 A3: averages are right, and the same after a restart."""
    store = AgentStore(any_database)
    async with running(store) as registry:
        await registry.register(draft("a"))
        await registry.update_performance("a", SUCCESS)
        agent = await registry.update_performance("a", FAILURE)

    assert agent.performance_history.task_count == 2
    assert agent.performance_history.success_rate == pytest.approx(5 / 7)
    assert agent.performance_history.average_quality == pytest.approx(4.5 / 7)
    assert agent.performance_history.average_latency_ms == pytest.approx(5000)
    async with running(store) as registry:
        assert await registry.get("a") == agent


async def test_ten_concurrent_outcomes_count_ten(any_database: Database) -> None:
    """No update of one agent is lost among concurrent ones, nor touches another agent."""
    async with running(AgentStore(any_database)) as registry:
        await registry.register(draft("a"))
        await registry.register(draft("b"))

        await asyncio.gather(*(registry.update_performance("a", SUCCESS) for _ in range(10)))

        assert (await registry.get("a")).performance_history.task_count == 10
        assert (await registry.get("b")).performance_history.task_count == 0


async def test_the_same_key_counts_once(any_database: Database) -> None:
    """An outcome that is reported again under its key changes nothing; without a key each report counts."""
    async with running(AgentStore(any_database)) as registry:
        await registry.register(draft("a"))
        await registry.register(draft("b"))

        again = [registry.update_performance("a", SUCCESS, key="task-1") for _ in range(5)]
        await asyncio.gather(*again)
        await registry.update_performance("b", SUCCESS, key="task-1")
        await registry.update_performance("b", SUCCESS)
        await registry.update_performance("b", SUCCESS)

        assert (await registry.get("a")).performance_history.task_count == 1
        assert (await registry.get("b")).performance_history.task_count == 3
        assert [one.key for one in (await registry.history("b")).performance] == ["", "", "task-1"]


async def test_a_failed_write_changes_neither_memory_nor_store(any_database: Database) -> None:
    """When the store is away, the agents stand as they stood."""
    async with running(AgentStore(any_database)) as registry:
        agent = await registry.register(draft("a"))

    async with running(Away(any_database)) as registry:
        for call in (
            registry.register(draft("b")),
            registry.update_performance("a", SUCCESS),
            registry.unregister("a"),
        ):
            with pytest.raises(StorageUnavailable):
                await call

        assert await registry.get("a") == agent
        assert await found(registry, AgentQuery()) == ["a"]


async def test_a_cancelled_update_reaches_memory_and_store_alike(any_database: Database) -> None:
    """A caller that gives up, at a deadline for example, leaves both with the outcome."""
    store = AgentStore(any_database)
    async with running(store) as registry:
        await registry.register(draft("a"))
        update = asyncio.create_task(registry.update_performance("a", SUCCESS))
        await asyncio.sleep(0)
        update.cancel()
        await asyncio.gather(update, return_exceptions=True)
        await registry.heartbeat("a")

        agent = await registry.get("a")

    assert agent.performance_history.task_count == 1
    async with running(store) as registry:
        assert (await registry.get("a")).performance_history.task_count == 1


async def test_an_unregistered_agent_is_gone_for_good(any_database: Database) -> None:
    """Neither memory nor store knows it; its id is free, and its new owner has no past."""
    store = AgentStore(any_database)
    async with running(store) as registry:
        await registry.register(draft("a"))
        await registry.update_performance("a", FAILURE, key="k")

        await registry.unregister("a")

        with pytest.raises(AgentNotFound):
            await registry.get("a")
    async with running(store) as registry:
        assert (await registry.register(draft("a"))).performance_history.task_count == 0
        assert (await registry.history("a")).performance == ()


async def test_load_is_a_share_of_the_limit(any_database: Database) -> None:
    """Utilisation is active of the limit, or of ten where there is none, capped at 100; release stops at none."""
    async with running(AgentStore(any_database)) as registry:
        await registry.register(draft("free"))
        await registry.register(draft("bound", limit=2))

        for _ in range(12):
            assert registry.reserve("free")
        assert [registry.reserve("bound") for _ in range(3)] == [True, True, False]

        assert (await registry.get("free")).current_load.utilization_percent == 100
        assert (await registry.get("free")).current_load.active_tasks == 12
        assert (await registry.get("bound")).current_load.utilization_percent == 100
        for _ in range(5):
            registry.release("bound")
        assert (await registry.get("bound")).current_load.active_tasks == 0
        assert registry.reserve("bound")


async def test_what_is_of_an_earlier_registration_does_not_touch_the_present_one(
    any_database: Database,
) -> None:
    """An agent registered anew has its own outcomes and load; whoever names the earlier one is told it is gone."""
    clock = FakeClock()
    async with running(AgentStore(any_database), clock=clock) as registry:
        earlier = (await registry.register(draft("a", limit=2))).registered_at
        await registry.unregister("a")
        clock.advance(1)
        present = (await registry.register(draft("a", limit=2))).registered_at
        registry.reserve("a", registered_at=present)
        before = await registry.get("a")

        with pytest.raises(AgentReplaced, match="registered anew"):
            await registry.update_performance("a", SUCCESS, key="k", registered_at=earlier)
        assert registry.reserve("a", registered_at=earlier) is False
        registry.release("a", registered_at=earlier)

        assert await registry.get("a") == before
        assert (await registry.history("a")).performance == ()
        agent = await registry.update_performance("a", SUCCESS, key="k", registered_at=present)
        assert agent.performance_history.task_count == 1


async def test_a_gone_agent_cannot_be_reserved(any_database: Database) -> None:
    """Between a query and the reservation an agent may go: that is a no, not an error."""
    async with running(AgentStore(any_database)) as registry:
        assert registry.reserve("gone") is False
        registry.release("gone")


async def test_capability_changes_are_kept(any_database: Database) -> None:
    """Every change has a version that says who, when, from and to; the same again makes none."""
    clock = FakeClock()
    async with running(AgentStore(any_database), clock=clock) as registry:
        await registry.register(draft("a", can("testing")))
        clock.advance(60)
        await registry.set_capabilities("a", can("research"), by="operator")
        agent = await registry.set_capabilities("a", can("research"), by="operator")

        versions = (await registry.history("a")).capabilities

        assert agent.capabilities == can("research")
        assert [(one.version, one.old, one.new, one.changed_by) for one in versions] == [
            (1, None, can("testing"), ""),
            (2, can("testing"), can("research"), "operator"),
        ]
        assert versions[1].changed_at - versions[0].changed_at == timedelta(seconds=60)
        assert await found(registry, AgentQuery(task_type="testing")) == []
        assert await found(registry, AgentQuery(task_type="research")) == ["a"]


async def test_a_heartbeat_notes_life_and_the_queue(any_database: Database) -> None:
    """The time of activity moves and lasts; the queue is what the agent said last."""
    clock, store = FakeClock(), AgentStore(any_database)
    async with running(store, clock=clock) as registry:
        await registry.register(draft("a"))
        clock.advance(30)

        agent = await registry.heartbeat("a", queued_tasks=3)
        assert agent.current_load.queued_tasks == 3
        assert (await registry.heartbeat("a")).current_load.queued_tasks == 3

    async with running(store, clock=clock) as registry:
        assert (await registry.get("a")).last_active_at == clock.now()


async def test_status_lasts(any_database: Database) -> None:
    """A status is what was set last, also after a restart."""
    store = AgentStore(any_database)
    async with running(store) as registry:
        await registry.register(draft("a"))
        await registry.set_status("a", AgentStatus.MAINTENANCE)

    async with running(store) as registry:
        assert (await registry.get("a")).status is AgentStatus.MAINTENANCE


@pytest.mark.parametrize("status", AgentStatus)
async def test_a_status_is_itself_and_no_load(any_database: Database, status: AgentStatus) -> None:
    """Whatever the status, load is what was reserved: nobody is made to look full in order to look away."""
    async with running(AgentStore(any_database)) as registry:
        await registry.register(draft("a", limit=4))
        registry.reserve("a")
        before = (await registry.get("a")).current_load

        agent = await registry.set_status("a", status)

        assert (agent.status, agent.current_load) == (status, before)


async def test_a_registry_that_is_not_started_says_so(any_database: Database) -> None:
    """Use before start or after stop is an error of the lifecycle."""
    async with running(AgentStore(any_database)) as registry:
        pass

    with pytest.raises(LifecycleStateError):
        await registry.get("a")


async def test_the_check_looks_at_memory_and_store(any_database: Database) -> None:
    """A loaded registry over a store that answers is healthy; over a closed one the check raises."""
    async with running(AgentStore(any_database)) as registry:
        assert (await registry.check()).status is Status.PASS

        await any_database.stop()

        with pytest.raises(StorageUnavailable):
            await registry.check()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.sampled_from(["", "k1", "k2"])), max_size=20)
)
async def test_memory_is_what_a_restart_would_load(
    any_database: Database, outcomes: list[tuple[str, bool, str]]
) -> None:
    """After any outcomes, in any order, with any keys, memory and store say the same."""
    store = AgentStore(any_database)
    async with running(store) as registry:
        for agent_id in set(await found(registry, AgentQuery())):
            await registry.unregister(agent_id)
        for agent_id in "ab":
            await registry.register(draft(agent_id))
        await asyncio.gather(
            *(
                registry.update_performance(agent_id, SUCCESS if succeeded else FAILURE, key=key)
                for agent_id, succeeded, key in outcomes
            )
        )
        before = [await registry.get(agent_id) for agent_id in "ab"]

    async with running(store) as registry:
        assert [await registry.get(agent_id) for agent_id in "ab"] == before
