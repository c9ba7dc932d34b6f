"""Routing's store on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from arbiter.orchestrator.routing.contents import ArmRow, Conclusion, Grounds, Record, Refusal
from arbiter.orchestrator.routing.models import Alternative, Decision, Outcome, Task
from arbiter.orchestrator.routing.store import RoutingStore
from arbiter.orchestrator.storage.database import Database

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
REGISTERED = NOW - timedelta(days=3, microseconds=1)
GOOD = Outcome(success=True, quality_score=0.5, latency_ms=12.25, task_type="review")


@pytest.fixture
def store(any_database: Database) -> RoutingStore:
    """A store over an open database of each kind."""
    return RoutingStore(any_database)


def record(
    task_id: str, decision_id: str = "d", *, lease_s: float = 60, registered_at: datetime = REGISTERED
) -> Record:
    """A decision as it is stored."""
    decision = Decision(
        decision_id=decision_id,
        task_id=task_id,
        selected_agent="a",
        strategy="epsilon-greedy",
        explored=True,
        confidence=0.637,
        reason="explored",
        alternatives=(Alternative(agent_id="b", score=0.1 + 0.2, reason="expected"),),
        decided_at=NOW,
        trace_id="0" * 32,
    )
    task = Task(task_id=task_id, task_type="review", languages=("Python",), metadata={"size": 3, "é": None})
    grounds = Grounds(0.75, seed=2**62, state_sequence=17, propensity=0.1 + 0.2, candidates=3)
    return Record(task, decision, registered_at, grounds, NOW + timedelta(seconds=lease_s))


async def test_a_decision_comes_back_as_it_was_stored(store: RoutingStore) -> None:
    """Task, decision with its alternatives, score and lease survive the database unchanged."""
    stored = record("t")

    assert await store.add(stored, limit=None) is None
    assert await store.find("t") == stored
    assert await store.find("other") is None


async def test_a_decision_stored_at_once_is_there_at_once(database: Database) -> None:
    """Before its commit it is found by its task and by its id, and after it by everybody, unchanged."""
    store, stored = RoutingStore(database), record("t")
    await store.open()

    assert store.add_at_once(stored)
    assert await store.find("t") == stored
    assert await store.decision("d") == stored
    await store.close()

    assert await RoutingStore(database).find("t") == stored


async def test_a_decision_is_concluded_before_its_own_write(database: Database) -> None:
    """An outcome that overtakes the write of its decision finds it, and both are kept once."""
    store, stored = RoutingStore(database), record("t")
    await store.open()
    store.add_at_once(stored)

    conclusion = await store.conclude(stored, GOOD, NOW, late=False, discount=1.0, then=lambda _: None)
    await store.close()

    assert conclusion.counted
    kept = await RoutingStore(database).find("t")
    assert kept is not None
    assert kept.decision == stored.decision
    assert kept.outcome == GOOD


async def test_an_outcome_that_was_acknowledged_is_there_at_once(database: Database) -> None:
    """By its task and by its decision's id, also while the decision's own write is still under way."""
    store = RoutingStore(database)
    await store.open()

    for n in range(20):  # that write comes in between for some of them
        stored = record(f"t{n}", f"d{n}")
        store.add_at_once(stored)
        conclusion = await store.conclude(stored, GOOD, NOW, late=False, discount=1.0, then=lambda _: None)
        assert await store.find(f"t{n}") == await store.decision(f"d{n}") == conclusion.record
    await store.close()


async def test_a_store_that_is_opened_again_knows_nothing_better_than_the_database(
    database: Database,
) -> None:
    """A decision that a close could not write, and that somebody else concluded since, is found as it is stored."""
    store, stored = RoutingStore(database), record("t")
    await store.open()
    await database.write(lambda connection: connection.execute(text("ALTER TABLE decisions RENAME TO away")))
    store.add_at_once(stored)
    await store.close()
    await database.write(lambda connection: connection.execute(text("ALTER TABLE away RENAME TO decisions")))

    await store.open()
    other = RoutingStore(database)
    concluded = await other.conclude(stored, GOOD, NOW, late=False, discount=1.0, then=lambda _: None)
    found = await store.find("t")
    await store.close()

    assert found == concluded.record


async def test_what_others_store_to_is_waited_for(any_database: Database) -> None:
    """On PostgreSQL, and where another store has the journal, a decision is not stored at once."""
    first, second = RoutingStore(any_database), RoutingStore(any_database)
    await first.open()
    await second.open()

    assert not second.add_at_once(record("t"))
    assert await second.add(record("t"), limit=None) is None
    await first.close()
    await second.close()


async def test_a_task_has_one_decision(store: RoutingStore) -> None:
    """A second decision for a task is not stored; the first one is returned."""
    first = record("t", "d1")
    await store.add(first, limit=None)

    assert await store.add(record("t", "d2"), limit=None) == first


async def test_no_more_leases_are_open_than_the_limit(store: RoutingStore) -> None:
    """The store counts: leases that ended or have their outcome are none, and those of another registration are another's."""
    later = REGISTERED + timedelta(seconds=1)
    for task_id, lease_s in (("open", 60), ("ended", 0), ("done", 60)):
        await store.add(record(task_id, task_id, lease_s=lease_s), limit=None)
    await store.conclude(record("done", "done"), GOOD, NOW, late=False, discount=1.0, then=lambda _: None)

    assert await store.add(record("more", "more"), limit=1) is Refusal.FULL
    assert await store.add(record("open", "again"), limit=1) == record("open", "open")
    assert await store.add(record("other", "other", registered_at=later), limit=1) is None
    assert await store.add(record("more", "more"), limit=2) is None
    assert await store.add(record("last", "last"), limit=2) is Refusal.FULL


async def test_a_decision_can_be_taken_back(store: RoutingStore) -> None:
    """Afterwards the task is as if it had never been routed."""
    await store.add(record("t", "d1"), limit=None)

    await store.forget("d1")

    assert await store.find("t") is None
    assert await store.add(record("t", "d2"), limit=None) is None


async def test_an_outcome_counts_once(store: RoutingStore) -> None:
    """Concurrent outcomes of one task: one is stored and counted for the arm, all see the same record."""
    await store.add(record("t"), limit=None)
    seen: list[Conclusion] = []

    conclusions = await asyncio.gather(
        *(
            store.conclude(record("t"), GOOD, NOW, late=False, discount=1.0, then=seen.append)
            for _ in range(5)
        )
    )

    assert sum(conclusion.counted for conclusion in conclusions) == 1
    assert {conclusion.record.outcome for conclusion in conclusions} == {GOOD}
    assert seen == conclusions
    assert await store.arms() == [ArmRow("a", REGISTERED, "review", 1, 1, 1.0, 1.0, 12.25, 0.0, 0.0)]


async def test_the_first_outcome_stays(store: RoutingStore) -> None:
    """A different outcome that comes later changes neither the record nor the arm."""
    await store.add(record("t"), limit=None)
    await store.conclude(record("t"), GOOD, NOW, late=True, discount=1.0, then=lambda _: None)
    bad = GOOD.model_copy(update={"success": False})

    later = await store.conclude(record("t"), bad, NOW, late=False, discount=1.0, then=lambda _: None)

    assert (later.counted, later.record.outcome, later.record.late) == (False, GOOD, True)


async def test_open_leases_are_those_without_outcome_whose_time_is_not_over(store: RoutingStore) -> None:
    """An ended lease and a concluded task are not restored."""
    for task_id, lease_s in (("open", 60), ("ended", 5), ("done", 60)):
        await store.add(record(task_id, task_id, lease_s=lease_s), limit=None)
    await store.conclude(record("done", "done"), GOOD, NOW, late=False, discount=1.0, then=lambda _: None)

    leases = await store.open_leases(NOW + timedelta(seconds=10))

    assert [lease.decision.task_id for lease in leases] == ["open"]


async def test_an_outcome_that_teaches_nothing_is_stored_all_the_same(store: RoutingStore) -> None:
    """The record has it, the arms do not; it is final like any other."""
    await store.add(record("t"), limit=None)

    conclusion = await store.conclude(record("t"), GOOD, NOW, late=True, discount=None, then=lambda _: None)
    again = await store.conclude(record("t"), GOOD, NOW, late=True, discount=1.0, then=lambda _: None)

    assert (conclusion.counted, conclusion.arm, conclusion.record.outcome) == (True, None, GOOD)
    assert (again.counted, again.arm) == (False, None)
    assert await store.arms() == []


async def test_the_first_outcome_of_a_registration_replaces_what_earlier_ones_taught(
    store: RoutingStore,
) -> None:
    """Arms of the same agent and task type that belong to earlier registrations go; a later one's stays."""
    moments = [REGISTERED + timedelta(microseconds=number) for number in range(3)]
    pulls = []
    for task_id, number in (("t1", 0), ("t2", 1), ("t3", 1), ("t4", 2), ("t5", 0)):
        decided = record(task_id, task_id, registered_at=moments[number])
        await store.add(decided, limit=None)
        await store.conclude(decided, GOOD, NOW, late=False, discount=1.0, then=lambda _: None)
        pulls.append({moments.index(arm.registered_at): arm.pulls for arm in await store.arms()})

    assert pulls == [{0: 1}, {1: 1}, {1: 2}, {2: 1}, {0: 1, 2: 1}]
