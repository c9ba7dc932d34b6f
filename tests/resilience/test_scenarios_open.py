"""Scenarios B and D: the open circuit and its back-off."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from statistics import mean

import pytest

from arbiter.resilience.backoff import open_interval_s
from arbiter.resilience.breaker import CircuitBreaker
from arbiter.resilience.settings import Policy
from arbiter.resilience.states import CircuitOpen
from arbiter.testing.clock import FakeClock
from tests.resilience.kit import OwnError, World, ended


async def test_b18_the_interval_ends_on_the_dot() -> None:
    """A call at 9.999 s is rejected, one at 10 s is the trial that makes the circuit half-open."""
    world = World()
    await world.trip()

    world.clock.advance(9.999)
    early = await world.call()
    world.clock.advance(0.001)
    result = await world.call("answer")

    assert isinstance(early, CircuitOpen)
    assert early.retry_after_s == pytest.approx(0.001)
    assert result == "answer"
    assert world.log.changes == [("closed", "open"), ("open", "half-open")]


async def test_b19_an_idle_open_circuit_reads_open() -> None:
    """Without traffic nothing changes; the time left reads 0."""
    world = World()
    await world.trip()

    world.clock.advance(25)

    assert (world.state, world.breaker.retry_after_s) == ("open", 0.0)


async def test_b20_late_failures_do_not_extend_the_interval() -> None:
    """Calls of the closed era that fail after the trip see their own error and change nothing."""
    world = World(timeout_ms=0)
    started = await world.begin(3)
    world.clock.advance(1)
    await world.trip()

    world.clock.advance(4)
    for _, future in started:
        future.set_exception(OwnError("late"))
    seen = [await ended(task) for task, _ in started]

    assert [str(error) for error in seen] == ["late"] * 3
    assert world.log.changes == [("closed", "open")]
    assert world.breaker.retry_after_s == 6.0


async def test_b21_a_late_success_does_not_close() -> None:
    """The value is returned, the circuit stays open, the counters untouched."""
    world = World(timeout_ms=0)
    [(task, future)] = await world.begin()
    await world.trip()

    world.clock.advance(5)
    future.set_result("late")

    assert await ended(task) == "late"
    assert (world.state, world.breaker.fail_counter) == ("open", 3)


class Leaping(FakeClock):
    """A clock whose time of day is set by hand, as an operator or NTP does."""

    leap = timedelta()

    def now(self) -> datetime:
        """The time of day, wherever it was put."""
        return super().now() + self.leap


def test_b22_the_wall_clock_does_not_matter() -> None:
    """An hour back or two forward, the interval is measured on the monotonic clock."""
    clock = Leaping()
    breaker = CircuitBreaker("pay", Policy(failure_threshold=1, open_interval_s=10, jitter=0), clock=clock)
    breaker.failed(breaker.admit(), OwnError())

    clock.leap = timedelta(hours=-1)
    clock.advance(4)
    clock.leap = timedelta(hours=2)
    clock.advance(5)
    with pytest.raises(CircuitOpen):
        breaker.admit()
    clock.advance(1)
    breaker.admit()

    assert breaker.current_state == "half-open"


async def test_b23_opening_an_open_circuit_changes_nothing() -> None:
    """open() is idempotent: no event, and the timer goes on."""
    world = World()
    await world.trip()
    world.clock.advance(4)

    world.breaker.open()

    assert world.breaker.retry_after_s == 6.0
    assert world.log.changes == [("closed", "open")]


async def _intervals(world: World, count: int) -> list[float | None]:
    found = []
    for _ in range(count):
        found.append(world.breaker.retry_after_s)
        world.clock.advance(world.breaker.retry_after_s or 0)
        await world.calls("f")
    return found


async def test_d37_the_interval_grows_to_its_cap() -> None:
    """Every failed trial doubles the interval, up to the most."""
    world = World()
    await world.trip()

    assert await _intervals(world, 5) == [10, 20, 40, 60, 60]


async def test_d38_closing_resets_the_backoff() -> None:
    """After successful trials the next trip lasts the first interval again."""
    world = World()
    await world.trip()
    await _intervals(world, 3)

    world.clock.advance(60)
    await world.calls("ss")
    await world.trip()

    assert world.log.changes[-2:] == [("half-open", "closed"), ("closed", "open")]
    assert world.breaker.retry_after_s == 10


def _tripped(seed: int, count: int) -> list[float]:
    policy = Policy(failure_threshold=1, open_interval_s=10, open_interval_max_s=60, jitter=0.2)
    breaker = CircuitBreaker("pay", policy, clock=FakeClock(), rng=Random(seed))  # noqa: S311
    found = []
    for _ in range(count):
        breaker.open()
        found.append(breaker.reset_timeout)
        breaker.close()
    return found


def test_d39_jitter_is_bounded_centred_and_seeded() -> None:
    """A thousand intervals lie in plus or minus 20 %, around 10 s; a seed gives its sequence, another another."""
    intervals = _tripped(1, 1000)

    assert all(8 <= interval <= 12 for interval in intervals)
    assert mean(intervals) == pytest.approx(10, rel=0.02)
    assert intervals == _tripped(1, 1000) != _tripped(2, 1000)


def test_d41_a_long_outage_does_not_overflow() -> None:
    """The 5000th attempt waits for the cap."""
    policy = Policy(open_interval_s=10, open_interval_max_s=60, jitter=0)

    assert open_interval_s(policy, 5000, 0.0) == 60
