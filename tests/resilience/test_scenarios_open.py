"""Scenarios B and D: the open circuit and its back-off."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from random import Random
from statistics import mean
from types import SimpleNamespace

import pytest

from arbiter.resilience.backoff import open_interval_s
from arbiter.resilience.breaker import CircuitBreaker
from arbiter.resilience.policy import Policy
from arbiter.resilience.states import CircuitOpen
from arbiter.testing.clock import FakeClock
from tests.resilience.kit import OwnError, World, ended, turns


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


@pytest.mark.parametrize("has_loop", [True, False], ids=["by the loop's timer", "by who looks"])
async def test_b19_an_open_circuit_may_half_open_by_itself(has_loop: bool) -> None:
    """With auto_half_open the state reads half-open once the interval is over, with one event and no traffic."""
    world = World(auto_half_open=True)
    if has_loop:
        await world.trip()
    else:
        await asyncio.to_thread(world.breaker.open)

    world.clock.advance(9.9)
    await turns()
    early = world.state
    world.clock.advance(0.1)
    await turns()
    told = list(world.log.changes)
    at_once = world.state
    world.clock.advance(15)

    assert (early, at_once, world.state) == ("open", "half-open", "half-open")
    assert told == [("closed", "open"), ("open", "half-open")] if has_loop else [("closed", "open")]
    assert world.log.changes == [("closed", "open"), ("open", "half-open")]
    assert (await world.call("fine"), world.breaker.permits_in_use) == ("fine", 0)


async def test_b19_the_timer_follows_a_new_interval_and_goes_with_the_state() -> None:
    """A reload while open sets it anew; closing takes it away."""
    world = World(auto_half_open=True, timeout_ms=0)
    await world.trip()

    world.reload(auto_half_open=True, timeout_ms=0, open_interval_ms=30_000)
    world.clock.advance(29.9)
    await turns()
    early = world.state
    world.breaker.close()
    await turns()

    assert early == "open"
    assert (world.state, world.clock.sleepers) == ("closed", 0)


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


def _opened(breaker: CircuitBreaker) -> None:
    breaker.open()
    breaker.half_open()


def test_d40_a_function_may_give_the_interval() -> None:
    """It is asked once an opening with the attempt, which starts from 0 again after a close; the cap holds."""
    asked: list[int] = []

    def interval(attempt: int) -> float:
        """Seconds."""
        asked.append(attempt)
        return 7.0 + 100 * attempt

    policy = Policy(open_interval_s=1, open_interval_max_s=60, jitter=0.5)
    breaker = CircuitBreaker("pay", policy, clock=FakeClock(), interval=interval)
    breaker.open()
    first = breaker.retry_after_s
    breaker.half_open()
    for _ in range(4):
        _opened(breaker)
    breaker.open()
    capped = breaker.retry_after_s
    breaker.close()
    for _ in range(3):
        _opened(breaker)

    assert asked == [0, 1, 2, 3, 4, 5, 0, 1, 2]
    assert (first, capped) == (7, 60)


@pytest.mark.parametrize("wrong", [float("nan"), -1.0, "soon", None])
def test_d40_a_faulty_function_does_not_keep_the_circuit_from_opening(wrong: object) -> None:
    """What it gives that is no time, or what it raises, leaves the policy's own interval."""
    policy = Policy(open_interval_s=10, jitter=0)
    breaker = CircuitBreaker("pay", policy, clock=FakeClock(), interval=lambda _: wrong)  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]

    breaker.open()

    assert breaker.retry_after_s == 10


class Answer(Exception):
    """What an HTTP client raises: it has the response."""

    def __init__(self, **headers: str) -> None:
        super().__init__("503")
        self.response = SimpleNamespace(headers={name.replace("_", "-"): v for name, v in headers.items()})


class Busy(Exception):
    """A failure that says when to come back."""

    retry_after_s = 25.0


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (Busy(), 25),
        (Answer(Retry_After="25"), 25),
        (Answer(retry_after="Thu, 01 Jan 2026 00:00:25 GMT"), 25),
        (Answer(retry_after="3"), 10),
        (Answer(retry_after="86400"), 60),
        (Answer(retry_after="presently"), 10),
        (Answer(), 10),
        (OwnError(), 10),
    ],
)
async def test_the_servers_retry_after_is_kept(failure: Exception, seconds: float) -> None:
    """The circuit stays open as long as the server asks, no shorter than by back-off, and no longer than the cap."""
    world = World(failure_threshold=1)

    await world.call(failure)

    assert world.breaker.retry_after_s == seconds


async def test_what_the_server_asked_for_holds_until_the_circuit_closes() -> None:
    """The interval does not shrink when a trial fails without a word; it is the first again after a close."""
    world = World(failure_threshold=1)
    await world.call(Busy())

    world.clock.advance(25)
    await world.calls("f")
    again = world.breaker.retry_after_s
    world.clock.advance(25)
    await world.calls("ssf")

    assert (again, world.breaker.retry_after_s) == (25, 10)


def test_d41_a_long_outage_does_not_overflow() -> None:
    """The 5000th attempt waits for the cap."""
    policy = Policy(open_interval_s=10, open_interval_max_s=60, jitter=0)

    assert open_interval_s(policy, 5000, 0.0) == 60
