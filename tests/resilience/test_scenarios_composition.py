"""Scenarios H: retry and fallback around the breaker, the bulkhead within it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbiter.errors import NotFound, Rejected
from arbiter.events import CallRetried, FellBack
from arbiter.operation import Value, operation
from arbiter.resilience.bulkhead import Saturated
from arbiter.resilience.policy import Policy
from arbiter.resilience.proxy import guarded, inner
from arbiter.resilience.retry import REFILL_PER_S, RESERVE, Budget, wait_s
from arbiter.resilience.states import CircuitOpen
from tests.resilience.kit import OwnError, World, ended, turns

SEEN: list[tuple[str, tuple[Exception, ...]]] = []


def third(shop: Shop, order: object, *, errors: tuple[Exception, ...]) -> str:
    """A function as a fallback."""
    SEEN.append(("third", errors))
    return f"third for {order!r} of {type(shop).__name__}"


class Neighbour:
    """Another component."""

    async def charge(self, order: object) -> str:
        """Answer in its place."""
        return f"neighbour for {order!r}"


class Shop:
    """Operations with retries and chains of fallbacks; `outcomes` says what each invocation does."""

    def __init__(self, *outcomes: object) -> None:
        self.outcomes = list(outcomes)
        self.invoked = 0
        self._neighbour = Neighbour()

    @operation(idempotent=True)
    async def look(self, order: object = None) -> object:
        """Retried."""
        return await self._next()

    @operation(fallback=("first", "second"))
    async def chained(self, order: object = None) -> object:
        """Falls back twice."""
        return await self._next()

    async def first(self, order: object, *, errors: tuple[Exception, ...]) -> object:
        """Fails."""
        SEEN.append(("first", errors))
        raise KeyError("first")

    async def second(self, order: object, *, errors: tuple[Exception, ...]) -> object:
        """Answers."""
        SEEN.append(("second", errors))
        return "second"

    @operation(fallback=third)
    async def by_function(self, order: object = None) -> object:
        """Falls back on a function."""
        return await self._next()

    @operation(fallback="_neighbour.charge")
    async def by_neighbour(self, order: object = None) -> object:
        """Falls back on another component."""
        return await self._next()

    @operation(fallback=Value(()), idempotent=True)
    async def by_value(self, order: object = None) -> object:
        """Retried, then falls back on a value."""
        return await self._next()

    @operation(fallback=("second_plain", Value("never")))
    def plain(self, order: object = None) -> object:
        """A plain method falls back, too."""
        raise OwnError

    def second_plain(self, order: object) -> object:
        """Answers."""
        return f"plain for {order!r}"

    async def _next(self) -> object:
        self.invoked += 1
        outcome = self.outcomes.pop(0) if self.outcomes else OwnError()
        if isinstance(outcome, BaseException):
            raise outcome
        return await outcome if isinstance(outcome, asyncio.Future) else outcome


def _shop(world: World, *outcomes: object) -> Shop:
    SEEN.clear()
    shop = guarded(Shop)(*outcomes, guard=world.guard)
    world.guard.adopt("shop", shop)
    return shop


def _world(**changed: Any) -> World:
    return World(**({"retry_initial_ms": 100, "retry_jitter_ms": 0} | changed))


async def _result(world: World, call: Any, waits: int = 3) -> object:
    """What the call gives when the clock is driven through its waits."""
    task = asyncio.get_running_loop().create_task(call)
    for _ in range(waits):
        await turns()
        world.clock.advance(1)
    return await ended(task)


async def test_h62_each_fallback_gets_what_failed_before_it() -> None:
    """g1 gets the rejection, g2 the rejection and g1's error; g2's value is returned, g1's failure counts nowhere."""
    world = _world()
    shop = _shop(world)
    world.breakers.open("shop.chained")

    result = await shop.chained("order")

    [(_, [rejection]), (_, [same, after])] = SEEN
    assert result == "second"
    assert isinstance(rejection, CircuitOpen)
    assert (same, type(after), after.__context__) == (rejection, KeyError, rejection)
    assert world.breakers.snapshot()["shop.first"].failure_count == 0
    assert world.breakers.snapshot()["shop.chained"].failure_count == 0
    assert [(e.to, e.error) for e in world.log.events if isinstance(e, FellBack)] == [
        ("first", "CircuitOpen"),
        ("second", "KeyError"),
    ]


async def test_h62_a_function_a_value_or_another_component_may_answer() -> None:
    """All get the method's arguments, the function the component as its first."""
    world = _world(retry_attempts=1)
    shop = _shop(world)

    assert await shop.by_function("a") == "third for 'a' of Shop"
    assert await shop.by_neighbour("b") == "neighbour for 'b'"
    assert await shop.by_value("c") == ()
    assert shop.plain("d") == "plain for 'd'"


async def test_h63_cancellation_never_runs_the_fallback() -> None:
    """The awaiter sees CancelledError, and nothing was asked in its place."""
    world = _world(timeout_ms=0)
    shop = _shop(world, asyncio.get_running_loop().create_future())
    task = asyncio.get_running_loop().create_task(shop.chained("order"))
    await turns()

    task.cancel()

    assert isinstance(await ended(task), asyncio.CancelledError)
    assert SEEN == []


async def test_h64_a_rejection_is_never_retried() -> None:
    """Three attempts fail and open the circuit; the next call is one rejection, not three."""
    world = _world(failure_threshold=3)
    shop = _shop(world)

    first = await _result(world, shop.look())
    opened = world.breakers.get("shop.look").current_state
    before = world.breakers.get("shop.look").rejected
    second = await _result(world, shop.look(), waits=0)

    assert isinstance(first, OwnError)
    assert (inner(shop).invoked, opened) == (3, "open")
    assert isinstance(second, CircuitOpen)
    assert (inner(shop).invoked, world.breakers.get("shop.look").rejected - before) == (3, 1)


async def test_h65_a_full_bulkhead_is_neutral_and_rejects_in_its_own_way() -> None:
    """The breaker counts nothing, nothing is retried, and the fallback answers with the rejection at hand."""
    world = _world(max_concurrent=1, timeout_ms=0, failure_threshold=1)
    shop = _shop(world, asyncio.get_running_loop().create_future())
    running = asyncio.get_running_loop().create_task(shop.look())
    await turns()

    result = await _result(world, shop.look(), waits=0)
    running.cancel()
    await ended(running)

    assert isinstance(result, Saturated)
    assert not isinstance(result, CircuitOpen)
    assert world.breakers.snapshot()["shop.look"].failure_count == 0
    assert inner(shop).invoked == 1
    [limit] = [m.value for m in world.guard.measurements() if m.name == "arbiter.operation.limit"
               and ("operation", "shop.look") in m.attributes]  # fmt: skip
    assert limit == 1


async def test_h65_the_fallback_stands_outside_the_retry_and_that_outside_the_breaker() -> None:
    """Three attempts are made, each counted by the breaker, before the value answers once."""
    world = _world(failure_threshold=5)
    shop = _shop(world)

    result = await _result(world, shop.by_value())

    assert (result, inner(shop).invoked) == ((), 3)
    assert world.breakers.snapshot()["shop.by_value"].failure_count == 3


async def test_a_retry_that_succeeds_is_all_that_its_caller_sees() -> None:
    """The waits grow by the multiplier; each retry is an event."""
    world = _world()
    shop = _shop(world, OwnError(), OwnError(), "fine")

    result = await _result(world, shop.look())

    assert result == "fine"
    assert [(e.attempt, e.wait_s) for e in world.log.events if isinstance(e, CallRetried)] == [
        (1, 0.1),
        (2, 0.2),
    ]


@pytest.mark.parametrize("answer", [NotFound("no"), asyncio.CancelledError(), Rejected("elsewhere.call")])
async def test_answers_cancellation_and_foreign_rejections_are_not_retried(answer: BaseException) -> None:
    """Only a failure or a passed deadline is worth another attempt."""
    world = _world()
    shop = _shop(world, answer)

    assert await _result(world, shop.look(), waits=0) is answer
    assert inner(shop).invoked == 1


async def test_a_passed_deadline_is_retried_with_a_deadline_of_its_own() -> None:
    """The second attempt has the whole time again."""
    world = _world(timeout_ms=1_000)
    shop = _shop(world, asyncio.get_running_loop().create_future(), "fine")

    assert await _result(world, shop.look()) == "fine"


async def test_without_the_breaker_the_other_layers_stay() -> None:
    """`circuit_breaker_enabled = false`: retries, bulkhead and fallback go on, nothing opens."""
    world = _world(circuit_breaker_enabled=False, failure_threshold=1)
    shop = _shop(world)

    answers = [await _result(world, shop.by_value()) for _ in range(2)]

    assert answers == [(), ()]
    assert inner(shop).invoked == 6


async def test_retries_stay_within_their_budget() -> None:
    """A thousand failing calls make at most their share of retries, and the rest is counted as over budget."""
    world = _world(circuit_breaker_enabled=False, retry_initial_ms=0, retry_attempts=2, retry_budget=0.1)
    shop = _shop(world)

    for _ in range(1_000):
        await _result(world, shop.look(), waits=0)

    counted = {dict(m.attributes)["outcome"]: m.value for m in world.guard.measurements()
               if m.name == "arbiter.operation.retries"}  # fmt: skip
    assert inner(shop).invoked == 1_000 + counted["made"]
    assert 100 <= counted["made"] <= 100 + RESERVE
    assert counted["made"] + counted["over-budget"] == 1_000


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 5)), max_size=50), st.floats(0, 1))
def test_a_budget_never_gives_more_than_was_paid_in(steps: list[tuple[int, float]], share: float) -> None:
    """Retries made <= reserve + share of the calls + the floor per second, whatever comes in which order."""
    budget = Budget(0, 0.0)
    calls, now, made = 0, 0.0, 0

    for more, seconds in steps:
        calls, now = calls + more, now + seconds
        made += budget.take(share, calls, now)

        assert made <= RESERVE + calls * share + now * REFILL_PER_S + 1e-6


def test_the_wait_is_staminas() -> None:
    """The same formula gives the same numbers: grown by the base, the jitter added, capped at the end."""
    policy = Policy(retry_initial_s=0.1, retry_max_s=1.0, retry_multiplier=2.0, retry_jitter_s=0.5)
    compute = pytest.importorskip("stamina._core")._compute_backoff

    for attempt in range(1, 12):
        seed = random.Random(attempt)  # noqa: S311
        random.seed(attempt)
        theirs = compute(attempt, 1.0, 0.1, 2.0, 0.5)
        assert wait_s(policy, attempt, seed.random()) == pytest.approx(theirs)


def test_what_cannot_be_retried_or_answered_is_refused() -> None:
    """Plain methods and generators have no retries; a dotted fallback begins with something that is held."""
    world = World()

    class Plain:
        @operation(idempotent=True)
        def look(self) -> int:
            """Would block its thread."""
            return 1

    class Lost:
        @operation(fallback="nobody.charge")
        async def charge(self) -> int:
            """Holds nobody."""
            return 1

    class Wrong:
        @operation(fallback=3)  # type: ignore[call-overload, untyped-decorator]
        async def charge(self) -> int:
            """Is no fallback."""
            return 1

    with pytest.raises(TypeError, match="block its caller's thread"):
        guarded(Plain)(guard=world.guard)
    with pytest.raises(TypeError, match=r"nobody\.charge begins with nothing"):
        guarded(Lost)(guard=world.guard)
    with pytest.raises(TypeError, match="3 is no fallback"):
        guarded(Wrong)(guard=world.guard)
