"""What an outcome does: once, in an order that a retry heals, and the agent is free again."""

from __future__ import annotations

import asyncio

import pytest

from arbiter.errors import Rejected
from arbiter.orchestrator.routing.errors import OutcomeConflict, TaskTypeDiffers, TaskUnknown
from arbiter.orchestrator.routing.models import Task
from arbiter.orchestrator.routing.ports import Registration
from arbiter.testing.clock import FakeClock
from tests.orchestrator.routing.fakes import REGISTERED, FakeAgent, FakeStore, arm_row, bench, outcome

REVIEW = Task(task_id="t", task_type="review")


async def settled() -> None:
    """Let whatever is ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_an_outcome_counts_everywhere_and_frees_the_agent() -> None:
    """It moves the agent's record under the decision's id, is an event and an arm, and ends the lease."""
    async with bench(FakeAgent("a")) as here:
        decision = await here.router.route(REVIEW)

        receipt = await here.router.report_outcome(
            "t", outcome(success=False, error="tests fail", tokens_used=5)
        )

        report = here.registry.reports["a", decision.decision_id]
        assert (report.success, report.task_type, report.tokens_used) == (False, "review", 5)
        event = here.tracker.events[f"{decision.decision_id}.outcome"]
        assert (event.type, event.success, event.tokens_used) == ("task_execution_complete", False, 5)
        assert here.store.arm("a", "review") == (1, 0)
        assert here.registry.active == 0
        assert (receipt.agent_id, receipt.late, receipt.success) == ("a", False, False)


async def test_outcomes_move_the_next_decisions() -> None:
    """After failures of one agent the others' expected success is higher, and they are chosen."""
    async with bench(FakeAgent("a"), FakeAgent("b"), exploration_rate=0) as here:
        first = await here.router.route(REVIEW)
        await here.router.report_outcome("t", outcome(success=False))

        second = await here.router.route(Task(task_type="review"))

    assert second.selected_agent != first.selected_agent
    assert second.alternatives[0].score == pytest.approx(4 / 6)


async def test_the_same_outcome_again_gets_the_same_receipt() -> None:
    """Also concurrently, also with the task type spelled out: one effect."""
    async with bench(FakeAgent("a")) as here:
        await here.router.route(REVIEW)
        same = [outcome(), outcome(task_type="review")] * 3

        receipts = await asyncio.gather(*(here.router.report_outcome("t", one) for one in same))

        assert len(set(receipts)) == 1
        assert here.store.arm("a", "review") == (1, 1)
        assert here.registry.released["a"] == 1


async def test_a_different_outcome_is_refused() -> None:
    """The first outcome is final."""
    async with bench(FakeAgent("a")) as here:
        await here.router.route(REVIEW)
        await here.router.report_outcome("t", outcome())

        with pytest.raises(OutcomeConflict):
            await here.router.report_outcome("t", outcome(success=False))

        assert here.store.arm("a", "review") == (1, 1)


async def test_an_outcome_for_an_unknown_task_is_refused() -> None:
    """Nothing is learned of a task that was never routed."""
    async with bench(FakeAgent("a")) as here:
        with pytest.raises(TaskUnknown):
            await here.router.report_outcome("nobody", outcome())

        assert not here.store.learned


async def test_an_outcome_of_another_task_type_is_refused() -> None:
    """It would teach the wrong arm; the field is named."""
    async with bench(FakeAgent("a")) as here:
        await here.router.route(REVIEW)

        with pytest.raises(TaskTypeDiffers) as caught:
            await here.router.report_outcome("t", outcome(task_type="testing"))

    assert caught.value.field == "task_type"


async def test_a_lease_that_ends_frees_the_agent() -> None:
    """The background watch gives the agent back once the task's time is over, though no outcome came."""
    async with bench(FakeAgent("a")) as here:
        await here.route(timeout_ms=2500)
        await settled()

        here.clock.advance(2)
        await settled()
        assert here.registry.active == 1
        here.clock.advance(1)
        await settled()

        assert here.registry.active == 0


async def test_a_lease_that_ended_is_released_before_the_next_decision() -> None:
    """A full agent whose lease is over is free for the task that comes then."""
    async with bench(FakeAgent("a", limit=1), lease_s=0.5) as here:
        await here.route()
        here.clock.advance(0.5)

        assert await here.route() == "a"


async def test_a_late_outcome_counts_and_says_so() -> None:
    """After the lease the outcome is learned all the same, and the agent is not given back twice."""
    async with bench(FakeAgent("a"), lease_s=10) as here:
        await here.router.route(REVIEW)
        here.clock.advance(10)

        receipt = await here.router.report_outcome("t", outcome())

        assert receipt.late
        assert here.registry.released["a"] == 1
        assert here.store.arm("a", "review") == (1, 1)


async def test_a_retry_heals_an_outcome_that_was_cut_short() -> None:
    """Where the last write failed, the retry repeats the first two steps without effect and completes the third."""
    async with bench(FakeAgent("a")) as here:
        await here.router.route(REVIEW)
        here.store.failure = OSError("disk full")
        with pytest.raises(OSError, match="disk full"):
            await here.router.report_outcome("t", outcome())
        here.store.failure = None

        receipt = await here.router.report_outcome("t", outcome())

        assert receipt.success
        assert (len(here.registry.reports), here.store.arm("a", "review")) == (1, (1, 1))
        assert (here.registry.active, len(here.tracker.events)) == (0, 2)


async def test_a_tracker_that_fails_leaves_the_outcome_to_the_retry() -> None:
    """Nothing is stored as concluded before the event is durable."""
    async with bench(FakeAgent("a")) as here:
        await here.router.route(REVIEW)
        here.tracker.failure = Rejected("tracker.record")

        with pytest.raises(Rejected):
            await here.router.report_outcome("t", outcome())

        assert here.store.records["t"].outcome is None


async def test_the_outcome_of_an_agent_that_is_gone_is_taken() -> None:
    """An agent unregistered meanwhile has no record to move and no arm to teach; the outcome is kept."""
    async with bench(FakeAgent("a")) as here:
        await here.router.route(REVIEW)
        del here.registry.agents["a"]

        receipt = await here.router.report_outcome("t", outcome())

        assert here.store.records["t"].outcome is not None
        assert not here.store.learned
    assert receipt.agent_id == "a"


async def test_open_leases_are_restored_at_start() -> None:
    """After a restart the agents of open leases are reserved again, for the time that was left."""
    store, clock = FakeStore(), FakeClock()
    async with bench(FakeAgent("a"), store=store, clock=clock) as before:
        await before.route(timeout_ms=10_000)
        await before.route(timeout_ms=2_000)
    clock.advance(3)

    async with bench(FakeAgent("a"), store=store, clock=clock) as after:
        assert after.registry.active == 1
        await settled()
        clock.advance(7)
        await settled()
        assert after.registry.active == 0


async def test_what_was_learned_is_restored_at_start() -> None:
    """Arms are loaded from the store."""
    store = FakeStore()
    agent = Registration("a", REGISTERED)
    store.learned[agent, "review"] = arm_row(*agent, 20, 1)
    async with bench(FakeAgent("a"), FakeAgent("b"), store=store, exploration_rate=0) as here:
        assert await here.route() == "b"


async def test_cancelled_while_storing_the_decision_is_taken_back() -> None:
    """A decision that nobody was told of is neither reserved nor stored, and the same task is decided anew."""
    async with bench(FakeAgent("a")) as here:
        here.store.adding = asyncio.Event()
        routing = asyncio.create_task(here.router.route(REVIEW))
        await settled()
        assert "t" in here.store.records

        routing.cancel()
        await asyncio.gather(routing, return_exceptions=True)
        here.store.adding = None
        decision = await here.router.route(REVIEW)

        assert here.store.records["t"].decision == decision
        assert here.registry.active == 1
