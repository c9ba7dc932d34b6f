"""Routing under concurrency and cancellation: what is reserved is always what is leased."""

from __future__ import annotations

import asyncio
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from arbiter.errors import DomainError
from arbiter.orchestrator.routing.models import Task
from tests.orchestrator.routing.fakes import Bench, FakeAgent, FakeStore, bench, outcome, seeded


@given(seed=st.integers(0, 2**32), limit=st.one_of(st.none(), st.integers(1, 5)))
@settings(max_examples=25)
async def test_whatever_is_cancelled_load_and_leases_agree(seed: int, limit: int | None) -> None:
    """After any mix of routes, outcomes and cancellations the agents carry exactly the tasks without an outcome."""
    rng = seeded(seed)
    async with bench(FakeAgent("a", limit=limit), FakeAgent("b")) as here:
        slow_down(here.store, rng)
        calls = [asyncio.create_task(one(here, f"t{rng.randrange(12)}", rng)) for _ in range(40)]
        for call in calls:
            await asyncio.sleep(0)
            if rng.random() < 0.3:
                call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        for _ in range(100):
            await asyncio.sleep(0)

        unfinished = [record for record in here.store.records.values() if record.outcome is None]
        assert here.registry.active == len(unfinished)
        assert sum(arm.pulls for arm in here.store.learned.values()) == len(here.store.records) - len(
            unfinished
        )
        assert limit is None or here.registry.agents["a"].active <= limit


async def one(here: Bench, task_id: str, rng: Random) -> None:
    """Route a task or report its outcome; a refusal is an answer."""
    try:
        if rng.random() < 0.6:
            await here.router.route(Task(task_id=task_id, task_type="review"))
        else:
            await here.router.report_outcome(task_id, outcome())
    except DomainError:
        return


def slow_down(store: FakeStore, rng: Random) -> None:
    """Let the store give way to others before and after it acts, so that a cancellation can fall anywhere."""

    async def pause() -> None:
        for _ in range(rng.randrange(3)):
            await asyncio.sleep(0)

    add, conclude = store.add, store.conclude

    async def slow_add(*args: object, **kwargs: object) -> object:
        adding = asyncio.ensure_future(add(*args, **kwargs))  # type: ignore[arg-type]  # passed through
        await pause()
        return await asyncio.shield(adding)

    async def slow_conclude(*args: object, **kwargs: object) -> object:
        # Like the database: once begun it is done, also when the waiter goes away.
        concluding = asyncio.ensure_future(conclude(*args, **kwargs))  # type: ignore[arg-type]  # passed through
        await pause()
        return await asyncio.shield(concluding)

    store.add = slow_add  # type: ignore[method-assign, assignment]  # slowed by hand
    store.conclude = slow_conclude  # type: ignore[method-assign, assignment]  # slowed by hand
