"""Scenarios F: tasks, threads, loops, generators, listeners."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any

import pybreaker
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from structlog.testing import capture_logs

from arbiter.clock import SystemClock
from arbiter.errors import DeadlineExceeded
from arbiter.operation import operation
from arbiter.resilience.bulkhead import Saturated
from arbiter.resilience.guard import Guard
from arbiter.resilience.outcome import Outcome
from arbiter.resilience.proxy import guarded
from arbiter.resilience.registry import BreakerRegistry
from arbiter.resilience.settings import ResilienceSettings
from arbiter.testing.live import Fixed
from tests.resilience.kit import OwnError, Pay, World, ended, turns

SEEN: ContextVar[str] = ContextVar("seen", default="outside")


class Shop:
    """Methods of every kind."""

    async def rest(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def mark(self) -> None:
        """Set a context variable."""
        SEEN.set("inside")

    async def numbers(self, fail_at: int = 99) -> AsyncIterator[int]:
        """Five numbers, or an error at one of them; sees whether it runs inside a span."""
        SEEN.set("inside")
        for number in range(5):
            await asyncio.sleep(0)
            if number == fail_at:
                raise OwnError
            assert SEEN.get() == "inside"
            yield number

    def later(self, error: Exception | None = None) -> object:
        """A plain method that returns a coroutine."""

        async def work() -> str:
            """Do it."""
            if error is not None:
                raise error
            return "done"

        return work()


def _real(tracer: trace.Tracer | None = None, **settings: int) -> tuple[Guard, BreakerRegistry, Shop]:
    live, clock = Fixed(ResilienceSettings.model_validate(settings)), SystemClock()
    breakers = BreakerRegistry(live, clock)
    guard = Guard(live, breakers, tracer, clock)
    return guard, breakers, guarded(Shop)(guard=guard)


def _counted(guard: Guard, operation: str) -> dict[str, int]:
    return {
        dict(m.attributes)["outcome"]: int(m.value)
        for m in guard.measurements()
        if m.name == "arbiter.operation.calls" and dict(m.attributes)["operation"] == operation
    }


async def test_f47_no_lock_is_held_over_the_call() -> None:
    """Twenty coroutines are inside the method at once, and so are four threads: each waits there for all the others."""

    class Meeting:
        """Everybody waits for everybody: with a lock over the call, the first would wait for ever."""

        def __init__(self) -> None:
            self.inside = 0
            self.all_here = asyncio.Event()
            self.threads = threading.Barrier(4, timeout=10)

        async def join(self) -> int:
            """Come in, and wait for nineteen others."""
            self.inside += 1
            if self.inside == 20:
                self.all_here.set()
            await self.all_here.wait()
            return self.inside

        def block(self) -> int:
            """Come in by a thread, and wait for three others."""
            return self.threads.wait()

    meeting = guarded(Meeting)(guard=World(timeout_ms=0).guard)

    async with asyncio.timeout(10):
        inside = await asyncio.gather(*(meeting.join() for _ in range(20)))
    with ThreadPoolExecutor(4) as pool:
        arrived = [pool.submit(meeting.block) for _ in range(4)]

    assert inside == [20] * 20
    assert sorted(one.result() for one in arrived) == [0, 1, 2, 3]


async def test_f48_cancellation_is_never_replaced() -> None:
    """An outer timeout sees its TimeoutError, a task group only the sibling's error, though one failure would trip."""
    _, breakers, shop = _real(failure_threshold=1)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await shop.rest(1)
    with pytest.raises(ExceptionGroup) as caught:
        await _together(shop.rest(1), _fail())

    assert [type(error) for error in caught.value.exceptions] == [OwnError]
    assert breakers.get("shop.rest").current_state == "closed"


async def _together(*works: Coroutine[Any, Any, None]) -> None:
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)


async def _fail() -> None:
    await asyncio.sleep(0)
    raise OwnError


async def test_f49_the_callers_deadline_is_not_the_guards() -> None:
    """The caller's own timeout counts nothing; the guard's deadline counts a failure and says so."""
    guard, breakers, shop = _real(timeout_ms=5)

    with pytest.raises(TimeoutError) as outer:
        async with asyncio.timeout(0.001):
            await shop.rest(1)
    before = breakers.get("shop.rest").fail_counter
    with pytest.raises(DeadlineExceeded) as own:
        await shop.rest(1)

    assert not isinstance(outer.value, DeadlineExceeded)
    assert (before, breakers.get("shop.rest").fail_counter) == (0, 1)
    assert (own.value.operation, own.value.timeout_s) == ("shop.rest", 0.005)
    assert _counted(guard, "shop.rest") == {"cancelled": 1, "timeout": 1}


async def test_f50_the_guard_stays_in_its_callers_task() -> None:
    """A context variable that the method sets is seen by the caller."""
    _, _, shop = _real()

    await shop.mark()

    assert SEEN.get() == "inside"


async def test_f52_an_early_end_of_a_generator_is_neutral() -> None:
    """Leaving after one item says nothing about who yielded it."""
    guard, breakers, shop = _real(failure_threshold=1)

    async with aclosing(shop.numbers()) as numbers:  # type: ignore[type-var]
        async for _ in numbers:
            break

    assert _counted(guard, "shop.numbers") == {"cancelled": 1}
    assert breakers.get("shop.numbers").current_state == "closed"


async def test_f52_an_exhausted_generator_is_one_success() -> None:
    """Five items are one call, and the generator's variables stay its own."""
    guard, _, shop = _real()

    found = [(number, SEEN.get()) async for number in shop.numbers()]

    assert found == [(number, "outside") for number in range(5)]
    assert _counted(guard, "shop.numbers") == {"success": 1}


async def test_f52_a_failing_generator_is_one_failure() -> None:
    """An error at the third item is the call's."""
    guard, _, shop = _real()
    found = []

    try:
        async for number in shop.numbers(fail_at=3):
            found.append(number)  # noqa: PERF401  what came before the error matters
    except OwnError:
        found.append(-1)

    assert found == [0, 1, 2, -1]
    assert _counted(guard, "shop.numbers") == {"failure": 1}


async def test_f52_a_generators_span_is_not_its_consumers() -> None:
    """No span of the guard is current between two items."""
    _, _, shop = _real(TracerProvider(shutdown_on_exit=False).get_tracer("test"))

    current = {trace.get_current_span() async for _ in shop.numbers()}

    assert current == {trace.INVALID_SPAN}


async def test_f52_the_deadline_of_a_generator_is_for_each_item() -> None:
    """A consumer that takes its time is not ended; an item that does not come is."""
    world = World()

    class Feed:
        """Yields twice, then hangs."""

        async def items(self) -> AsyncIterator[int]:
            """Two items."""
            yield 1
            yield 2
            await asyncio.get_running_loop().create_future()

    feed = guarded(Feed)(guard=world.guard)
    items = aiter(feed.items())
    found = [await anext(items)]
    world.clock.advance(5)
    await turns()
    found.append(await anext(items))
    hung = asyncio.ensure_future(anext(items))
    await turns()
    world.clock.advance(1)

    assert found == [1, 2]
    with pytest.raises(DeadlineExceeded):
        await hung


async def test_a_coroutine_from_a_plain_method_is_judged_when_it_ends() -> None:
    """Making it says nothing; awaiting it is the call."""
    guard, breakers, shop = _real(failure_threshold=1)

    result = await shop.later()  # type: ignore[misc]
    with pytest.raises(OwnError):
        await shop.later(OwnError())  # type: ignore[misc]

    assert result == "done"
    assert _counted(guard, "shop.later") == {"success": 1, "failure": 1}
    assert breakers.get("shop.later").current_state == "open"


class Faulty(pybreaker.CircuitBreakerListener):
    """A listener that raises whatever it is told."""

    def __init__(self) -> None:
        self.told = 0

    def success(self, cb: pybreaker.CircuitBreaker) -> None:
        """Raise."""
        self._raise()

    def failure(self, cb: pybreaker.CircuitBreaker, exc: BaseException) -> None:
        """Raise."""
        self._raise()

    def state_change(self, cb: object, old_state: object, new_state: object) -> None:
        """Raise."""
        self._raise()

    def _raise(self) -> None:
        self.told += 1
        raise ZeroDivisionError


async def test_f53_a_failing_listener_reaches_nobody() -> None:
    """Callers get their results, the circuit still trips, and the listener's error is logged once."""
    world = World()
    listener = Faulty()
    world.breaker.add_listener(listener)

    with capture_logs() as logs:
        seen = await world.calls("sfff")

    assert seen[0] == "fine"
    assert all(isinstance(error, OwnError) for error in seen[1:])
    assert (world.state, listener.told) == ("open", 5)
    assert [entry["event"] for entry in logs] == ["breaker_listener_failed"]


async def test_f54_a_listener_reads_the_new_state() -> None:
    """Inside state_change the breaker is where it went already, and its lock is free."""
    world = World()
    read: list[str] = []

    class Reader(pybreaker.CircuitBreakerListener):
        """Reads the state from another thread, which would wait for a lock that is held."""

        def state_change(self, cb: pybreaker.CircuitBreaker, old_state: object, new_state: object) -> None:
            """Read."""
            thread = threading.Thread(target=lambda: read.append(world.breaker.status().state))
            thread.start()
            thread.join(1)

    world.breaker.add_listener(Reader())
    await world.trip()

    assert read == ["open"]


class Mixed:
    """Two methods that are one operation: one breaker for coroutines and plain callers."""

    @operation(name="work")
    async def wait(self, error: Exception | None = None) -> None:
        """Be suspended, then end."""
        await asyncio.sleep(0)
        if error is not None:
            raise error

    @operation(name="work")
    def block(self, error: Exception | None = None) -> None:
        """End."""
        if error is not None:
            raise error


def _thousand_calls(mixed: Mixed, error: Exception | None) -> None:
    """Half of them in two loops, half on two plain threads, all at the same time."""

    async def many() -> None:
        await asyncio.gather(*(mixed.wait(error) for _ in range(250)), return_exceptions=True)

    def plain() -> None:
        for _ in range(250):
            with contextlib.suppress(OwnError):
                mixed.block(error)

    loops = [threading.Thread(target=lambda: asyncio.run(many())) for _ in range(2)]
    threads = loops + [threading.Thread(target=plain) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(("threshold", "state"), [(1_001, "closed"), (1_000, "open")])
def test_f55_loops_and_threads_share_one_breaker(threshold: int, state: str) -> None:
    """A thousand failures from two loops and two plain threads are a thousand; the thousandth trips, once."""
    world = World(failure_threshold=threshold, timeout_ms=0)
    mixed = guarded(Mixed)(guard=world.guard)

    _thousand_calls(mixed, OwnError())

    breaker = world.breakers.get("mixed.work")
    assert _counted(world.guard, "mixed.work") == {"failure": 1_000}
    assert (breaker.fail_counter, breaker.current_state) == (1_000, state)
    assert world.log.changes == ([("closed", "open")] if state == "open" else [])


def test_f55_successes_of_loops_and_threads_add_up() -> None:
    """Counts and histogram lose none, and no deadline's queue is bound to another loop."""
    guard, _, _ = _real()
    mixed = guarded(Mixed)(guard=guard)

    _thousand_calls(mixed, None)

    assert _counted(guard, "mixed.work") == {"success": 1_000}


def test_f55_one_trip_under_many_threads() -> None:
    """Failures counted from four threads trip once."""
    world = World(failure_threshold=100)

    def fail() -> None:
        for _ in range(100):
            breaker = world.breaker
            try:
                breaker.failed(breaker.admit(), OwnError())
            except pybreaker.CircuitBreakerError:
                return

    threads = [threading.Thread(target=fail) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert world.log.changes == [("closed", "open")]
    assert world.breaker.fail_counter == 100


async def test_a_cancellation_beside_the_deadline_stays_a_cancellation() -> None:
    """When both come, the caller's own cancellation wins, as in asyncio.timeout."""
    world = World()
    [(task, _)] = await world.begin()

    task.cancel()
    world.clock.advance(1)
    result = await ended(task)

    assert isinstance(result, asyncio.CancelledError)
    assert world.breaker.fail_counter == 0


async def test_a_value_that_comes_after_the_deadline_stands() -> None:
    """A method that swallows the cancellation returns its value, and the task is not left cancelled."""
    world = World()

    class Stubborn:
        """Does not give up."""

        async def work(self) -> str:
            """Swallow one cancellation."""
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                return "late value"
            return ""

    stubborn = guarded(Stubborn)(guard=world.guard)
    task = asyncio.ensure_future(stubborn.work())
    await turns()
    world.clock.advance(1)

    assert await task == "late value"
    assert task.cancelling() == 0


async def test_one_timer_serves_every_call_of_a_timeout() -> None:
    """Fifty calls that wait for the same time-out wait on one sleeper, and expire together."""
    world = World(failure_threshold=100)
    started = await world.begin(50)

    sleepers = world.clock.sleepers
    world.clock.advance(1)
    seen = [await ended(task) for task, _ in started]

    assert sleepers == 1
    assert all(isinstance(error, DeadlineExceeded) for error in seen)
    assert world.counted(Outcome.TIMEOUT) == 50


async def test_h65_a_full_bulkhead_is_neutral() -> None:
    """One call too many is rejected as saturated: another type than an open circuit, and no failure."""
    world = World(max_concurrent=2, failure_threshold=1)
    started = await world.begin(2)

    error = await world.call()
    for _, future in started:
        future.set_result("fine")
    await asyncio.gather(*(task for task, _ in started))

    assert isinstance(error, Saturated)
    assert not isinstance(error, pybreaker.CircuitBreakerError)
    assert "max_concurrent" in str(error)
    assert (world.state, world.body.invoked) == ("closed", 2)
    assert not await world.rejects()


async def test_h65_a_saturated_trial_gives_its_permit_back() -> None:
    """The bulkhead stands inside the breaker: what it rejects settles the trial as neutral."""
    world = World(max_concurrent=1, timeout_ms=0)
    [(task, future)] = await world.begin()
    world.breaker.open()
    world.clock.advance(10)

    error = await world.call()

    assert isinstance(error, Saturated)
    assert (world.state, world.breaker.permits_in_use) == ("half-open", 0)
    future.set_result(None)
    await task


def test_a_pay_is_what_the_proxy_says_it_is() -> None:
    """The kit's proxy is typed and seen as its component."""
    assert isinstance(World().pay, Pay)
