"""Work in flight is counted, waited for, and cut."""

from __future__ import annotations

import asyncio

import pytest

from arbiter.lifecycle.inflight import InFlight


async def test_idle_at_once_when_nothing_is_in_flight() -> None:
    """Nothing in flight means no waiting."""
    assert await InFlight().wait_idle(0)


async def test_it_waits_for_the_last_unit() -> None:
    """The wait ends when the last unit has left, nested units of one task included."""
    inflight, release = InFlight(), asyncio.Event()

    async def work() -> None:
        with inflight, inflight:
            await release.wait()

    tasks = [asyncio.create_task(work()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting = asyncio.create_task(inflight.wait_idle(5))
    await asyncio.sleep(0)
    assert inflight.count == 6

    release.set()

    assert await waiting
    await asyncio.gather(*tasks)


async def test_the_wait_has_a_limit_and_the_rest_can_be_cut() -> None:
    """What does not finish in time is said, and cancelled on demand."""
    inflight = InFlight()

    async def work() -> None:
        with inflight:
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)

    assert not await inflight.wait_idle(0.01)
    assert inflight.cancel() == 1
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await inflight.wait_idle(0)


async def test_a_failing_unit_leaves_as_well() -> None:
    """An error inside does not leave the count too high."""
    inflight = InFlight()

    with pytest.raises(ValueError, match="broken"), inflight:
        raise ValueError("broken")

    assert inflight.count == 0
