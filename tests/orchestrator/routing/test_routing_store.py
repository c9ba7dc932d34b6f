"""Routing's store on a real SQLite database, and the router over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from arbiter.orchestrator.routing.models import Alternative, Decision, Outcome, Task
from arbiter.orchestrator.routing.ports import ArmRow, Conclusion, Record
from arbiter.orchestrator.routing.store import RoutingStore
from arbiter.orchestrator.storage.database import Database

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
GOOD = Outcome(success=True, quality_score=0.5, latency_ms=12.25, task_type="review")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RoutingStore]:
    """A store over an open database."""
    database = Database(f"sqlite:///{tmp_path / 'routing.db'}")
    await database.start()
    yield RoutingStore(database)
    await database.stop()


def record(task_id: str, decision_id: str = "d", *, lease_s: float = 60) -> Record:
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
    return Record(task, decision, 0.75, NOW + timedelta(seconds=lease_s))


async def test_a_decision_comes_back_as_it_was_stored(store: RoutingStore) -> None:
    """Task, decision with its alternatives, score and lease survive the database unchanged."""
    stored = record("t")

    assert await store.add(stored) is None
    assert await store.find("t") == stored
    assert await store.find("other") is None


async def test_a_task_has_one_decision(store: RoutingStore) -> None:
    """A second decision for a task is not stored; the first one is returned."""
    first = record("t", "d1")
    await store.add(first)

    assert await store.add(record("t", "d2")) == first


async def test_a_decision_can_be_taken_back(store: RoutingStore) -> None:
    """Afterwards the task is as if it had never been routed."""
    await store.add(record("t", "d1"))

    await store.forget("d1")

    assert await store.find("t") is None
    assert await store.add(record("t", "d2")) is None


async def test_an_outcome_counts_once(store: RoutingStore) -> None:
    """Concurrent outcomes of one task: one is stored and counted for the arm, all see the same record."""
    await store.add(record("t"))
    seen: list[Conclusion] = []

    conclusions = await asyncio.gather(
        *(store.conclude(record("t"), GOOD, NOW, late=False, then=seen.append) for _ in range(5))
    )

    assert sum(conclusion.counted for conclusion in conclusions) == 1
    assert {conclusion.record.outcome for conclusion in conclusions} == {GOOD}
    assert seen == conclusions
    assert await store.arms() == [ArmRow("a", "review", 1, 1)]


async def test_the_first_outcome_stays(store: RoutingStore) -> None:
    """A different outcome that comes later changes neither the record nor the arm."""
    await store.add(record("t"))
    await store.conclude(record("t"), GOOD, NOW, late=True, then=lambda _: None)
    bad = GOOD.model_copy(update={"success": False})

    later = await store.conclude(record("t"), bad, NOW, late=False, then=lambda _: None)

    assert (later.counted, later.record.outcome, later.record.late) == (False, GOOD, True)


async def test_open_leases_are_those_without_outcome_whose_time_is_not_over(store: RoutingStore) -> None:
    """An ended lease and a concluded task are not restored."""
    for task_id, lease_s in (("open", 60), ("ended", 5), ("done", 60)):
        await store.add(record(task_id, task_id, lease_s=lease_s))
    await store.conclude(record("done", "done"), GOOD, NOW, late=False, then=lambda _: None)

    leases = await store.open_leases(NOW + timedelta(seconds=10))

    assert [lease.decision.task_id for lease in leases] == ["open"]
