"""Scenarios C: the half-open circuit."""

from __future__ import annotations

import asyncio

import pytest

from arbiter.resilience.outcome import Rules
from arbiter.resilience.proxy import guarded
from arbiter.resilience.states import CircuitOpen, TransitionRefused
from tests.resilience.kit import OwnError, World, ended


async def _half_open(world: World) -> World:
    await world.trip()
    world.clock.advance(10)
    return world


async def test_c24_a_herd_gets_as_many_trials_as_there_are_permits() -> None:
    """Of fifty calls at the end of the interval two run, and forty-eight are rejected as half-open."""
    world = await _half_open(World())

    started = await world.begin(50)
    for _, future in started:
        future.set_result("fine")
    seen = [await ended(task) for task, _ in started]

    rejected = [error for error in seen if isinstance(error, CircuitOpen)]
    assert world.body.most == 2
    assert len(rejected) == 48
    assert {error.state for error in rejected} == {"half-open"}


async def test_c25_enough_successes_close_with_fresh_counts() -> None:
    """Two successes close the circuit once; it then takes three failures to open it."""
    world = await _half_open(World())

    await world.calls("ss")
    after = world.state
    await world.calls("ff")
    almost = world.state
    await world.calls("f")

    assert (after, almost, world.state) == ("closed", "closed", "open")
    assert world.log.changes.count(("half-open", "closed")) == 1


async def test_c26_one_failure_reopens() -> None:
    """A failed trial opens at once, whatever succeeded before."""
    world = await _half_open(World())

    await world.calls("sf")

    assert (world.state, world.breaker.success_counter) == ("open", 0)


async def test_c27_an_older_trials_success_does_not_close() -> None:
    """Once a trial failed, what the other trial of that era says is ignored."""
    world = await _half_open(World())
    (task_a, future_a), (task_b, future_b) = await world.begin(2)

    future_b.set_exception(OwnError())
    await ended(task_b)
    future_a.set_result("late")

    assert await ended(task_a) == "late"
    assert world.state == "open"


async def test_c28_a_cancelled_trial_gives_its_permit_back() -> None:
    """Cancellation reaches the awaiter, counts nothing, and the next call is admitted."""
    world = await _half_open(World(half_open_permits=1))
    before = (world.breaker.fail_counter, world.breaker.success_counter)
    [(task, _)] = await world.begin()

    task.cancel()

    assert isinstance(await ended(task), asyncio.CancelledError)
    assert (world.state, world.breaker.permits_in_use) == ("half-open", 0)
    assert (world.breaker.fail_counter, world.breaker.success_counter) == before
    assert await world.call("next") == "next"


async def test_c29_an_ignored_trial_says_nothing() -> None:
    """Four ignored outcomes leave the circuit half-open; two successes close it."""
    world = await _half_open(World(half_open_permits=1, rules=Rules(ignore=(KeyError,))))

    await world.calls("kkkk")
    between = world.state
    await world.calls("ss")

    assert (between, world.state) == ("half-open", "closed")


async def test_c30_a_trial_that_never_returns_does_not_block_for_ever() -> None:
    """Past the period's greatest age a hung trial counts as failed: the circuit opens for the next interval."""
    world = await _half_open(World(half_open_permits=1, timeout_ms=0))
    [(task, _)] = await world.begin()

    world.clock.advance(4.9)
    early = await world.rejects()
    young = world.state
    world.clock.advance(0.2)
    late = await world.rejects()

    assert (early, young, late, world.state) == (True, "half-open", True, "open")
    assert world.breaker.retry_after_s == 20
    task.cancel()
    await ended(task)


async def test_c30_time_without_a_trial_does_not_age_the_period() -> None:
    """Only a trial that runs can hang: one that begins late in a period has the whole age before it."""
    world = await _half_open(World(half_open_permits=1, timeout_ms=0))
    await world.call(asyncio.CancelledError())
    world.clock.advance(60)
    [(task, future)] = await world.begin()

    world.clock.advance(0.1)
    rejected = await world.rejects()

    assert (rejected, world.state) == (True, "half-open")
    future.set_result(None)
    await ended(task)


async def test_c31_a_call_of_the_closed_era_is_no_trial() -> None:
    """Its failure during half-open is not counted and frees no permit."""
    world = World(timeout_ms=0)
    [(old, old_future)] = await world.begin()
    await _half_open(world)
    [(trial, trial_future)] = await world.begin()

    old_future.set_exception(OwnError())
    await ended(old)

    assert (world.state, world.breaker.permits_in_use) == ("half-open", 1)
    trial_future.set_result(None)
    await ended(trial)


async def test_c32_a_trial_of_an_earlier_period_is_ignored() -> None:
    """Its success is not counted in the next period, whose permits stay as they are."""
    world = await _half_open(World(timeout_ms=0))
    (old, old_future), (failing, failing_future) = await world.begin(2)
    failing_future.set_exception(OwnError())
    await ended(failing)
    world.clock.advance(20)
    [(trial, trial_future)] = await world.begin()

    old_future.set_result("late")
    await ended(old)

    assert (world.breaker.permits_in_use, world.breaker.success_counter) == (1, 0)
    trial_future.set_result(None)
    await ended(trial)


async def test_c33_a_trial_past_its_deadline_fails() -> None:
    """The caller gets a TimeoutError, and the circuit opens."""
    world = await _half_open(World())
    [(task, _)] = await world.begin()

    world.clock.advance(1)

    assert isinstance(await ended(task), TimeoutError)
    assert world.state == "open"


class Recursive:
    """A component that calls itself through its own proxy."""

    def __init__(self) -> None:
        self.me: Recursive = self

    async def dive(self, depth: int, error: Exception | None = None) -> int:
        """Call oneself `depth` times; the innermost raises `error`."""
        if depth:
            return await self.me.dive(depth - 1, error)
        if error is not None:
            raise error
        return 0


@pytest.mark.parametrize(("needed", "state", "successes"), [(1, "closed", 0), (2, "half-open", 1)])
async def test_c34_a_trial_may_call_its_own_component(needed: int, state: str, successes: int) -> None:
    """A nested call takes no second permit, and one verdict is given for the outer call."""
    world = World(half_open_permits=1, success_threshold=needed)
    proxy = guarded(Recursive)(guard=world.guard)
    proxy.me = proxy
    breaker = world.breakers.get("recursive.dive")
    breaker.open()
    world.clock.advance(10)

    await proxy.dive(2)

    assert (breaker.current_state, breaker.success_counter) == (state, successes)
    assert breaker.permits_in_use == 0


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_c35_a_dropped_coroutine_takes_no_permit() -> None:
    """Admission happens inside the coroutine, so one that is never awaited costs nothing."""
    world = await _half_open(World(half_open_permits=1))

    dropped = world.pay.charge()
    del dropped

    assert await world.call("next") == "next"


def test_c36_a_closed_circuit_cannot_become_half_open() -> None:
    """The refusal names both states."""
    breaker = World().breaker

    with pytest.raises(TransitionRefused, match="from closed to half-open"):
        breaker.half_open()
