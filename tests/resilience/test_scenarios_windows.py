"""Scenarios A, of windows: failure rates and slow-call rates over the latest calls or seconds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbiter.resilience.breaker import CircuitBreaker
from arbiter.resilience.policy import Policy
from arbiter.resilience.window import CountWindow, TimeWindow
from arbiter.testing.clock import FakeClock
from tests.resilience.kit import OwnError, World, ended

COUNTED: dict[str, Any] = {
    "window": "count",
    "window_calls": 10,
    "minimum_calls": 5,
    "failure_rate_percent": 50,
    "timeout_ms": 0,
}
TIMED = COUNTED | {"window": "time", "window_ms": 20_000}


async def test_a06_a_failure_rate_at_the_threshold_opens() -> None:
    """Two of five are 40 % and leave it closed; three of six are 50 % and open it."""
    world = World(**COUNTED)

    await world.calls("sssff")
    before = (world.state, world.breaker.status().failure_rate_percent)
    await world.calls("f")

    assert before == ("closed", 40)
    assert (world.state, world.breaker.status().failure_rate_percent) == ("open", 50)
    assert world.log.changes == [("closed", "open")]


async def test_a07_a_success_may_complete_the_minimum() -> None:
    """Four failures say nothing yet; a success makes five calls, of which 80 % failed."""
    world = World(**COUNTED)

    await world.calls("ffff")
    before = (world.state, world.breaker.status().failure_rate_percent)
    answer = await world.calls("s")

    assert before == ("closed", None)
    assert answer == ["fine"]
    assert (world.state, world.breaker.status().failure_rate_percent) == ("open", 80)


async def test_a08_what_is_older_than_the_window_does_not_count() -> None:
    """Four failures at 0 s and one at 21 s are one call in a window of 20 s."""
    world = World(**TIMED)

    await world.calls("ffff")
    world.clock.advance(21)
    await world.calls("f")

    assert (world.state, world.breaker.status().window_calls) == ("closed", 1)


async def _slow_calls(world: World, durations: list[float]) -> list[object]:
    seen = []
    for seconds in durations:
        [(task, future)] = await world.begin()
        world.clock.advance(seconds)
        future.set_result(f"after {seconds:g} s")
        seen.append(await ended(task))
    return seen


async def test_a09_slow_calls_open_and_are_answered() -> None:
    """Three of five calls took longer than 4 s: the circuit opens, and every caller has its value."""
    world = World(**COUNTED | {"slow_call_ms": 4_000, "slow_rate_percent": 50})

    seen = await _slow_calls(world, [5, 5, 1, 1, 5])

    assert (world.state, world.breaker.status().slow_rate_percent) == ("open", 60)
    assert seen == ["after 5 s", "after 5 s", "after 1 s", "after 1 s", "after 5 s"]


async def test_a_slow_trial_opens_again() -> None:
    """A circuit that opened for slowness is not closed by a slow trial."""
    world = World(**COUNTED | {"slow_call_ms": 4_000, "slow_rate_percent": 50})
    world.breaker.open()
    world.clock.advance(10)

    await _slow_calls(world, [5])

    assert (world.state, world.breaker.retry_after_s) == ("open", 20)


async def test_a_window_is_empty_after_closing() -> None:
    """What opened the circuit does not open it again once trials closed it."""
    world = World(**COUNTED)
    await world.calls("fffff")
    world.clock.advance(10)

    await world.calls("ssffff")

    assert (world.state, world.breaker.status().window_calls) == ("closed", 4)


async def test_e46_a_window_that_is_resized_keeps_its_latest_calls() -> None:
    """A reload to a smaller window looks at fewer of the same calls; to another kind of window, begins anew."""
    world = World(**COUNTED)
    await world.calls("sssff")

    world.reload(**COUNTED | {"window_calls": 4, "minimum_calls": 4, "failure_rate_percent": 60})
    smaller = world.breaker.status()
    world.reload(**TIMED)
    other = world.breaker.status()

    assert (smaller.window_calls, smaller.failure_rate_percent) == (4, 50)
    assert other.window_calls == 0


@given(
    ends=st.lists(st.tuples(st.booleans(), st.booleans())), size=st.integers(1, 8), other=st.integers(1, 8)
)
def test_a_count_window_holds_the_latest_calls(ends: list[tuple[bool, bool]], size: int, other: int) -> None:
    """Its totals are those of the last `size` calls, and those of fewer after a resize."""
    window = CountWindow(size)
    for failed, slow in ends:
        window.add(0.0, failed=failed, slow=slow)

    for found, latest in ((window, ends[-size:]), (window.resized(other), ends[-min(size, other) :])):
        totals = (found.calls, found.failures, found.slow)
        assert totals == (len(latest), sum(f for f, _ in latest), sum(s for _, s in latest))


@given(st.lists(st.tuples(st.floats(0, 9), st.booleans())))
def test_a_time_window_holds_no_call_beyond_its_length(calls: list[tuple[float, bool]]) -> None:
    """Every call counts for nine tenths of the length at least, and never for longer than the length."""
    window, now = TimeWindow(20), 0.0
    made: list[tuple[float, bool]] = []
    for pause, failed in calls:
        now += pause
        window.add(now, failed=failed, slow=False)
        made.append((now, failed))

        surely = [failed for at, failed in made if now - at <= 18]
        perhaps = [failed for at, failed in made if now - at < 20]
        assert len(surely) <= window.calls <= len(perhaps)
        assert sum(surely) <= window.failures <= sum(perhaps)


@pytest.mark.parametrize("window", ["count", "time"])
def test_a_window_needs_no_proxy(window: str) -> None:
    """A breaker by itself judges by rates too; the duration comes with the verdict."""
    policy = Policy(
        window=window, window_calls=4, minimum_calls=4, slow_call_s=1, slow_rate_percent=50, jitter=0
    )
    breaker = CircuitBreaker("pay", policy, clock=FakeClock())

    for seconds in (0.1, 2.0, 0.1):
        breaker.succeeded(breaker.admit(), seconds)
    before = breaker.current_state
    breaker.failed(breaker.admit(), OwnError(), 2.0)

    assert (before, breaker.current_state) == ("closed", "open")
