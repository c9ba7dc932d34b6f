"""Backup and restore: everything comes back, to the last sum, or nothing is changed."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from arbiter.orchestrator.agents.errors import BackupInvalid, RegistryFull
from arbiter.orchestrator.agents.models import AgentQuery, AgentStatus, Backup
from arbiter.orchestrator.agents.registry import AgentRegistry
from arbiter.orchestrator.agents.settings import RegistrySettings
from arbiter.orchestrator.agents.store import AgentStore
from arbiter.orchestrator.storage.database import Database
from arbiter.testing.clock import FakeClock
from tests.orchestrator.agents.kit import FAILURE, SUCCESS, can, draft, found, running


async def fill(registry: AgentRegistry) -> None:
    """Two agents with outcomes, a change of capabilities and a status."""
    await registry.register(draft("a", limit=3))
    await registry.register(draft("b", can("testing", languages=("Go",))))
    await registry.update_performance("a", SUCCESS, key="t1")
    await registry.update_performance("a", FAILURE)
    await registry.set_capabilities("b", can("research"), by="operator")
    await registry.set_status("b", AgentStatus.DRAINING)


async def test_001_a5_a_backup_restores_the_whole_state(any_database: Database) -> None:
    """001 A5: through JSON and back, agents, sums, outcomes and versions are the same; later changes are undone."""
    async with running(AgentStore(any_database)) as registry:
        await fill(registry)
        backup = await registry.backup()
        before = [await registry.get(agent_id) for agent_id in "ab"]
        history = [await registry.history(agent_id) for agent_id in "ab"]
        await registry.unregister("a")
        await registry.register(draft("c"))

        held = await registry.restore(Backup.model_validate_json(backup.model_dump_json()))

        assert held == 2
        assert [await registry.get(agent_id) for agent_id in "ab"] == before
        assert [await registry.history(agent_id) for agent_id in "ab"] == history
        assert await found(registry, AgentQuery()) == ["a"]
        again = await registry.backup()
        assert again.model_copy(update={"taken_at": backup.taken_at}) == backup


async def test_a_backup_is_of_one_moment_while_outcomes_come(any_database: Database) -> None:
    """Taken between concurrent outcomes, each agent's sums are those of the outcomes in the same backup, and no fewer."""
    async with running(AgentStore(any_database)) as registry:
        for agent_id in "ab":
            await registry.register(draft(agent_id))

        async def work() -> None:
            """Outcomes of both, one after the other."""
            for number in range(40):
                await registry.update_performance("ab"[number % 2], SUCCESS, key=f"t{number}")

        working = [asyncio.create_task(work()) for _ in range(2)]
        backups = [await registry.backup()]
        while not all(task.done() for task in working):
            backups.append(await registry.backup())
        await asyncio.gather(*working)
        backups.append(await registry.backup())

    for backup in backups:
        listed = Counter(one.agent_id for one in backup.history)
        assert {agent.id: agent.tally.task_count for agent in backup.agents} == {
            agent_id: listed[agent_id] for agent_id in "ab"
        }
    sizes = [len(backup.history) for backup in backups]
    assert sizes == sorted(sizes)
    assert sizes[-1] == 40


async def test_a_restored_outcome_still_counts_once(any_database: Database) -> None:
    """Keys are part of a backup: an outcome that was counted before is not counted after."""
    async with running(AgentStore(any_database)) as registry:
        await fill(registry)
        await registry.restore(await registry.backup())

        agent = await registry.update_performance("a", SUCCESS, key="t1")

        assert agent.performance_history.task_count == 2


async def test_agents_that_stay_keep_their_load(any_database: Database) -> None:
    """A restore replaces what is stored; who is at work stays at work."""
    async with running(AgentStore(any_database)) as registry:
        await fill(registry)
        backup = await registry.backup()
        registry.reserve("a")

        await registry.restore(backup)

        assert (await registry.get("a")).current_load.active_tasks == 1


async def test_an_agent_that_was_set_aside_is_so_after_a_restore(any_database: Database) -> None:
    """A restore is no sign of life: who had stopped sending heartbeats gets no work until it sends one."""
    clock = FakeClock()
    async with running(AgentStore(any_database), clock=clock) as registry:
        await registry.register(draft("a"))
        await registry.heartbeat("a")
        backup = await registry.backup()
        clock.advance(7 * 86_400)

        await registry.restore(backup)

        assert await found(registry, AgentQuery()) == []
        assert (await registry.heartbeat("a")).is_stale is False


async def test_a_restored_registration_carries_nothing_of_the_one_it_replaces(any_database: Database) -> None:
    """Load belongs to a registration: the restored agent is free, and what the other one held is given back to none."""
    clock = FakeClock()
    async with running(AgentStore(any_database), clock=clock) as registry:
        await fill(registry)
        backup = await registry.backup()
        await registry.unregister("a")
        clock.advance(1)
        other = await registry.register(draft("a"))
        registry.reserve("a")

        await registry.restore(backup)
        assert (await registry.get("a")).current_load.active_tasks == 0
        registry.reserve("a")
        registry.release("a", registered_at=other.registered_at)

        assert (await registry.get("a")).current_load.active_tasks == 1


@pytest.mark.parametrize(
    ("part", "change", "field"),
    [
        ("agents", {"id": "a"}, "agents.1.id"),
        ("history", {"agent_id": "nobody"}, "history.1.agent_id"),
        ("history", {"key": "t1"}, "history.1"),
        ("capability_versions", {"agent_id": "nobody"}, "capability_versions.2.agent_id"),
        ("capability_versions", {"version": 1}, "capability_versions.2"),
    ],
)
async def test_a_backup_that_contradicts_itself_changes_nothing(
    any_database: Database, part: str, change: dict[str, Any], field: str
) -> None:
    """The first contradiction is named by its path, and the registry stands as it stood."""
    async with running(AgentStore(any_database)) as registry:
        await fill(registry)
        backup = await registry.backup()
        items = list(getattr(backup, part))
        items[-1] = items[-1].model_copy(update=change)

        with pytest.raises(BackupInvalid) as caught:
            await registry.restore(backup.model_copy(update={part: tuple(items)}))

        assert caught.value.field == field
        assert (await registry.backup()).agents == backup.agents


async def test_a_backup_larger_than_the_registry_is_refused(any_database: Database) -> None:
    """A restore cannot exceed `max_agents`."""
    async with running(AgentStore(any_database)) as registry:
        await fill(registry)
        backup = await registry.backup()

    async with running(AgentStore(any_database), RegistrySettings(max_agents=1)) as registry:
        with pytest.raises(RegistryFull):
            await registry.restore(backup)
